//! `serve`: the one place where the command line meets the running broker.

use std::path::Path;

use super::environment::Environment;
use super::failure::Failure;
use crate::config::Config;

pub(super) fn serve(path: &Path, environment: &Environment) -> Result<(), Failure> {
    let _config = Config::load(Some(path), environment.iter())?;
    // The call site of the composition root: `app::run(config)`.
    Err(Failure::NotWired)
}
