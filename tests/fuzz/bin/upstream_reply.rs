//! `make fuzz TARGET=upstream_reply`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[allow(dead_code)]
#[path = "../targets/api.rs"]
mod api;
#[path = "../bounded.rs"]
mod bounded;
#[allow(dead_code)]
#[path = "../../it/http/fakes.rs"]
mod fakes;
#[allow(dead_code)]
#[path = "../../it/http/rig.rs"]
mod rig;
#[path = "../targets/upstream_reply.rs"]
mod upstream_reply;

libfuzzer_sys::fuzz_target!(|input: &[u8]| upstream_reply::run(input));
