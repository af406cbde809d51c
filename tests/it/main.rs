//! One integration binary.

mod config;
mod upstream;
