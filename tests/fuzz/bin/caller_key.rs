//! `make fuzz TARGET=caller_key`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[allow(dead_code)]
#[path = "../targets/api.rs"]
mod api;
#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/caller_key.rs"]
mod caller_key;
#[allow(dead_code)]
#[path = "../../it/http/fakes.rs"]
mod fakes;
#[allow(dead_code)]
#[path = "../../it/http/rig.rs"]
mod rig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| caller_key::run(input));
