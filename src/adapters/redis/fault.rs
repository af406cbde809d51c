//! What an error of Redis means: to who asked, and to the people who configured it.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustls::{AlertDescription, CertificateError};
use tracing::warn;

use crate::ports::StoreError;

/// How soon the same complaint is made again.
const REPEAT: Duration = Duration::from_secs(60);

/// An error, and what a person can do about it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) error: StoreError,
    /// Begins with the key of the configuration to look at, where there is one.
    pub(super) advice: &'static str,
}

impl From<&RedisError> for Fault {
    fn from(error: &RedisError) -> Self {
        Self {
            error: meaning(error),
            advice: advice(error),
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Fault {}

impl Fault {
    /// Nothing was heard for as long as one waits.
    pub(super) fn silence(what: &str) -> Self {
        Self {
            error: StoreError::Away(what.to_owned()),
            advice: REACH,
        }
    }
}

const REACH: &str = "store.url: is the address right, is the server up and the way to it open?";

const LACKS_A_RIGHT: &str =
    "store.url: the ACL user lacks a right; docs/redis.md says which are needed";

/// What an error means for who asked. Texts come from the server or are fixed here: none can hold the URL.
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
        // Another script takes long; a WAIT was cut short by a failover.
        ErrorKind::Extension if matches!(error.code(), Some("BUSY" | "UNBLOCKED")) => {
            StoreError::Away(told())
        }
        ErrorKind::Server(_) | ErrorKind::Extension => StoreError::Refused(told()),
        _ if tls(error).is_some() => {
            let text = tls(error).map(ToString::to_string).unwrap_or_default();
            StoreError::Away(format!("no TLS connection: {text}"))
        }
        _ if error.is_timeout() => StoreError::Away("no answer in time".to_owned()),
        _ if error.is_connection_refusal() => {
            StoreError::Away("the connection was refused".to_owned())
        }
        _ if error.is_connection_dropped() => StoreError::Away("the connection broke".to_owned()),
        // The system's own words: they do not know the URL.
        _ if error.is_io_error() => StoreError::Away(error.to_string()),
        _ => StoreError::Away(error.category().to_owned()),
    }
}

fn advice(error: &RedisError) -> &'static str {
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "store.url: put in the user and the password of an ACL user that the server knows"
        }
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => LACKS_A_RIGHT,
        (ErrorKind::Server(ServerErrorKind::ResponseError), _)
            if was_stopped_in_a_script(error) =>
        {
            LACKS_A_RIGHT
        }
        (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::CrossSlot), _) => {
            "store.url: this is a cluster; write redis+cluster:// (rediss+cluster:// with TLS)"
        }
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
            "store.url: this is a replica; name the master, or use redis+sentinel://"
        }
        (_, Some("OOM")) => "the server's memory is full: raise its maxmemory",
        (_, Some("NOREPLICAS")) => {
            "fewer replicas follow the server than its min-replicas-to-write asks for"
        }
        (_, Some("MISCONF")) => "the server cannot write to its disk: look at its log",
        (ErrorKind::InvalidClientConfig, _) => {
            "store.client_cert_file and store.client_key_file: do they belong together?"
        }
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => {
            "the words are the server's own; docs/redis.md says how it should be set"
        }
        _ => tls(error).map_or(REACH, advice_on_tls),
    }
}

/// What a script may not do is told in words, and in others in each release of the server.
fn was_stopped_in_a_script(error: &RedisError) -> bool {
    let says = |words: &str| error.detail().is_some_and(|detail| detail.contains(words));
    says("executing the script can't") || says("ACL failure in script") || says("NOPERM")
}

fn advice_on_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "store.ca_file: name the authority that signed the server's certificate"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "store.url: the server's certificate is for another host than the one named here",
        rustls::Error::InvalidCertificate(_) => "the server's certificate is not valid: renew it",
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::HandshakeFailure,
        ) => {
            "store.client_cert_file and store.client_key_file: the server wants a certificate that it trusts"
        }
        _ => "store.url: does the server speak TLS at this port?",
    }
}

/// What TLS says, where it is TLS that failed. The crate wraps it three times.
fn tls(error: &RedisError) -> Option<&rustls::Error> {
    let inner: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
    let io: &io::Error = inner.downcast_ref()?;
    io.get_ref()?.downcast_ref()
}

/// How long a complaint stands for how things are: each is made again with every attempt that fails, and attempts are
/// a minute apart at most, as it is by default.
const STANDS: Duration = Duration::from_secs(90);

/// Tells people what is wrong: once when it begins, then once a minute while it lasts.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: Mutex<HashMap<String, Instant>>,
    latest: Mutex<Option<(Instant, String)>>,
}

impl Complaints {
    /// Complains about a server.
    pub(super) fn tell(&self, server: &impl fmt::Display, fault: &Fault) {
        let Fault { error, advice } = fault;
        let complaint = format!("{server} {error}");
        let latest = format!("{server}: {error}; {advice}");
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), latest));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < REPEAT);
        if told.contains_key(&complaint) {
            return;
        }
        told.insert(complaint, Instant::now());
        drop(told);
        warn!(%server, %error, advice, "Redis cannot be used; it is tried again until it can");
    }

    /// The latest, where it was made lately.
    pub(super) fn latest(&self) -> Option<String> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (made_at, complaint) = latest.as_ref()?;
        (made_at.elapsed() < STANDS).then(|| complaint.clone())
    }
}
