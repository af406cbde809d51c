//! `make fuzz TARGET=authorize_url`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[allow(dead_code)]
#[path = "../targets/api.rs"]
mod api;
#[path = "../targets/authorize_url.rs"]
mod authorize_url;
#[path = "../bounded.rs"]
mod bounded;
#[allow(dead_code)]
#[path = "../../it/http/fakes.rs"]
mod fakes;
#[allow(dead_code)]
#[path = "../../it/http/rig.rs"]
mod rig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| authorize_url::run(input));
