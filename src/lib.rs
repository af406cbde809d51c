//! Placeholder of the crate's map.

pub mod domain;
pub mod ports;
