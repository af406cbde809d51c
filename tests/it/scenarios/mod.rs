//! The promises, each against real processes or the production constructor, a real Redis and the simulator,
//! whose oracle judges every reply.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]
#![expect(
    clippy::print_stdout,
    reason = "the figures measured are for whoever runs a scenario by hand"
)]

mod budget;
mod cold_start;
mod error_codes;
mod events;
mod every_store;
mod failovers;
mod garbage;
mod holders;
mod leaving;
mod lives;
mod pause;
mod reload;
mod reload_apps;
mod reports;
mod sealing;
mod service_manager;
mod several_apps;
mod stable;
mod tickets;
mod traces;
mod upstream_outages;
