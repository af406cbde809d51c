//! One integration binary.

mod config;
mod simulation;
mod upstream;
