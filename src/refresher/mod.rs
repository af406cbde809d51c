//! The write flow, one step at a time: what a [`Plan`](crate::domain::replica::Plan) says is done here,
//! against store and upstream, and what came of it is told to the snapshot.
//!
//! A step never runs twice at once for one credential (the scheduler sees to it), never waits without a
//! bound, and always leaves the replica with something new: a reading, a grant, or a wait. Nothing in
//! here retries upstream.

mod alone;
mod check;
mod commit;
mod fetch;
mod line;
mod offer;
mod report;
mod ticket;
mod traced;

pub use report::{Report, ReportVerdict};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{Instrument as _, error, warn};

use crate::app_secrets::AppSecrets;
use crate::domain::backoff::backoff;
use crate::domain::history::What;
use crate::domain::protocol::{Record, SetPause, Suspect};
use crate::domain::replica::{BlockedBy, Step, StoreTrouble};
use crate::domain::time::Moment;
use crate::metrics::{Metrics, Turning};
use crate::ports::{Chance, Clock, Stamped, Store, StoreError, Subject, Upstream};
use crate::snapshot::{Publisher, SlotId};

/// How many records are read in one question.
const BATCH: usize = 200;

/// How long to wait where the store says that something is not due yet.
const EARLY: Duration = Duration::from_millis(100);

/// No reading takes so long, unless the machine was suspended in the middle of it.
const STOOD_STILL: Duration = Duration::from_secs(5);

/// What the store answers to a reading of several records.
type Readings = Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError>;

/// Takes steps. One for the whole process; it holds no state of its own.
pub struct Refresher {
    /// What all replicas share.
    pub store: Arc<dyn Store>,
    /// WeChat.
    pub upstream: Arc<dyn Upstream>,
    /// This machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// Jitter and nonces.
    pub chance: Arc<dyn Chance>,
    /// Where results go.
    pub publisher: Publisher,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Woken when a call finds the store away, so that it is read again soon.
    pub recheck: Arc<Notify>,
    /// Which AppSecret each app is fetched with.
    pub secrets: Arc<AppSecrets>,
}

/// How a step ended, for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// Done, as far as there was something to do.
    Done,
    /// Kept from it.
    Blocked(BlockedBy, Duration),
}

impl Refresher {
    /// Takes one step.
    pub async fn step(&self, id: SlotId, step: Step) -> StepEnd {
        let span = self.span_of(id, step);
        let end = self.take(id, step).instrument(span.clone()).await;
        self.end(id, &span, end);
        end
    }

    async fn take(&self, id: SlotId, step: Step) -> StepEnd {
        match step {
            // Boxed, so that the looks, of which there are a hundred for each of them, are not as large.
            Step::Refresh(reason) => Box::pin(self.refresh(id, reason)).await,
            Step::RefreshAlone => Box::pin(self.refresh_alone(id)).await,
            Step::Offer => Box::pin(self.offer(id)).await,
            Step::Watch => self.watch(id).await,
            Step::CheckCutOff => self.check_cut_off(id).await,
            Step::Suspect => self.suspect(id).await,
            Step::Ask => self.ask(id).await,
        }
    }

    /// Tells the store that its grant is unsafe: another token stands under our version.
    async fn suspect(&self, id: SlotId) -> StepEnd {
        let subject = self.publisher.subject(id);
        let floor = self
            .publisher
            .inspect(id, crate::domain::replica::Replica::floor);
        error!(
            appid = %subject.credential.app, version = %floor,
            "another token is stored under the version that this replica serves; it is replaced"
        );
        match self.store.suspect(&subject, &Suspect { floor }).await {
            Ok(_) => {
                self.read(id).await;
                StepEnd::Done
            }
            Err(failure) => self.store_failed(id, &failure),
        }
    }

    async fn ask(&self, id: SlotId) -> StepEnd {
        let asked = self.store.ask(&self.publisher.subject(id)).await;
        let now = self.clock.now();
        self.publisher.update(id, |replica| replica.asked(now));
        match asked {
            Ok(()) => StepEnd::Done,
            Err(failure) => self.store_failed(id, &failure),
        }
    }

    /// Pauses or resumes an app for all replicas: its tickets, and last its access token, which says for the
    /// app whether it is paused.
    ///
    /// # Errors
    /// The store's. As far as this replica knows the app is as it was; it may be asked for again.
    pub async fn set_pause(&self, id: SlotId, paused: bool) -> Result<(), StoreError> {
        let ids: Vec<_> = self
            .publisher
            .tickets_of(id)
            .into_iter()
            .chain([id])
            .collect();
        for id in &ids {
            self.store
                .set_pause(&self.publisher.subject(*id), &SetPause { paused })
                .await?;
        }
        self.read_many(&ids).await;
        Ok(())
    }

    /// Reads one record from the store into the snapshot.
    pub async fn read(&self, id: SlotId) {
        self.read_many(&[id]).await;
    }

    /// Reads records from the store into the snapshot, however many. Answers as [`Self::read_many`] does.
    pub async fn read_in_batches(&self, ids: &[SlotId]) -> bool {
        let mut there = true;
        for batch in ids.chunks(BATCH) {
            there &= self.read_many(batch).await;
            // Each is a step on: ten thousand apps of a slow store take longer than a loop may stand still.
            self.metrics.turned(Turning::Follower);
        }
        there
    }

