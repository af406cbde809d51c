//! Listening: a task that hears what other replicas have changed, and connects again for ever.
//!
//! Pub/sub promises nothing: a message that is sent while nobody listens is gone. So the listener says when
//! it has connected again, and the rest of the broker reads the store at its own pace anyway.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{RedisResult, Value};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::keys::{self, Keys};
use super::servers::Servers;
use super::settings::{RedisSettings, SettingsError};
use crate::domain::backoff::backoff;
use crate::ports::{Signal, StoreError};
use crate::redis_url::Address;

/// How often the server is asked whether it is there: a peer that died without a word is noticed after
/// this and a reply's time-out.
const PING_EVERY: Duration = Duration::from_secs(3);

/// The shortest and the longest wait before connecting again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often it is asked whether the server listened on is still one of the store's: one that was cut off
/// from the others answers, and hears nothing.
const LOOK_EVERY: Duration = Duration::from_secs(9);

/// The listener, not yet running.
#[derive(Clone)]
pub struct RedisSignals {
    servers: Arc<Servers>,
    channel: String,
    reply_timeout: Duration,
}

impl fmt::Debug for RedisSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSignals")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Why a subscription ended.
enum Ended {
    /// Nobody listens any more.
    Unwanted,
    /// The connection is of no use any more.
    Broken(StoreError),
}

impl RedisSignals {
    /// Prepares a listener; nothing is connected yet.
    ///
    /// # Errors
    /// Says which setting cannot be used.
    pub fn new(settings: &RedisSettings) -> Result<Self, SettingsError> {
        let servers = Arc::new(Servers::new(settings)?);
        Ok(Self::of(servers, &Keys::under(settings.namespace.clone())))
    }

    /// Prepares one that shares what a store knows of its servers.
    pub(super) fn of(servers: Arc<Servers>, keys: &Keys) -> Self {
        Self {
            reply_timeout: servers.reply_timeout(),
            channel: keys.signals(),
            servers,
        }
    }

    /// Sends what it hears to `to`, until it is told to `stop` or `to` is closed. After each subscription
    /// but the first it says [`Signal::Reconnected`].
    pub async fn run(self, to: Sender<Signal>, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = to.closed() => {}
            () = self.listen_for_ever(&to) => {}
        }
    }

    async fn listen_for_ever(&self, to: &Sender<Signal>) {
        let mut failures = 0;
        let mut subscribed_before = false;
        loop {
            match self.listen(to, &mut subscribed_before, &mut failures).await {
                Ended::Unwanted => return,
                Ended::Broken(error) => tracing::debug!(%error, "not listening to the store"),
            }
            failures += 1;
            let wait = backoff(failures, RECONNECT.0, RECONNECT.1, rand::random());
            tokio::time::sleep(wait).await;
        }
    }

    async fn listen(
        &self,
        to: &Sender<Signal>,
        subscribed_before: &mut bool,
        failures: &mut u32,
    ) -> Ended {
        let server = match self.servers.to_listen_on().await {
            Ok(server) => server,
            Err(error) => return Ended::Broken(error),
        };
        let mut failovers = self.servers.failovers();
        let connected = self.servers.listen(&server).await;
        let (mut sink, mut messages) = match connected {
            Ok(connection) => connection.split(),
            Err(error) => return self.broken(&server, Fault::from(error)),
        };
        let subscribed = self.within(sink.subscribe(&self.channel)).await;
        if let Err(fault) = subscribed {
            return self.broken(&server, fault);
        }
        *failures = 0;
        if *subscribed_before && to.send(Signal::Reconnected).await.is_err() {
            return Ended::Unwanted;
        }
        *subscribed_before = true;

        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else {
                        return self.broken(&server, Fault::silence("the connection broke"));
                    };
                    let heard = message.get_payload::<String>().ok();
                    if let Some(signal) = heard.as_deref().and_then(keys::signal)
                        && to.send(signal).await.is_err()
                    {
                        return Ended::Unwanted;
                    }
                }
                _ = ping.tick() => {
                    if let Err(fault) = self.within(sink.ping::<Value>()).await {
                        return self.broken(&server, fault);
                    }
                    if !self.servers.is_still_there(&server, LOOK_EVERY).await {
                        return Ended::Broken(StoreError::Away("another server took over".to_owned()));
                    }
                }
                Ok(()) = failovers.changed() => {
                    if !self.servers.is_still_there(&server, LOOK_EVERY).await {
                        return Ended::Broken(StoreError::Away("another server took over".to_owned()));
                    }
                    // A part of the cluster is another machine now, though this node is not.
                    if to.send(Signal::Reconnected).await.is_err() {
                        return Ended::Unwanted;
                    }
                }
            }
        }
    }

    fn broken(&self, server: &Address, fault: Fault) -> Ended {
        self.servers.distrust(server);
        Ended::Broken(self.servers.complain(server, fault))
    }

    async fn within<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Fault> {
        match timeout(self.reply_timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::silence("no answer in time")),
        }
    }
}
