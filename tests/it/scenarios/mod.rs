//! The promises, each against real processes or the production constructor, a real Redis and the simulator,
//! whose oracle judges every reply.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

mod cold_start;
mod events;
mod reload;
