//! `completions`: what a shell needs to know to complete our arguments.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Args;
use super::failure::Failure;
use super::output;

pub(super) fn print(shell: Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics where its output is closed.
    let mut script = Vec::new();
    let mut command = Args::command();
    clap_complete::generate(shell, &mut command, "token-broker", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
