//! One integration binary.

mod config;
