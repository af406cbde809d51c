//! What requests and people want of the scheduler.

use std::sync::Arc;

use super::endings::{Finished, Task};
use super::reports::Reports;
use super::{Errand, Scheduler};
use crate::snapshot::SlotId;

impl Scheduler {
    /// What somebody wants is begun, or waits for its turn.
    pub(super) fn take(&mut self, errand: Errand) {
        match errand {
            Errand::Attend(id) => self.attend(id),
            Errand::Report(id, report, reply) => {
                let entry = self.entries.entry(id).or_default();
                entry.reports.get_or_insert_default().wait(report, reply);
                self.start_report(id);
            }
            Errand::Refresh(id, reply) => {
                let entry = self.entries.entry(id).or_default();
                entry.forced.push(reply);
                self.plan(id);
            }
            Errand::SetPause(id, paused, reply) => {
                let refresher = Arc::clone(&self.refresher);
                self.spawn(id, Task::Pause, async move {
                    let _ = reply.send(refresher.set_pause(id, paused).await);
                    Finished::Paused
                });
            }
        }
    }

    fn attend(&mut self, id: SlotId) {
        let entry = self.entries.entry(id).or_default();
        let was_asked = std::mem::replace(&mut entry.asked, true);
        let was_attending = std::mem::replace(&mut entry.attending, true);
        if !was_asked && entry.waiting.is_some() {
            // It goes to the front.
            self.plan(id);
        }
        if was_attending {
            return;
        }
        let (refresher, places) = (Arc::clone(&self.refresher), Arc::clone(&self.attending));
        self.spawn(id, Task::Attend, async move {
            let _place = places.acquire().await;
            refresher.attend(id).await;
            Finished::Attended(id)
        });
    }

    pub(super) fn reports_of(&mut self, id: SlotId) -> Option<&mut Reports> {
        self.entries.get_mut(&id)?.reports.as_deref_mut()
    }

    pub(super) fn start_report(&mut self, id: SlotId) {
        let refresher = Arc::clone(&self.refresher);
        let close_watch = refresher.publisher.subject(id).rules.close_watch;
        let now = refresher.clock.now();
        let report = self
            .reports_of(id)
            .and_then(|reports| reports.begin(now, close_watch));
        if let Some(report) = report {
            self.spawn(id, Task::Report, async move {
                Finished::Reported(id, refresher.report(id, report).await)
            });
        }
    }
}
