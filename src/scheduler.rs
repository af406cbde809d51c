//! When to take a step: one timer structure for all credentials, and a loop that cannot die.
//!
//! The loop only sleeps, plans and starts steps; each step runs in a task of its own, so that neither a
//! slow upstream nor a panic holds up another app. Requests bring errands through the [`Desk`]; they
//! never run inside a request.

mod desk;
mod endings;
mod errands;
mod lanes;
mod reports;
mod together;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::desk::{Desk, Errand};
use self::endings::{Finished, Task};
use self::lanes::{Lane, Lanes, Urgency};
use self::reports::Reports;
use crate::domain::protocol::Reason;
use crate::domain::replica::{Plan, Replica, Step};
use crate::domain::time::Moment;
use crate::metrics::Turning;
use crate::refresher::{Refresher, StepEnd};
use crate::snapshot::{Changes, SlotId};

/// How many waiting requests may have the store read at the same time: many apps that are asked for at once
/// must not use up the connections that leases need.
const ATTENDED: usize = 4;

/// The longest sleep: a suspended machine's timers stand still, its boot clock does not.
const NAP: Duration = Duration::from_secs(1);

/// What the scheduler keeps of one credential.
#[derive(Default)]
struct Entry {
    /// Its place in the timer structure.
    at: Option<Duration>,
    /// Its place among those that are due.
    waiting: Option<(Lane, Urgency)>,
    /// A step is under way.
    stepping: Option<Lane>,
    /// A request waits for its token.
    asked: bool,
    /// No step is started before this.
    not_before: Duration,
    attending: bool,
    /// Who wants a new token.
    forced: Vec<oneshot::Sender<StepEnd>>,
    /// Of few apps: most tokens are never reported.
    reports: Option<Box<Reports>>,
}

impl Entry {
    /// Whether nothing is under way.
    fn is_idle(&self) -> bool {
        self.stepping.is_none()
            && !self.attending
            && self
                .reports
                .as_ref()
                .is_none_or(|reports| reports.is_idle())
    }
}

/// Plans and starts steps.
pub struct Scheduler {
    refresher: Arc<Refresher>,
    changes: Changes,
    errands: mpsc::Receiver<Errand>,
    entries: HashMap<SlotId, Entry, RandomState>,
    timers: BTreeSet<(Duration, SlotId)>,
    tasks: JoinSet<Finished>,
    /// What a task was for, for when it panics.
    purposes: HashMap<Id, (SlotId, Task), RandomState>,
    lanes: Lanes,
    attending: Arc<Semaphore>,
    longest_nap: Duration,
}

impl Scheduler {
    /// A scheduler for every credential of the snapshot, and the desk for its errands. At most `side_by_side`
    /// fetches, and as many checks, are under way at a time.
    #[must_use]
    pub fn new(refresher: Arc<Refresher>, changes: Changes, side_by_side: usize) -> (Self, Desk) {
        let (sender, errands) = mpsc::channel(4096);
        let scheduler = Self {
            refresher,
            changes,
            errands,
            entries: HashMap::default(),
            timers: BTreeSet::new(),
            tasks: JoinSet::new(),
            purposes: HashMap::default(),
            lanes: Lanes::with_places(side_by_side),
            attending: Arc::new(Semaphore::new(ATTENDED)),
            longest_nap: NAP,
        };
        (scheduler, Desk::in_front_of(sender))
    }

    /// The same for a machine that is never suspended: it sleeps for so long at a stretch where nothing is
    /// due. Simulated years are made of such naps.
    #[must_use]
    pub const fn napping(mut self, longest: Duration) -> Self {
        self.longest_nap = longest;
        self
    }

