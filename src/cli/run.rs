//! From a command to what does it.

use super::args::{Args, Command, Key, Token};
use super::environment::Environment;
use super::failure::Failure;
use super::{check_config, completions, healthcheck, key, output, serve, status, token};
use crate::http::openapi_json;

/// Does what was asked for.
///
/// # Errors
/// Why it was not done.
pub fn run(args: Args, environment: &Environment) -> Result<(), Failure> {
    match args.command {
        Command::Serve { config } => serve::serve(&config, environment),
        Command::CheckConfig {
            print_default: true,
            ..
        } => check_config::print_default(),
        Command::CheckConfig { config, .. } => check_config::check(config.as_deref(), environment),
        Command::Healthcheck { ready, target } => {
            healthcheck::ask(&target.ops(environment)?, ready)
        }
        Command::Status { json, target, key } => {
            status::show(&target.api(environment)?, &key.read(environment)?, json)
        }
        Command::Token(Token::Get { appid, target, key }) => {
            token::get(&target.api(environment)?, &key.read(environment)?, &appid)
        }
        Command::Key(Key::New { id }) => key::new(&id),
        Command::Openapi => output::print(&openapi_json()),
        Command::Completions { shell } => completions::print(shell),
    }
}
