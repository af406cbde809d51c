//! One integration binary: everything that needs real processes, a real Redis, or the simulator.

mod cli;
mod config;
mod store;
mod support;
mod upstream;
