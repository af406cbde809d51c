//! The binary: arguments, the command, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use token_broker::cli::{self, Args, Environment};

/// Ten thousand apps are small pieces of memory that come and go on several threads: the system's allocator took a
/// third of all that they cost while nobody asked for anything.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return cli::refuse(&error),
    };
    match cli::run(args, &Environment::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => cli::complain(&failure),
    }
}
