//! Placeholder of the crate's map.

pub mod broker;
pub mod cli;
pub mod config;
pub mod domain;
pub mod follower;
pub mod http;
pub mod key;
pub mod metrics;
pub mod overview;
pub mod ports;
pub mod refresher;
pub mod scheduler;
pub mod snapshot;
