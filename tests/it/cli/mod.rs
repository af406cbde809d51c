//! The binary as an operator runs it: streams, exit codes, and nothing secret in either.
#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

mod asking;
mod commands;
mod configuration;
mod process;
