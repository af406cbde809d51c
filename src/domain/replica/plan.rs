//! What a replica should do next for a credential, and when.

use std::time::Duration;

use super::{ASK_WAIT, Reading, Replica, Standing};
use crate::domain::credential::Mode;
use crate::domain::grant::Grant;
use crate::domain::protocol::Reason;
use crate::domain::time::{Moment, Timestamp};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// begin, fetch, commit.
    Refresh(Reason),
    /// Fetch a stable token without the store, which is away.
    RefreshAlone,
    /// Bring the held grant, which the store does not have, back to it.
    Offer,
    /// Check the stored grant upstream, if no other replica did lately.
    Watch,
    /// Check the held grant upstream, since the store cannot be asked.
    CheckCutOff,
    /// Tell the store that its grant is unsafe.
    Suspect,
    /// Ask the other replicas for a grant that the store lost.
    Ask,
}

/// A step and the earliest moment for it, by the boot clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When.
    pub at: Duration,
    /// What.
    pub step: Step,
}

impl Replica {
    /// The next step; `None` = nothing until the store was read.
    #[must_use]
    pub fn next(&self, now: Moment) -> Option<Plan> {
        if self.retired {
            return None;
        }
        if self.trouble.is_some() {
            return self.next_cut_off(now);
        }
        let reading = self.reading.as_ref()?;
        if self.conflict && reading.record.state.suspect.is_none() {
            return Some(self.unless_blocked(Step::Suspect, now.boot));
        }
        let paused = self.seen.pause.paused;
        if paused && reading.record.state.pause != self.seen.pause {
            // A store that forgot it is told by asking for the lease, which is then refused. Before the grant goes
            // back: for that upstream is asked, which need not answer.
            return Some(self.unless_blocked(Step::Refresh(Reason::Missing), now.boot));
        }
        if self.should_offer(now) {
            return Some(self.unless_blocked(Step::Offer, now.boot));
        }
        if paused {
            return None;
        }
        let refresh = self.next_refresh(reading, now);
        let sooner = |watch: &Plan| watch.at < refresh.at;
        let watch = self.next_watch(reading, now).filter(sooner);
        Some(watch.unwrap_or(refresh))
    }

    fn unless_blocked(&self, step: Step, at: Duration) -> Plan {
        let blocked = self.blocked.map_or(Duration::ZERO, |blocked| blocked.until);
        Plan {
            at: at.max(blocked),
            step,
        }
    }

    /// Without the store: watch over what is held, where it can be checked; only a stable token may be
    /// fetched.
    fn next_cut_off(&self, now: Moment) -> Option<Plan> {
        let live = self.live(now);
        if self.rules.mode == Mode::Stable && !self.seen.pause.paused {
            let due = live.map_or(now.boot, |grant| {
                let left = self
                    .held
                    .as_ref()
                    .map_or(Duration::ZERO, |held| held.expires.remaining(now));
                let window = grant.expires_at.since(self.rules.due_at(grant));
                now.boot + left.saturating_sub(window)
            });
            let alone = self.unless_blocked(Step::RefreshAlone, due);
            if live.is_none() || alone.at <= self.next_check {
                return Some(alone);
            }
        }
        live.filter(|_| self.rules.checkable).map(|_| Plan {
            at: self.next_check.max(now.boot),
            step: Step::CheckCutOff,
        })
    }

    /// Whether this replica holds a grant that the store should have and does not.
    fn should_offer(&self, now: Moment) -> bool {
        self.offerable(now).is_some_and(|held| {
            held.standing != Standing::Stored || held.grant.version > self.stored_version()
        })
    }

    fn next_refresh(&self, reading: &Reading, now: Moment) -> Plan {
        let state = &reading.record.state;
        // What cannot be checked is never put back: there is nothing to ask the others for.
        if state.is_empty() && self.floor.is_none() && self.shared && self.rules.checkable {
            return match self.asked_at {
                None => Plan {
                    at: now.boot,
                    step: Step::Ask,
                },
                Some(asked) => {
                    self.unless_blocked(Step::Refresh(Reason::Missing), asked + ASK_WAIT)
                }
            };
        }
        let behind_floor = self.stored_version() < self.floor;
        let (reason, at) = match (&reading.record.grant, state.dead) {
            (Some(grant), Some(dead)) if dead.version >= grant.version => (
                if dead.reported {
                    Reason::Report
                } else {
                    Reason::Repair
                },
                Duration::ZERO,
            ),
            (Some(grant), _) if state.suspect.is_none() && !behind_floor => {
                let due = self.due(reading, grant);
                match self.dangling(reading) {
                    Some(dangling) if dangling < due => (Reason::Repair, dangling),
                    _ => (Reason::Scheduled, due),
                }
            }
            (Some(_), _) => (Reason::Repair, Duration::ZERO),
            (None, _) => (Reason::Missing, Duration::ZERO),
        };
        self.unless_blocked(Step::Refresh(reason), at.max(now.boot))
    }

