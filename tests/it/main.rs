//! One integration binary.

mod cli;
mod config;
mod http;
