//! Processes that die, stall and are cut off; stores that go away and come back empty. Real processes and a
//! real Redis; the simulator's oracle judges every reply.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]
#![expect(
    clippy::print_stdout,
    reason = "the figures measured are for whoever runs a scenario by hand"
)]

mod bad_configuration;
mod bad_input;
mod embedded;
mod holder_dies;
mod holder_stalls;
mod late_words;
mod restarts;
mod rig;
mod secrets;
mod store_away;
