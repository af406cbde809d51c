//! `make fuzz TARGET=sealed_record`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/record.rs"]
mod record;
#[path = "../targets/sealed_record.rs"]
mod sealed_record;

libfuzzer_sys::fuzz_target!(|input: &[u8]| sealed_record::run(input));
