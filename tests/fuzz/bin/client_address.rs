//! `make fuzz TARGET=client_address`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/client_address.rs"]
mod client_address;

libfuzzer_sys::fuzz_target!(|input: &[u8]| client_address::run(input));
