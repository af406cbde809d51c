//! The two streams: data to stdout, everything else to stderr.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::failure::{Failure, USAGE};

/// Writes data, with a newline at its end.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}{newline}").and_then(|()| stdout.flush());
    match written {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Writes a remark that is no data.
pub(super) fn remark(text: &str) {
    // Nowhere is left to tell that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Tells why a command failed, and what to exit with.
#[must_use]
pub fn complain(failure: &Failure) -> ExitCode {
    remark(&format!("error: {failure}"));
    failure.exit_code()
}

/// Tells what is wrong with the arguments, or prints the help they ask for, and what to exit with.
#[must_use]
pub fn refuse(arguments: &clap::Error) -> ExitCode {
    let _ = arguments.print();
    if arguments.use_stderr() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::SUCCESS
    }
}