    /// Plans and starts steps until told to stop; then waits for the steps under way, so that no fetch
    /// is left between the call and its commit.
    pub async fn run(&mut self, stop: &CancellationToken) {
        for id in self.refresher.publisher.ids() {
            self.plan(id);
        }
        // Both once for all turns: most end with what one of the others brings.
        let (stopped, nap) = (stop.cancelled(), tokio::time::sleep(Duration::ZERO));
        tokio::pin!(stopped, nap);
        loop {
            self.refresher.metrics.turned(Turning::Scheduler);
            // Not a branch of its own: a sleep that goes on is never ready at once, and a stream of errands would
            // keep what is due waiting.
            self.start_due();
            nap.as_mut().reset(Instant::now() + self.nap());
            // In this order, so that a simulated history can be repeated.
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(done) = self.tasks.join_next_with_id() => self.finished(done),
                Some(id) = self.changes.next() => self.plan(id),
                Some(errand) = self.errands.recv() => self.take(errand),
                () = &mut nap => {}
            }
        }
        while let Some(done) = self.tasks.join_next_with_id().await {
            self.finished(done);
        }
    }

    /// Plans the credential's next step, at the earliest `pause` from now.
    fn rest(&mut self, id: SlotId, pause: Duration) {
        let now = self.refresher.clock.now();
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.not_before = now.boot + pause;
        }
        self.plan(id);
    }

    fn nap(&self) -> Duration {
        let now = self.refresher.clock.now().boot;
        self.timers.first().map_or(self.longest_nap, |(at, _)| {
            at.saturating_sub(now).min(self.longest_nap)
        })
    }

    /// Forgets a credential that is in force no more, once nothing is under way for it.
    fn forget_where_retired(&mut self, id: SlotId) {
        let retired = self.refresher.publisher.inspect(id, Replica::is_retired);
        if retired && self.entries.get(&id).is_some_and(Entry::is_idle) {
            self.entries.remove(&id);
        }
    }

    /// Puts the credential's next step into the timer structure.
    fn plan(&mut self, id: SlotId) {
        let entry = self.entries.entry(id).or_default();
        if let Some((lane, urgency)) = entry.waiting.take() {
            self.lanes.withdraw(lane, urgency, id);
        }
        let now = self.refresher.clock.now();
        let (is_retired, planned) = self.refresher.publisher.inspect(id, |replica| {
            let plan = replica.next(now);
            let at = plan.map(|plan| together::begins_at(plan, replica.watch_every(now)));
            (replica.is_retired(), at)
        });
        if is_retired {
            // Whoever waits for it learns that nobody will answer.
            entry.forced.clear();
        }
        let at = if entry.stepping.is_some() {
            None
        } else if entry.forced.is_empty() {
            planned.map(|at| at.max(entry.not_before))
        } else {
            Some(now.boot.max(entry.not_before))
        };
        let before = std::mem::replace(&mut entry.at, at);
        if before != at {
            if let Some(before) = before {
                self.timers.remove(&(before, id));
            }
            if let Some(at) = at {
                self.timers.insert((at, id));
            }
        }
        if is_retired {
            self.forget_where_retired(id);
        }
    }

    /// Lets all that is due wait for a place, and starts as much as there are places for.
    fn start_due(&mut self) {
        let now = self.refresher.clock.now();
        let is_due = |(at, _): &(Duration, SlotId)| *at <= now.boot;
        while let Some((at, id)) = self.timers.first().copied().filter(is_due) {
            self.timers.remove(&(at, id));
            self.wait_for_a_place(id, now);
        }
        while let Some((lane, id)) = self.lanes.next() {
            self.start_step(id, lane, now);
        }
    }

    /// What is due for a credential, since when, and how urgent it is.
    fn due(&self, id: SlotId, entry: &Entry, now: Moment) -> Option<(Step, Urgency)> {
        self.refresher.publisher.inspect(id, |replica| {
            let plan = if entry.forced.is_empty() {
                replica.next(now).filter(|plan| plan.at <= now.boot)?
            } else {
                Plan {
                    at: now.boot,
                    step: Step::Refresh(Reason::Forced),
                }
            };
            let asked = entry.asked || !entry.forced.is_empty();
            let urgency = Urgency::of(plan.step, plan.at, asked, replica, now);
            Some((plan.step, urgency))
        })
    }

    fn wait_for_a_place(&mut self, id: SlotId, now: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.at = None;
        let entry = &self.entries[&id];
        let Some((step, urgency)) = self.due(id, entry, now) else {
            // What was known has changed since this was planned.
            self.plan(id);
            return;
        };
        let lane = Lane::of(step);
        self.lanes.wait(lane, urgency, id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.waiting = Some((lane, urgency));
        }
    }

    fn start_step(&mut self, id: SlotId, lane: Lane, now: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.waiting = None;
        let entry = &self.entries[&id];
        let Some((step, _)) = self
            .due(id, entry, now)
            .filter(|(step, _)| Lane::of(*step) == lane)
        else {
            self.plan(id);
            return;
        };
        self.lanes.begun(lane);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stepping = Some(lane);
            entry.asked = false;
        }
        let forced = step == Step::Refresh(Reason::Forced);
        let refresher = Arc::clone(&self.refresher);
        self.spawn(id, Task::Step, async move {
            let end = refresher.step(id, step).await;
            Finished::Step(id, forced.then_some(end))
        });
    }

    fn spawn(
        &mut self,
        id: SlotId,
        what: Task,
        task: impl Future<Output = Finished> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.purposes.insert(handle.id(), (id, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Digest;
    use crate::refresher::Report;

    #[test]
    fn a_credential_is_forgotten_only_where_nothing_is_under_way_for_it() {
        let mut looking = Reports::default();
        let report = Report {
            token: Digest::new([1; 32]),
            seen: None,
        };
        looking.wait(report, oneshot::channel().0);
        let told = Entry {
            reports: Some(Box::default()),
            ..Entry::default()
        };
        assert!(Entry::default().is_idle() && told.is_idle());

        looking.begin(Moment::default(), NAP);
        let busy = [
            Entry {
                stepping: Some(Lane::Check),
                ..Entry::default()
            },
            Entry {
                attending: true,
                ..Entry::default()
            },
            Entry {
                reports: Some(Box::new(looking)),
                ..Entry::default()
            },
        ];
        for (what, entry) in busy.iter().enumerate() {
            assert!(!entry.is_idle(), "{what}");
        }
    }
}
