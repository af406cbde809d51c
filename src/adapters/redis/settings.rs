//! How Redis is reached: what a broker is told, and why that cannot be used.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::secret::{Fingerprint, Secret};
use crate::redis_url::{RedisTarget, RedisUrlError};

/// How to reach Redis, and whose keys these are.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// In one of the forms of [`crate::redis_url`].
    pub url: Secret,
    /// Where the URL asks for TLS.
    pub tls: TlsFiles,
    /// What every key and the channel begin with.
    pub namespace: String,
    /// How long connecting may take: TCP, TLS and authentication.
    pub connect_timeout: Duration,
    /// How long a server may take to answer, and how long a call waits for a free connection.
    pub reply_timeout: Duration,
    /// How many connections to one server at most.
    pub pool_size: usize,
    /// Hash of the upstream's base URL: keys of another are refused.
    pub origin: Fingerprint,
    /// The time that scripts go by.
    pub clock: ServerClock,
}

/// PEM files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to trust; without it the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the server asks for one, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The time that scripts go by: in production the server's.
#[derive(Clone, Debug)]
pub enum ServerClock {
    /// The server's own.
    Server,
    /// Tests: the server's, this many microseconds off.
    Offset(i64),
    /// Tests: this time, in microseconds, until it is set anew. No key expires by itself then. Two stores
    /// can only be compared step by step where both go by the same time to the microsecond, which an
    /// offset to a clock that runs cannot give.
    Fixed(Arc<AtomicU64>),
}

impl ServerClock {
    pub(super) fn argument(&self) -> String {
        match self {
            Self::Server => "0".to_owned(),
            Self::Offset(micros) => micros.to_string(),
            Self::Fixed(at) => format!("@{}", at.load(Ordering::SeqCst)),
        }
    }
}

/// Why settings cannot be used; each names its key of the configuration. None shows the URL, which holds a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No URL of a Redis.
    #[error("store.url: {0}")]
    Url(#[from] RedisUrlError),
    /// A brace would move a cluster's slot, a blank would break an ACL pattern.
    #[error("store.namespace must not be empty or hold blanks, braces or glob characters")]
    Namespace,
    /// At least one connection and times above zero.
    #[error("store.pool_size, store.connect_timeout and store.reply_timeout must be above zero")]
    Zero,
    /// A file that cannot be read.
    #[error("{key}: cannot be read: {kind}")]
    File {
        /// The key of the configuration.
        key: &'static str,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// Certificates or a key that are no such thing.
    #[error("store.ca_file, store.client_cert_file or store.client_key_file holds no usable PEM")]
    Pem,
}

impl RedisSettings {
    /// # Errors
    /// Says which setting cannot be used.
    pub(super) fn check(&self) -> Result<RedisTarget, SettingsError> {
        let strange = |c: char| c.is_whitespace() || c.is_control() || "{}*?[]\\".contains(c);
        if self.namespace.is_empty() || self.namespace.contains(strange) {
            return Err(SettingsError::Namespace);
        }
        if self.pool_size == 0 || self.connect_timeout.is_zero() || self.reply_timeout.is_zero() {
            return Err(SettingsError::Zero);
        }
        Ok(RedisTarget::parse(self.url.expose())?)
    }
}
