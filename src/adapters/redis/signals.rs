//! Listening: a task that hears what other replicas have changed, and connects again for ever.
//!
//! Pub/sub promises nothing: a message that is sent while nobody listens is gone. So the listener says when
//! it has connected again, and the rest of the broker reads the store at its own pace anyway.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{Client, RedisError, RedisResult, Value};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::{RedisSettings, SettingsError, client, meaning};
use super::keys::{self, Keys};
use crate::domain::backoff::backoff;
use crate::ports::{Signal, StoreError};

/// How often the server is asked whether it is there: a peer that died without a word is noticed after
/// this and a reply's time-out.
const PING_EVERY: Duration = Duration::from_secs(3);

/// The shortest and the longest wait before connecting again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The listener, not yet running.
#[derive(Clone)]
pub struct RedisSignals {
    client: Client,
    channel: String,
    connect_timeout: Duration,
    reply_timeout: Duration,
}

impl fmt::Debug for RedisSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: it knows the password.
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
        Ok(Self {
            client: client(settings)?,
            channel: Keys::under(settings.namespace.clone()).signals(),
            connect_timeout: settings.connect_timeout,
            reply_timeout: settings.reply_timeout,
        })
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
        let connected = self
            .within(self.connect_timeout, self.client.get_async_pubsub())
            .await;
        let (mut sink, mut messages) = match connected {
            Ok(connection) => connection.split(),
            Err(error) => return Ended::Broken(error),
        };
        if let Err(error) = self
            .within(self.reply_timeout, sink.subscribe(&self.channel))
            .await
        {
            return Ended::Broken(error);
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
                        return Ended::Broken(StoreError::Away("the connection broke".to_owned()));
                    };
                    let heard = message.get_payload::<String>().ok();
                    if let Some(signal) = heard.as_deref().and_then(keys::signal)
                        && to.send(signal).await.is_err()
                    {
                        return Ended::Unwanted;
                    }
                }
                _ = ping.tick() => {
                    if let Err(error) = self.within(self.reply_timeout, sink.ping::<Value>()).await {
                        return Ended::Broken(error);
                    }
                }
            }
        }
    }

    async fn within<T>(
        &self,
        bound: Duration,
        future: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, StoreError> {
        let answer: Result<RedisResult<T>, _> = timeout(bound, future).await;
        match answer {
            Ok(answer) => answer.map_err(|error| meaning(&error)),
            Err(_) => Err(StoreError::Away("no answer in time".to_owned())),
        }
    }
}
