//! Store → snapshot: reads every record each `reconcile`, and sooner what a signal names.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ports::Signal;
use crate::refresher::Refresher;

/// How many records are read in one question.
const BATCH: usize = 200;

/// How soon the store is asked again after it failed, at most.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the store.
pub struct Follower {
    refresher: Arc<Refresher>,
    signals: mpsc::Receiver<Signal>,
    reconcile: Duration,
    /// Keeps the channel open also where the store sends no signals.
    _keep_open: mpsc::Sender<Signal>,
    there: bool,
}

impl Follower {
    /// A follower that reads all records every `reconcile`, and what the signals name at once.
    #[must_use]
    pub fn new(
        refresher: Arc<Refresher>,
        (sender, signals): (mpsc::Sender<Signal>, mpsc::Receiver<Signal>),
        reconcile: Duration,
    ) -> Self {
        Self {
            refresher,
            signals,
            reconcile,
            _keep_open: sender,
            there: true,
        }
    }

    /// Follows until told to stop.
    pub async fn run(&mut self, stop: &CancellationToken) {
        loop {
            let there = self.reconcile_all().await;
            self.note(there);
            let pause = if there {
                self.reconcile
            } else {
                self.reconcile.min(RETRY)
            };
            if !self.follow_signals_for(pause, stop).await {
                return;
            }
        }
    }

    /// Reads every record once. Answers whether the store was there throughout.
    async fn reconcile_all(&self) -> bool {
        let ids = self.refresher.publisher.ids();
        let mut there = true;
        for batch in ids.chunks(BATCH) {
            there &= self.refresher.read_many(batch).await;
        }
        there
    }

    /// Says once that the store is away, and once that it is back.
    fn note(&mut self, there: bool) {
        if self.there && !there {
            warn!(
                "the store, or a part of it, cannot be read; tokens are served from memory and checked upstream"
            );
        }
        if !self.there && there {
            info!("the store is back");
        }
        self.there = there;
    }

    /// Reads what signals name until it is time to read everything. `false` = stop.
    async fn follow_signals_for(&mut self, pause: Duration, stop: &CancellationToken) -> bool {
        let mut deadline = tokio::time::Instant::now() + pause;
        loop {
            let signal = tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = tokio::time::sleep_until(deadline) => return true,
                () = self.refresher.recheck.notified() => {
                    deadline = deadline.min(tokio::time::Instant::now() + RETRY.min(self.reconcile));
                    continue;
                }
                signal = self.signals.recv() => signal,
            };
            match signal {
                Some(Signal::Changed(credential, _) | Signal::Asked(credential)) => {
                    if let Some(id) = self.refresher.publisher.find(&credential) {
                        self.refresher.read(id).await;
                    }
                }
                Some(Signal::Reconnected) => {
                    info!(
                        "connected to the store again; every token is checked closely for a while"
                    );
                    let now = self.refresher.clock.now();
                    for id in self.refresher.publisher.ids() {
                        self.refresher
                            .publisher
                            .update(id, |replica| replica.reconnected(now));
                    }
                    return true;
                }
                // Never: this follower holds a sender itself.
                None => return true,
            }
        }
    }
}
