//! The servers: what holds for every connection of a listener, in one place.
//!
//! What cannot be read as HTTP at all never reaches a route: a malformed head is answered 400, one over
//! 128 KiB 431, one that does not come in time 408, each by actix and without a body.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};

use super::ops::OpsState;
use super::routes::{ApiState, api, ops};
use super::shown::ShownNames;
use super::status_page::StatusPage;
use super::tls::Certificate;
use crate::config::ServerConfig;

/// What a listener bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that answer requests; 0 = one a core.
    pub workers: usize,
    /// How long an idle connection is kept: longer than the balancers in front keep theirs, so that it
    /// is they who close.
    pub keep_alive: Duration,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// Connections at the same time, for each worker.
    pub max_connections: usize,
    /// How many bytes a request's body may have.
    pub max_body: usize,
    /// How long it may take to arrive.
    pub body_timeout: Duration,
    /// How many streams a caller may have open.
    pub max_streams: usize,
    /// How often a stream that has nothing to tell says so: a client that is gone keeps its stream for two
    /// of these.
    pub stream_keep_alive: Duration,
    /// How long requests may go on after the server was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 0,
            keep_alive: Duration::from_secs(75),
            head_timeout: Duration::from_secs(5),
            max_connections: 25_000,
            max_body: 64 << 10,
            body_timeout: Duration::from_secs(10),
            max_streams: 64,
            stream_keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(25),
        }
    }
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            workers: config.workers,
            max_body: config.max_body,
            max_streams: config.max_streams_per_caller,
            drain: config.drain,
            ..Self::default()
        }
    }
}

/// Probes and scrapes are few: one thread.
const OPS_WORKERS: usize = 1;

/// Serves the API, by TLS where there is a certificate. The server runs once it is awaited; its handle
/// stops it.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_api(
    listener: TcpListener,
    state: ApiState,
    limits: &Limits,
    certificate: Option<&Certificate>,
) -> io::Result<Server> {
    let state = Arc::new(state);
    let server = HttpServer::new(move || App::new().configure(api(Arc::clone(&state))));
    let server = match limits.workers {
        0 => server,
        workers => server.workers(workers),
    };
    let server = server
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.head_timeout)
        .max_connections(limits.max_connections)
        .shutdown_timeout(limits.drain.as_secs())
        // Signals are for the composition root.
        .disable_signals()
        .on_connect(|connection, data| {
            if let Some(shown) = ShownNames::by(connection) {
                data.insert(shown);
            }
        });
    let server = match certificate {
        None => server.listen(listener)?,
        Some(certificate) => {
            let config = certificate.server_config().map_err(io::Error::other)?;
            server.listen_rustls_0_23(listener, config)?
        }
    };
    Ok(server.run())
}

/// Serves metrics, probes and the status page. It is stopped last: a probe must be able to hear that the API is stopping.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_ops(
    listener: TcpListener,
    state: OpsState,
    page: StatusPage,
    limits: &Limits,
) -> io::Result<Server> {
    let (state, page) = (Arc::new(state), Arc::new(page));
    Ok(
        HttpServer::new(move || App::new().configure(ops(Arc::clone(&state), Arc::clone(&page))))
            .workers(OPS_WORKERS)
            .keep_alive(limits.keep_alive)
            .client_request_timeout(limits.head_timeout)
            .shutdown_timeout(1)
            .disable_signals()
            .listen(listener)?
            .run(),
    )
}
