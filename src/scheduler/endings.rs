//! What follows from the end of a task: whoever waited is answered, and its credential is planned anew.

use std::time::Duration;

use tokio::task::{Id, JoinError};
use tracing::error;

use super::Scheduler;
use crate::refresher::{ReportVerdict, StepEnd};
use crate::snapshot::SlotId;

/// A step is not planned again sooner than this after the one before: no state may spin.
const REST: Duration = Duration::from_millis(10);

/// How long an app waits whose step panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Step,
    Attend,
    Report,
    Pause,
}

/// What came of a task.
pub(super) enum Finished {
    Step(SlotId, Option<StepEnd>),
    Attended(SlotId),
    Reported(SlotId, ReportVerdict),
    Paused,
}

impl Scheduler {
    pub(super) fn finished(&mut self, done: Result<(Id, Finished), JoinError>) {
        match done {
            Ok((task, finished)) => {
                self.purposes.remove(&task);
                self.conclude(finished);
            }
            Err(failure) => self.panicked(&failure),
        }
    }

    fn conclude(&mut self, finished: Finished) {
        match finished {
            Finished::Step(id, forced) => {
                self.stepped(id);
                if let Some(entry) = self.entries.get_mut(&id)
                    && let Some(end) = forced
                {
                    for reply in entry.forced.drain(..) {
                        let _ = reply.send(end);
                    }
                }
                self.rest(id, REST);
            }
            Finished::Attended(id) => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.attending = false;
                }
                self.forget_where_retired(id);
            }
            Finished::Reported(id, verdict) => {
                if let Some(reports) = self.reports_of(id) {
                    reports.settle(verdict);
                }
                self.start_report(id);
                self.forget_where_retired(id);
            }
            Finished::Paused => {}
        }
    }

    /// A task panicked: its credential waits a moment and is planned anew; whoever waited learns that
    /// nobody will answer.
    fn panicked(&mut self, failure: &JoinError) {
        let Some((id, task)) = self.purposes.remove(&failure.id()) else {
            return;
        };
        self.refresher.metrics.panicked("step");
        let app = &self.refresher.publisher.credential(id).app;
        error!(appid = %app, ?task, "a task panicked; this is a bug of the broker, please report it. The app is tried again");
        if task == Task::Step {
            self.stepped(id);
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            match task {
                Task::Step => entry.forced.clear(),
                Task::Attend => entry.attending = false,
                Task::Report => entry.reports.iter_mut().for_each(|it| it.abandon()),
                Task::Pause => {}
            }
        }
        self.rest(id, AFTER_PANIC);
    }

    /// A step has ended, in whatever way.
    fn stepped(&mut self, id: SlotId) {
        let lane = self
            .entries
            .get_mut(&id)
            .and_then(|entry| entry.stepping.take());
        if let Some(lane) = lane {
            self.lanes.ended(lane);
        }
    }
}
