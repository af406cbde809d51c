//! `healthcheck`: for orchestrators that can only run a command.

use super::client;
use super::failure::Failure;
use super::output::print;

pub(super) fn ask(base: &str, ready: bool) -> Result<(), Failure> {
    let (path, word) = if ready {
        ("/readyz", "ready")
    } else {
        ("/livez", "live")
    };
    client::probe(base, path)?;
    print(word)
}
