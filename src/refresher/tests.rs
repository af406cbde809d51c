//! What each step does with an answer that the simulation hardly meets, or whose end people alone see: lines of the
//! log, what is kept as history, what is counted.

mod alone;
mod checks;
mod fetches;
mod pauses;
mod readings;
mod reports;
pub(crate) mod scene;
mod shelf;
mod tickets;
mod wechat;
