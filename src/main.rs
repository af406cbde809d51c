//! The binary: arguments, the command, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use token_broker::cli::{self, Args, Environment};

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
