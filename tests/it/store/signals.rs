//! What replicas tell each other through Redis, and that a lost connection is noticed and made again.

use std::time::Duration;

use token_broker::adapters::redis::{RedisSignals, RedisStore};
use token_broker::domain::credential::Mode;
use token_broker::domain::protocol::SetPause;
use token_broker::ports::{Signal, Store as _};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::sample::{redis_store, refresh, secs, settings, subject};
use crate::support::redis::RedisServer;
use crate::support::timed::timed;

pub(super) struct Listener {
    heard: Receiver<Signal>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn listen(server: &RedisServer) -> Listener {
    let listener = Listener::to(redis_store(server).signals());
    subscribed(server).await;
    listener
}

async fn subscribed(server: &RedisServer) {
    for _ in 0..500 {
        if server
            .command(&["PUBSUB", "NUMSUB", "test:signals"])
            .contains(":1")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody subscribes");
}

impl Listener {
    /// Begins to listen; a message is heard some time after this.
    pub(super) fn to(signals: RedisSignals) -> Self {
        let (to, heard) = channel(1024);
        let stop = CancellationToken::new();
        let task = tokio::spawn(signals.run(to, stop.clone()));
        Self { heard, stop, task }
    }

    /// Waits until it has heard this, whatever else it hears.
    pub(super) async fn hears(&mut self, signal: &Signal, within: Duration) -> bool {
        let heard = async {
            while let Some(heard) = self.heard.recv().await {
                if heard == *signal {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(within, heard).await.unwrap_or(false)
    }

    async fn next(&mut self, within: Duration) -> Option<Signal> {
        tokio::time::timeout(within, self.heard.recv()).await.ok()?
    }
}

#[test]
fn others_hear_of_a_commit_a_pause_and_a_question() {
    timed(async || {
        let server = RedisServer::start();
        let mut listener = listen(&server).await;
        let store = redis_store(&server);
        let of = subject(Mode::Token);

        server.command(&["PUBLISH", "test:signals", "\u{7}nonsense"]);
        let grant = refresh(&store, &of, 1).await;
        store
            .set_pause(&of, &SetPause { paused: true })
            .await
            .unwrap();
        store.ask(&of).await.unwrap();

        let changed = Signal::Changed(of.credential.clone(), grant.version);
        assert_eq!(listener.next(secs(2)).await, Some(changed.clone()));
        assert_eq!(listener.next(secs(2)).await, Some(changed));
        assert_eq!(
            listener.next(secs(2)).await,
            Some(Signal::Asked(of.credential))
        );
    });
}

#[test]
fn a_killed_server_is_subscribed_to_again_and_the_gap_is_told() {
    timed(async || {
        let mut server = RedisServer::start();
        let mut listener = listen(&server).await;

        server.restart();

        assert_eq!(listener.next(secs(10)).await, Some(Signal::Reconnected));
        let of = subject(Mode::Token);
        let grant = refresh(&redis_store(&server), &of, 1).await;
        let changed = Signal::Changed(of.credential, grant.version);
        assert_eq!(listener.next(secs(2)).await, Some(changed));
    });
}

#[test]
fn a_server_that_falls_silent_is_noticed_within_ten_seconds() {
    timed(async || {
        let server = RedisServer::start();
        let mut listener = listen(&server).await;
        // Longer than the ping's interval: a quiet channel alone is no reason to connect again.
        assert_eq!(listener.next(Duration::from_millis(3500)).await, None);

        server.pause();
        tokio::time::sleep(secs(5)).await;
        server.resume();

        assert_eq!(listener.next(secs(5)).await, Some(Signal::Reconnected));
    });
}

#[test]
fn the_listener_ends_when_it_is_told_to_or_nobody_listens() {
    timed(async || {
        let server = RedisServer::start();
        let told = listen(&server).await;
        told.stop.cancel();
        assert!(tokio::time::timeout(secs(2), told.task).await.is_ok());

        let alone = listen(&server).await;
        drop(alone.heard);
        assert!(tokio::time::timeout(secs(2), alone.task).await.is_ok());

        // Also while there is no server at all.
        let nowhere = RedisStore::new(&settings("redis://127.0.0.1:1")).unwrap();
        let (to, heard) = channel(1);
        let task = tokio::spawn(nowhere.signals().run(to, CancellationToken::new()));
        drop(heard);
        assert!(tokio::time::timeout(secs(2), task).await.is_ok());
    });
}
