//! One integration binary: everything that needs real processes, a real Redis, or the simulator.

mod architecture;
mod calls;
mod cli;
mod config;
mod faults;
mod http;
mod scenarios;
mod store;
mod support;
mod upstream;
