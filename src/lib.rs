//! Placeholder of the crate's map.

pub mod cli;
pub mod config;
pub mod domain;
pub mod key;
pub mod ports;
