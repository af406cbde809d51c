//! Why a command did not succeed, and what the process exits with.

use std::process::ExitCode;

use super::client::ClientError;
use crate::app::StartError;
use crate::config::ConfigErrors;
use crate::telemetry::TelemetryError;
use crate::traces::TracesError;

/// `EX_USAGE` of sysexits: called or configured in a wrong way; trying again changes nothing.
pub const USAGE: u8 = 64;

/// Why a command did not succeed. No variant shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong.
    #[error("the configuration is refused\n{0}")]
    Config(#[from] ConfigErrors),
    /// `--url` is wrong.
    #[error("--url must be http://host:port or https://host:port, with no user, query or fragment")]
    Url,
    /// A command needs a key and has none.
    #[error("a caller's key is needed: give --key-file, or set TOKEN_BROKER_KEY")]
    NoKey,
    /// The key's file cannot be read.
    #[error("the file that --key-file names cannot be read: {0}")]
    KeyFile(std::io::ErrorKind),
    /// What is given as a key is none.
    #[error("the key has not the form tbk_<id>_<64 hex>, as `token-broker key new ID` makes it")]
    KeyForm,
    /// A running broker could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// Nothing can be started or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Logging cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Spans cannot be told.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The broker did not start, or did not stop as it should.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Failure {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Url | Self::NoKey | Self::KeyFile(_) | Self::KeyForm => {
                ExitCode::from(USAGE)
            }
            Self::Client(_)
            | Self::Randomness(_)
            | Self::Io(_)
            | Self::Telemetry(_)
            | Self::Traces(_)
            | Self::Start(_) => ExitCode::FAILURE,
        }
    }
}
