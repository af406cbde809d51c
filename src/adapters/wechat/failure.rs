//! An attempt that brought no whole reply: whether the request may have left this machine, and what may
//! be said about it.
//!
//! The library's errors carry the URL, and with it the AppSecret, so nothing of their text is passed on:
//! a reason is a sentence of ours, at most with the kind of an I/O error.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// Why there is no whole reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether upstream may have seen the request. `false` only where that is certain.
    pub(super) maybe_sent: bool,
    /// A sentence that is safe to log.
    pub(super) reason: String,
}

impl Failure {
    /// The request never left.
    pub(super) fn not_sent(reason: impl Into<String>) -> Self {
        Self {
            maybe_sent: false,
            reason: reason.into(),
        }
    }

    /// The request may have arrived.
    pub(super) fn unclear(reason: impl Into<String>) -> Self {
        Self {
            maybe_sent: true,
            reason: reason.into(),
        }
    }

    /// What became of a request that got no status line. Only building the request and making the
    /// connection (name, TCP, TLS, proxy) come before the first byte of the request is written; a
    /// failure anywhere else is unclear, whatever it looks like.
    pub(super) fn before_reply(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::not_sent("the request could not be built");
        }
        if error.is_connect() {
            return Self::not_sent(no_connection(error));
        }
        if error.is_timeout() {
            return Self::unclear("no reply within the time limit");
        }
        Self::unclear(match io_kind(error) {
            Some(kind) => format!("the connection failed before a reply: {kind}"),
            None => "the connection was closed before a reply, or the reply is not HTTP".to_owned(),
        })
    }

    /// What became of a reply whose body did not arrive whole.
    pub(super) fn amid_reply(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::unclear("no whole reply within the time limit");
        }
        Self::unclear(match io_kind(error) {
            Some(kind) => format!("the reply was cut: {kind}"),
            None => "the reply was cut, or its body is not HTTP".to_owned(),
        })
    }
}

fn no_connection(error: &reqwest::Error) -> String {
    if error.is_dns() {
        return "the name of the upstream host cannot be resolved".to_owned();
    }
    if let Some(problem) = tunnel_problem(error) {
        return problem.to_owned();
    }
    if let Some(problem) = tls_problem(error) {
        return format!("no TLS connection: {problem}");
    }
    if error.is_timeout() {
        return "no connection within the time limit".to_owned();
    }
    match io_kind(error) {
        Some(kind) => format!("no connection: {kind}"),
        None => "no connection".to_owned(),
    }
}

/// What the proxy did not do, where it is the proxy. The type of the library's error is not to be had, only its
/// fixed words.
fn tunnel_problem(error: &reqwest::Error) -> Option<&'static str> {
    let words = causes(error).find_map(|cause| {
        let text = cause.to_string();
        text.strip_prefix("tunnel error: ").map(str::to_owned)
    })?;
    Some(match words.as_str() {
        "proxy authorization required" => {
            "the proxy wants another user and password than upstream.proxy has"
        }
        "failed to create underlying connection" => {
            "the proxy of upstream.proxy cannot be connected to"
        }
        _ => "the proxy of upstream.proxy made no tunnel",
    })
}

/// What a handshake failed for, where it did. The library's text is not used, because it quotes what
/// the server's certificate says.
fn tls_problem(error: &reqwest::Error) -> Option<&'static str> {
    let tls = causes(error).find_map(|cause| cause.downcast_ref())?;
    Some(match tls {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => {
                "no trusted authority signed the certificate (upstream.ca_file says which are trusted)"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate is expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host"
            }
            CertificateError::Revoked => "the certificate is revoked",
            _ => "the certificate is not valid",
        },
        rustls::Error::AlertReceived(_) => "the server refused the handshake",
        _ => "the handshake failed",
    })
}

/// The kind of the I/O error that lies deepest.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .last()
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        // What an `io::Error` wraps is not its source, only that one's source is.
        let wrapped = cause.downcast_ref().and_then(io::Error::get_ref);
        wrapped.map_or_else(|| cause.source(), |wrapped| Some(wrapped))
    })
}
