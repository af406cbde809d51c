//! `make fuzz TARGET=stored_record`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/record.rs"]
mod record;
#[path = "../targets/stored_record.rs"]
mod stored_record;

libfuzzer_sys::fuzz_target!(|input: &[u8]| stored_record::run(input));
