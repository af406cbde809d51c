//! The servers: what holds for every connection of a listener, in one place.
//!
//! What cannot be read as HTTP at all never reaches a route: a malformed head is answered 400, one over
//! 128 KiB 431, each by actix and without a body; one that does not come in time has the connection closed.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerBuilder};
use actix_web::App;

use super::connections::{Connections, Leaving, bound_buffers};
use super::ops::OpsState;
use super::routes::{ApiState, api, ops};
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
    /// How long a reply may wait for its reader, who then has to have taken a kibibyte a second of it.
    pub reply_timeout: Duration,
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
            reply_timeout: Duration::from_secs(30),
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
            keep_alive: config.keep_alive,
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
/// stops it. Once it is `leaving`, its replies close their connections.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_api(
    listener: TcpListener,
    state: ApiState,
    limits: &Limits,
    certificate: Option<&Certificate>,
    leaving: Leaving,
) -> io::Result<Server> {
    bound_buffers(&listener);
    let metrics = Arc::clone(&state.metrics);
    let state = Arc::new(state);
    let app = move || api(Arc::clone(&state));
    let builder = builder(limits).shutdown_timeout(limits.drain.as_secs());
    let builder = match limits.workers {
        0 => builder,
        workers => builder.workers(workers),
    };
    let draining = builder.graceful_shutdown_signal();
    let connections = Connections::new(*limits, leaving, draining, metrics);
    let builder = match certificate {
        None => builder.listen("api", listener, move || connections.plain(app()))?,
        Some(certificate) => {
            let config = certificate.server_config().map_err(io::Error::other)?;
            builder.listen("api", listener, move || {
                connections.tls(app(), config.clone())
            })?
        }
    };
    Ok(builder.run())
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
    bound_buffers(&listener);
    let metrics = state.http_metrics();
    let (state, page) = (Arc::new(state), Arc::new(page));
    let app = move || App::new().configure(ops(Arc::clone(&state), Arc::clone(&page)));
    let builder = builder(limits).workers(OPS_WORKERS).shutdown_timeout(1);
    let draining = builder.graceful_shutdown_signal();
    let connections = Connections::new(*limits, Leaving::default(), draining, metrics);
    let builder = builder.listen("ops", listener, move || connections.plain(app()))?;
    Ok(builder.run())
}

fn builder(limits: &Limits) -> ServerBuilder {
    Server::build()
        .max_concurrent_connections(limits.max_connections)
        // Signals are for the composition root.
        .disable_signals()
}
