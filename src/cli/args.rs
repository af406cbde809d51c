//! The arguments. Their help is what operators read first.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::target::{KeyFile, Target};
use crate::domain::app_id::AppId;
use crate::domain::caller::CallerId;

/// Keeps the WeChat access tokens of several appids fresh, and hands them to those who may have them.
#[derive(Debug, Parser)]
#[command(
    name = "token-broker",
    version,
    after_help = "Exit status: 0 done, 1 failed, 64 called or configured in a wrong way."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the broker
    Serve {
        /// The configuration; `check-config --print-default` prints one with every key.
        #[arg(
            long,
            value_name = "FILE",
            env = "TOKEN_BROKER_CONFIG",
            hide_env_values = true
        )]
        config: PathBuf,
    },
    /// Check the configuration and tell everything that is wrong with it
    CheckConfig {
        /// The configuration.
        #[arg(
            long,
            value_name = "FILE",
            env = "TOKEN_BROKER_CONFIG",
            hide_env_values = true,
            required_unless_present = "print_default"
        )]
        config: Option<PathBuf>,
        /// Print a commented file with every key and its default, and check nothing.
        #[arg(long)]
        print_default: bool,
    },
    /// Ask a running broker whether it lives
    Healthcheck {
        /// Ask whether it is ready for requests.
        #[arg(long)]
        ready: bool,
        /// The operations listener.
        #[command(flatten)]
        target: Target,
    },
    /// Show each app's state, as a running broker sees it; needs a key with the verb admin
    Status {
        /// Print the broker's JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// The API.
        #[command(flatten)]
        target: Target,
        /// Who asks.
        #[command(flatten)]
        key: KeyFile,
    },
    /// Ask a running broker for a token
    #[command(subcommand)]
    Token(Token),
    /// Make keys for callers
    #[command(subcommand)]
    Key(Key),
    /// Print the contract of the API: OpenAPI 3.1, JSON
    Openapi,
    /// Print a shell's completions
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Print the current token, and nothing else
    Get {
        /// Whose.
        #[arg(value_parser = AppId::parse)]
        appid: AppId,
        /// The API.
        #[command(flatten)]
        target: Target,
        /// Who asks.
        #[command(flatten)]
        key: KeyFile,
    },
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Print a new key, its hash, and what the configuration needs to know of it
    New {
        /// The caller's id: lower-case letters, digits and '-', at most 32.
        #[arg(value_parser = CallerId::parse)]
        id: CallerId,
    },
}
