//! `make fuzz TARGET=configuration`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/configuration.rs"]
mod configuration;

libfuzzer_sys::fuzz_target!(|input: &[u8]| configuration::run(input));
