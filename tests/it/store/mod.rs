//! The stores: that they do what the protocol says, and what happens when the world does not play along.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

mod connections;
mod course;
mod edges;
mod embedded;
mod equivalence;
mod everywhere;
mod failover;
mod history;
mod mutant;
mod mutants;
mod past;
mod redis;
mod replay;
mod sample;
mod scenes;
mod seals;
mod security;
mod signals;
mod steps;
mod way;
