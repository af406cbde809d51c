//! Placeholder of the crate's map.

pub mod adapters;
pub mod domain;
pub mod ports;