    /// When a grant that nothing is wrong with is replaced: each replica has its own moment.
    fn due(&self, reading: &Reading, grant: &Grant) -> Duration {
        let spread = match self.rules.mode {
            Mode::Token => grant
                .life()
                .mul_f64(self.rules.at * self.rules.jitter * self.draw),
            Mode::Stable => Duration::ZERO,
        };
        // Added before it is made local: a deadline that has passed is local as the moment of the reading,
        // and each reading would put the refresh off again.
        reading.local(self.rules.due_at(grant) + spread)
    }

    /// When an intent whose holder does not come back is looked into, though nothing is due: it may have
    /// fetched, and only a `begin` turns that into suspect. A little after the lease, since the last word
    /// of a holder that is alive may be on its way.
    fn dangling(&self, reading: &Reading) -> Option<Duration> {
        let state = &reading.record.state;
        let intent = state.intent?;
        let until = state
            .lease
            .map_or(intent.begun_at + self.rules.lease, |lease| lease.until);
        Some(reading.local(until + self.rules.lease / 10))
    }

    /// The stored grant is checked every `watch`, and more often while anything is unclear.
    fn next_watch(&self, reading: &Reading, now: Moment) -> Option<Plan> {
        if !self.rules.checkable {
            return None;
        }
        let grant = reading.record.servable()?;
        let earliest = self.next_check.max(now.boot);
        let at = if self.doubted().is_some() {
            earliest
        } else {
            let every = self.watch_interval(reading, now)?;
            let last = last_check(reading).unwrap_or(grant.issued_at);
            reading.local(last + every).max(earliest)
        };
        Some(Plan {
            at,
            step: Step::Watch,
        })
    }

    /// Within which time another replica's check answers instead of this one's own. A little less than they are
    /// apart: a deadline of the store's is never local too late, so that this replica asks a moment early, and
    /// would be sent away each time.
    #[must_use]
    pub fn answered_by_checks_of(&self, now: Moment) -> Duration {
        // They are from before this replica saw it refused, or no better.
        if self.doubted().is_some() {
            return Duration::ZERO;
        }
        let reading = self.reading.as_ref();
        let interval = reading
            .and_then(|reading| self.watch_interval(reading, now))
            .unwrap_or_else(|| self.watch_every(now));
        interval - interval / 50
    }

    /// From the last check of the stored grant to the next; `None` = it is not checked again. Checks that begin
    /// together, after a start or a fetch of many apps, would come together for ever: the first of a grant, and the
    /// first after a close watch, comes sooner, by the credential's own part.
    fn watch_interval(&self, reading: &Reading, now: Moment) -> Option<Duration> {
        let closely = self.is_closely_watched(reading, now);
        let every = if closely {
            self.rules.close_watch
        } else {
            self.rules.watch
        };
        let closely_until = reading
            .stored(self.close_watch_until)
            .max(reading.record.state.close_watch_until);
        let is_first = match last_check(reading) {
            None => true,
            Some(last) => !closely && last < closely_until,
        };
        let interval = if is_first {
            every.mul_f64(1.0 - self.phase)
        } else {
            every
        };
        (!every.is_zero()).then_some(interval)
    }

    /// How far apart checks of the stored grant are at this moment.
    #[must_use]
    pub fn watch_every(&self, now: Moment) -> Duration {
        let reading = self.reading.as_ref();
        let closely = reading.is_some_and(|reading| self.is_closely_watched(reading, now));
        if closely || now.boot < self.close_watch_until || self.rules.watch.is_zero() {
            self.rules.close_watch
        } else {
            self.rules.watch
        }
    }

    fn is_closely_watched(&self, reading: &Reading, now: Moment) -> bool {
        now.boot < self.close_watch_until
            || now.boot < reading.local(reading.record.state.close_watch_until)
    }
}

/// When the last check of the stored grant was claimed.
fn last_check(reading: &Reading) -> Option<Timestamp> {
    let check = reading.record.state.check;
    let grant = reading.record.servable()?;
    (check.version == grant.version).then_some(check.claimed_at)
}
