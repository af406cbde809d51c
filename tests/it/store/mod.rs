//! The stores: that they do what the protocol says, and what happens when the world does not play along.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

mod embedded;
mod equivalence;
mod everywhere;
mod failover;
mod history;
mod mutants;
mod mutating;
mod redis;
mod sample;
mod seals;
mod security;
mod signals;
