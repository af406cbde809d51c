//! Calls that the broker makes for its callers: the production constructor against the simulator.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

mod batch;
mod documented;
mod gateway;
mod native;
mod parameters;
mod persons;
mod rig;
mod secrecy;
mod tickets;
mod users;
mod web;
