//! The command line: what can be asked of the binary, and the commands that need no running core.
//!
//! Data goes to stdout, everything else to stderr. Exit 0: done; 1: failed; 64: called or configured in
//! a wrong way. `serve` runs the broker; `healthcheck`, `status` and `token` ask a running one by HTTP.

mod args;
mod check_config;
mod client;
mod completions;
mod environment;
mod failure;
mod healthcheck;
mod key;
mod output;
mod run;
mod serve;
mod status;
mod target;
mod token;

pub use args::{Args, Command, Key, Token};
pub use client::ClientError;
pub use environment::Environment;
pub use failure::{Failure, USAGE};
pub use output::{complain, refuse};
pub use run::run;
pub use target::{KeyFile, Target};
