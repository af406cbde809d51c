//! `check-config`: everything that is wrong, before it matters.

use std::path::Path;

use super::environment::Environment;
use super::failure::Failure;
use super::output::print;
use crate::config::{Config, DEFAULT_FILE};

pub(super) fn check(path: Option<&Path>, environment: &Environment) -> Result<(), Failure> {
    let config = Config::load(path, environment.iter())?;
    let counted = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let apps = counted(config.apps.len(), "app");
    let callers = counted(config.callers.len(), "caller");
    print(&format!("The configuration is valid: {apps}, {callers}."))
}

pub(super) fn print_default() -> Result<(), Failure> {
    print(DEFAULT_FILE)
}
