//! The configuration as a file and an environment give it.
#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

mod environment;
mod every_key;
mod form;
mod promises;
mod sample;
mod sealing;
mod secrecy;
mod upstream;

pub(crate) use sample::{Files, SMALL, load};
