//! How Redis is reached: settings, a pool whose every wait is bounded, and what an error means.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime, Timeouts};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError,
    ServerErrorKind,
};

use crate::domain::secret::{Fingerprint, Secret};
use crate::ports::StoreError;

/// How to reach Redis, and whose keys these are.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port/db`, or `rediss://` for TLS with the system's roots.
    pub url: Secret,
    /// What every key and the channel begin with.
    pub namespace: String,
    /// How long connecting may take: TCP, TLS and authentication.
    pub connect_timeout: Duration,
    /// How long the server may take to answer, and how long a call waits for a free connection.
    pub reply_timeout: Duration,
    /// How many connections at most.
    pub pool_size: usize,
    /// Hash of the upstream's base URL: keys of another are refused.
    pub origin: Fingerprint,
    /// The time that scripts go by.
    pub clock: ServerClock,
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

/// Why settings cannot be used. None shows the URL, which holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Another scheme, or no URL.
    #[error("the store's URL is not of the form redis[s]://[user:password@]host[:port][/db]")]
    Url,
    /// A brace would move a cluster's slot, a blank would break an ACL pattern.
    #[error("the store's namespace must not be empty or hold blanks, braces or glob characters")]
    Namespace,
    /// At least one connection and times above zero.
    #[error("the store's pool size and time-outs must be above zero")]
    Zero,
}

impl RedisSettings {
    /// # Errors
    /// Says which setting cannot be used.
    pub(super) fn check(&self) -> Result<ConnectionInfo, SettingsError> {
        let url = self.url.expose();
        if !(url.starts_with("redis://") || url.starts_with("rediss://")) {
            return Err(SettingsError::Url);
        }
        let strange = |c: char| c.is_whitespace() || c.is_control() || "{}*?[]\\".contains(c);
        if self.namespace.is_empty() || self.namespace.contains(strange) {
            return Err(SettingsError::Namespace);
        }
        if self.pool_size == 0 || self.connect_timeout.is_zero() || self.reply_timeout.is_zero() {
            return Err(SettingsError::Zero);
        }
        url.into_connection_info().map_err(|_| SettingsError::Url)
    }
}

/// Connections to one server.
pub(super) struct Connections {
    pool: Pool,
    patience: Duration,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

impl Connections {
    /// Prepares a pool; nothing is connected yet.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, SettingsError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(settings.reply_timeout));
        let manager =
            Manager::new_with_config(settings.check()?, config).map_err(|_| SettingsError::Url)?;
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(settings.reply_timeout),
                create: Some(settings.connect_timeout),
                recycle: Some(settings.reply_timeout),
            })
            .build()
            .map_err(|_| SettingsError::Zero)?;
        Ok(Self {
            pool,
            patience: settings.connect_timeout + settings.reply_timeout,
        })
    }

    /// A connection that has just answered. The pool bounds each of its steps; since it may try one idle
    /// connection after the other, the whole is bounded too.
    pub(super) async fn get(&self) -> Result<Connection, StoreError> {
        match tokio::time::timeout(self.patience, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(meaning(&error)),
            Ok(Err(PoolError::Timeout(_))) | Err(_) => {
                Err(StoreError::Away("no connection in time".to_owned()))
            }
            Ok(Err(PoolError::Closed | PoolError::NoRuntimeSpecified)) => {
                Err(StoreError::Away("the pool is closed".to_owned()))
            }
            Ok(Err(PoolError::PostCreateHook(_))) => {
                Err(StoreError::Away("the connection was not set up".to_owned()))
            }
        }
    }

    /// Says what an error means, and throws its connection away: a late reply on it would answer somebody
    /// else's question, and after a failover it may lead to the wrong machine. Where the connection broke,
    /// the idle ones to the same server are as old and go too.
    pub(super) fn give_up(&self, connection: Connection, error: &RedisError) -> StoreError {
        drop(Connection::take(connection));
        let meaning = meaning(error);
        if matches!(meaning, StoreError::Away(_)) {
            self.pool.retain(|_, _| false);
        }
        meaning
    }
}

/// A client for a connection of one's own.
pub(super) fn client(settings: &RedisSettings) -> Result<Client, SettingsError> {
    Client::open(settings.check()?).map_err(|_| SettingsError::Url)
}

/// What an error of Redis means for who asked. Texts come from the server or are fixed here: none can hold
/// the URL.
pub(super) fn meaning(error: &RedisError) -> StoreError {
    let told = || match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        _ => error.category().to_owned(),
    };
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            StoreError::Refused("it does not accept the user name or the password".to_owned())
        }
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => StoreError::Away(told()),
        ErrorKind::Extension if error.code() == Some("BUSY") => StoreError::Away(told()),
        ErrorKind::Server(_) | ErrorKind::Extension => StoreError::Refused(told()),
        _ if error.is_timeout() => StoreError::Away("no answer in time".to_owned()),
        _ if error.is_connection_refusal() => {
            StoreError::Away("the connection was refused".to_owned())
        }
        _ if error.is_connection_dropped() => StoreError::Away("the connection broke".to_owned()),
        // The system's own words, or TLS's about a certificate: neither knows the URL.
        _ if error.is_io_error() => StoreError::Away(error.to_string()),
        _ => StoreError::Away(error.category().to_owned()),
    }
}
