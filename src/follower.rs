//! Store → snapshot: reads every record each `reconcile`, and sooner what a signal names.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::Turning;
use crate::ports::Signal;
use crate::refresher::Refresher;

/// How soon the store is asked again after it failed, at most.
const RETRY: Duration = Duration::from_secs(1);

/// The longest sleep: a turn is made each so often also while there is nothing to read, to show that none is missing.
pub const NAP: Duration = Duration::from_secs(5);

/// Follows the store.
pub struct Follower {
    refresher: Arc<Refresher>,
    signals: mpsc::Receiver<Signal>,
    /// Keeps the channel open also where the store sends no signals.
    _keep_open: mpsc::Sender<Signal>,
    there: bool,
    longest_nap: Duration,
}

impl Follower {
    /// A follower that reads all records every `refresh.reconcile`, and what the signals name at once.
    #[must_use]
    pub fn new(
        refresher: Arc<Refresher>,
        (sender, signals): (mpsc::Sender<Signal>, mpsc::Receiver<Signal>),
    ) -> Self {
        Self {
            refresher,
            signals,
            _keep_open: sender,
            there: true,
            longest_nap: NAP,
        }
    }

    /// The same where nobody looks whether its turns are missing: it sleeps for so long at a stretch. Simulated
    /// years are made of such naps.
    #[must_use]
    pub const fn napping(mut self, longest: Duration) -> Self {
        self.longest_nap = longest;
        self
    }

    /// Follows until told to stop.
    pub async fn run(&mut self, stop: &CancellationToken) {
        loop {
            let ids = self.refresher.publisher.ids();
            let there = self.refresher.read_in_batches(&ids).await;
            self.note(there);
            let pause = if there {
                self.reconcile()
            } else {
                self.reconcile().min(RETRY)
            };
            if !self.follow_signals_for(pause, stop).await {
                return;
            }
        }
    }

    /// How often everything is read: all credentials are kept by one interval.
    fn reconcile(&self) -> Duration {
        let publisher = &self.refresher.publisher;
        let first = publisher.ids().first().copied();
        first.map_or(RETRY, |id| publisher.subject(id).rules.reconcile)
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
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        loop {
            self.refresher.metrics.turned(Turning::Follower);
            let awake = deadline.min(tokio::time::Instant::now() + self.longest_nap);
            let signal = tokio::select! {
                biased;
                () = &mut stopped => return false,
                () = tokio::time::sleep_until(awake) => {
                    if awake == deadline {
                        return true;
                    }
                    continue;
                }
                () = self.refresher.recheck.notified() => {
                    deadline = deadline.min(tokio::time::Instant::now() + RETRY.min(self.reconcile()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::Mode;
    use crate::refresher::tests::scene::Scene;

    #[tokio::test]
    async fn a_store_that_goes_away_is_told_once_and_so_is_its_return() {
        let scene = Scene::new(Mode::Token);
        let mut follower = Follower::new(Arc::clone(&scene.refresher), mpsc::channel(1));
        for (there, away, back) in [
            (true, 0, 0),
            (false, 1, 0),
            (false, 1, 0),
            (true, 1, 1),
            (true, 1, 1),
        ] {
            follower.note(there);
            assert_eq!(scene.lines("cannot be read"), away);
            assert_eq!(scene.lines("the store is back"), back);
        }
    }
}
