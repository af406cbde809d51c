//! One integration binary: everything that needs real processes, a real Redis, or the simulator.

mod ablation;
mod architecture;
mod calls;
mod cli;
mod config;
mod faults;
mod fuzz;
mod http;
mod release;
mod scenarios;
mod store;
#[expect(
    dead_code,
    reason = "shared with the chaos tests, which need a little more"
)]
mod support;
mod timing;
mod upstream;