    /// A request waits to hear about the grant: the store is asked, and upstream where the store is away.
    pub async fn attend(&self, id: SlotId) {
        self.read(id).await;
        let now = self.clock.now();
        let unheard = self.publisher.inspect(id, |replica| {
            replica.rules().checkable
                && replica.live(now).is_some()
                && !replica.view(now).may_answer(now)
        });
        if unheard {
            self.check_cut_off(id).await;
        }
    }

    /// Reads records from the store into the snapshot. Answers whether the store was there for all of them; where
    /// it was not, everything is read again soon.
    pub async fn read_many(&self, ids: &[SlotId]) -> bool {
        let subjects: Vec<_> = ids.iter().map(|id| self.publisher.subject(*id)).collect();
        let subjects: Vec<_> = subjects.iter().map(AsRef::as_ref).collect();
        let (sent, answer) = self.ask_for(&subjects).await;
        let there = match answer {
            Ok(readings) => {
                let mut there = true;
                for (id, reading) in ids.iter().zip(readings) {
                    there &= self.take_in(*id, sent, reading);
                }
                there
            }
            Err(failure) => {
                for id in ids {
                    self.publisher
                        .update(*id, |replica| replica.store_failed(trouble(&failure), sent));
                }
                false
            }
        };
        if !there {
            self.recheck.notify_one();
        }
        there
    }

    /// What was read of one record goes into the snapshot. Answers whether the store was there for it.
    fn take_in(
        &self,
        id: SlotId,
        sent: Moment,
        reading: Result<Stamped<Record>, StoreError>,
    ) -> bool {
        let app = &self.publisher.credential(id).app;
        match reading {
            Ok(reading) => {
                let died = self.publisher.update(id, |replica| {
                    let before = replica.floor();
                    let died = replica.observe(reading.answer, reading.at, sent);
                    if replica.floor() > before {
                        replica.note(What::TakenOver, sent);
                    }
                    died
                });
                if let Some(version) = died {
                    warn!(appid = %app, %version, "the store says that this grant is dead; no longer served");
                }
                true
            }
            Err(failure) => {
                self.publisher
                    .update(id, |replica| replica.store_failed(trouble(&failure), sent));
                // Of a cluster, one part may be away: told once, for all its apps.
                if matches!(failure, StoreError::Away(_)) {
                    return false;
                }
                error!(appid = %app, error = %failure, "the record of this app cannot be used");
                true
            }
        }
    }

    /// Keeps what happened, for people.
    fn note(&self, id: SlotId, what: What) {
        let now = self.clock.now();
        self.publisher.update(id, |replica| replica.note(what, now));
    }

    /// What the store says, and when it was asked. Lives are counted from there: where this machine stood
    /// still between question and answer, that time would be taken off them, so it asks once more.
    async fn ask_for(&self, subjects: &[&Subject]) -> (Moment, Readings) {
        let sent = self.clock.now();
        let answer = self.store.read(subjects).await;
        let now = self.clock.now();
        if now.boot.saturating_sub(sent.boot) < STOOD_STILL {
            return (sent, answer);
        }
        (now, self.store.read(subjects).await)
    }

    /// A step found the store away: it is not tried again before a backoff.
    fn store_failed(&self, id: SlotId, failure: &StoreError) -> StepEnd {
        let now = self.clock.now();
        self.publisher
            .update(id, |replica| replica.store_failed(trouble(failure), now));
        self.recheck.notify_one();
        self.back_off(id, BlockedBy::StoreAway)
    }

    /// A step of this replica's own failed: the next one waits.
    fn back_off(&self, id: SlotId, by: BlockedBy) -> StepEnd {
        let now = self.clock.now();
        let random = self.chance.unit();
        let wait = self.publisher.update(id, |replica| {
            let (shortest, longest) = replica.rules().backoff;
            let wait = backoff(replica.count_failure(), shortest, longest, random);
            replica.block(by, now, wait);
            wait
        });
        self.metrics.blocked(by);
        StepEnd::Blocked(by, wait)
    }

    /// Whether the next step is to fetch again, and at once.
    fn refresh_is_due(&self, id: SlotId, now: Moment) -> bool {
        let next = self.publisher.inspect(id, |replica| replica.next(now));
        next.is_some_and(|plan| {
            plan.at <= now.boot && matches!(plan.step, Step::Refresh(_) | Step::RefreshAlone)
        })
    }

    /// The step is not to be taken for `wait`.
    fn blocked(&self, id: SlotId, by: BlockedBy, wait: Duration) -> StepEnd {
        let now = self.clock.now();
        self.publisher
            .update(id, |replica| replica.block(by, now, wait));
        self.metrics.blocked(by);
        StepEnd::Blocked(by, wait)
    }
}

/// What a store's error means for serving.
const fn trouble(failure: &StoreError) -> StoreTrouble {
    match failure {
        StoreError::Away(_) => StoreTrouble::Away,
        StoreError::Refused(_) => StoreTrouble::Refused,
        StoreError::Foreign(_) => StoreTrouble::Foreign,
        StoreError::Unreadable(_) => StoreTrouble::Unreadable,
    }
}

#[cfg(test)]
pub(crate) mod tests;
