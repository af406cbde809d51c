//! `make fuzz TARGET=request`: libFuzzer calls the function that `make test` runs the kept corpus through.

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
#[path = "../targets/gateway_path.rs"]
mod gateway_path;
#[path = "../targets/request.rs"]
mod request;
#[allow(dead_code)]
#[path = "../../it/http/rig.rs"]
mod rig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| request::run(input));
