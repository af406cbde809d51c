//! `make fuzz TARGET=gateway_path`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[allow(dead_code)]
#[path = "../targets/api.rs"]
mod api;
#[path = "../bounded.rs"]
mod bounded;
#[allow(dead_code)]
#[path = "../../it/http/fakes.rs"]
mod fakes;
#[path = "../targets/gateway_path.rs"]
mod gateway_path;
#[allow(dead_code)]
#[path = "../../it/http/rig.rs"]
mod rig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway_path::run(input));
