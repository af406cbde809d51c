//! The configuration as a file and an environment give it.
#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

mod callers;
mod environment;
mod every_key;
mod form;
mod promises;
mod sample;
mod sealing;
mod secrecy;
mod upstream;
mod ways;

pub(crate) use sample::{Files, SMALL, load};
