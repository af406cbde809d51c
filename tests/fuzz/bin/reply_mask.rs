//! `make fuzz TARGET=reply_mask`: libFuzzer calls the function that `make test` runs the kept corpus through.

#![no_main]

#[path = "../bounded.rs"]
mod bounded;
#[path = "../targets/reply_mask.rs"]
mod reply_mask;

libfuzzer_sys::fuzz_target!(|input: &[u8]| reply_mask::run(input));
