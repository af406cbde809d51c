//! What happens to a replica: readings, commits, checks, failures. Each event changes what it knows.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocked, BlockedBy, Held, Reading, Replica, Standing, later};
use crate::domain::budget::Share;
use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::protocol::{Attempt, Permit, Record};
use crate::domain::rules::Rules;
use crate::domain::state::{Memory, State};
use crate::domain::time::{Moment, Timestamp, micros};

/// Why the store could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreTrouble {
    /// No connection, or no answer in time.
    Away,
    /// It answers, and refuses.
    Refused,
    /// The keys belong to brokers of another upstream.
    Foreign,
    /// The record is of a newer release, or damaged.
    Unreadable,
}

impl Replica {
    /// The credential is kept by these rules from now on, and is in force, also if it was not before.
    pub fn govern(&mut self, rules: impl Into<Arc<Rules>>) {
        self.rules = rules.into();
        self.retired = false;
    }

    /// The configuration has dropped the credential: nothing is served or done any more. Its floor and what
    /// was seen of the budget, the last fetch and the pause stay, for it may come back.
    pub fn retire(&mut self) {
        *self = Self {
            retired: true,
            floor: self.floor,
            seen: self.seen,
            under_way: self.under_way,
            history: Arc::clone(&self.history),
            ..Self::new(Arc::clone(&self.rules), self.shared, self.draw)
        };
    }

    /// The app has another AppSecret: what upstream refused the old one for is over.
    pub fn secret_changed(&mut self) {
        self.blocked
            .take_if(|blocked| matches!(blocked.by, BlockedBy::CoolingDown(_)));
    }

    /// The store was read. Answers which version, if any, was given up as dead over it.
    pub fn observe(&mut self, mut record: Record, at: Timestamp, sent: Moment) -> Option<Version> {
        if self.retired {
            self.remember(&record.state);
            return None;
        }
        let outrun = |reading: &Reading| at < reading.at && sent.boot < reading.sent.boot;
        if self.reading.as_deref().is_some_and(outrun) {
            // A later question was answered first.
            return None;
        }
        let was_away = self.trouble.take().is_some();
        let doubted_before = self.doubted().is_some();
        self.attempted_at = later(self.attempted_at, sent);
        self.remember(&record.state);
        self.unblock_where_changed(&record);
        let cut = self.drop_dead(&record.state);
        self.take_stored(&record, at, sent);
        self.earlier = record.state.earlier.with(self.earlier.iter(), None, at);
        self.keep_one_text(&mut record);
        self.reading = Some(Arc::new(Reading { record, at, sent }));
        if self.doubted().is_some() && (was_away || !doubted_before) {
            self.next_check = sent.boot;
        }
        cut
    }

    /// Keeps the furthest values ever seen: a store that loses its data is told. What an attempt under way
    /// has charged may yet be taken back, so it is kept apart until the store says how it ended.
    fn remember(&mut self, state: &State) {
        let mut settled = Memory {
            budget: state.budget,
            forced_budget: state.forced_budget,
            last_fetch: state.last_fetch,
            pause: state.pause,
            ..self.seen
        };
        let under_way = state.intent.map(|intent| (intent.epoch, settled));
        if let Some(intent) = state.intent {
            settled.budget = self.rules.budget.refund(state.budget);
            if intent.forced {
                settled.forced_budget = self.rules.forced_budget.refund(state.forced_budget);
            }
            settled.last_fetch = intent.last_fetch_before;
        }
        let before = std::mem::replace(&mut self.under_way, under_way);
        // A store that knows what was spent before an attempt, and its number, knows how it ended.
        let forgotten =
            before.filter(|(epoch, _)| state.epoch < *epoch || settled.budget < self.seen.budget);
        self.seen = self.seen.furthest(settled);
        if let Some((_, unsettled)) = forgotten {
            self.seen = self.seen.furthest(unsettled);
        }
    }

    /// What the replica was told to wait for may be over.
    fn unblock_where_changed(&mut self, record: &Record) {
        let situation = |record: &Record| {
            let state = &record.state;
            let lease = state.lease.map(|lease| lease.epoch);
            (
                // A grant that has run out lifts the spacing.
                record.grant.is_some(),
                state.dead,
                state.suspect,
                lease,
                state.cooldown,
                state.pause,
                state.version,
                state.force,
            )
        };
        let before = self
            .reading
            .as_ref()
            .map(|reading| situation(&reading.record));
        let by_store = self
            .blocked
            .is_some_and(|blocked| blocked.by != BlockedBy::UpstreamAway);
        let dead = record.state.dead;
        let died = dead.is_some()
            && self
                .reading
                .as_ref()
                .is_some_and(|r| r.record.state.dead != dead);
        if died || (by_store && before != Some(situation(record))) {
            self.blocked = None;
        }
    }

    fn drop_dead(&mut self, state: &State) -> Option<Version> {
        let held = self.held.take_if(|held| state.is_dead(&held.grant))?;
        // A store that comes back with older data knows nothing of it.
        self.refused_digest = Some(held.grant.digest);
        Some(held.grant.version)
    }

    /// Takes the stored grant over, unless it is dead, older than what was served, or in doubt.
    fn take_stored(&mut self, record: &Record, at: Timestamp, sent: Moment) {
        self.conflict = false;
        let Some(stored) = record
            .servable()
            .filter(|stored| stored.version >= self.floor && !self.has_refused(stored))
        else {
            return;
        };
        let expires = sent.after(stored.remaining(at));
        match &mut self.held {
            Some(held) if held.grant.version == stored.version => {
                if held.grant.digest != stored.digest {
                    self.conflict = true;
                    return;
                }
                held.expires = if stored.expires_at > held.grant.expires_at {
                    expires
                } else {
                    // The boot clock's deadline is never lengthened; the wall clock may have been set.
                    Moment {
                        boot: held.expires.boot.min(expires.boot),
                        wall: expires.wall,
                    }
                };
                if held.grant.expires_at != stored.expires_at {
                    held.grant = stored.clone();
                }
                held.standing = Standing::Stored;
                self.vouched_at = later(self.vouched_at, sent);
            }
            _ => {
                self.hold(stored.clone(), expires, Standing::Stored);
                self.vouched_at = Some(sent);
            }
        }
    }

    /// The token that is held and the one that was read are nearly always the same: its text is kept once.
    fn keep_one_text(&self, read: &mut Record) {
        if let Some(held) = &self.held
            && let Some(read) = &mut read.grant
            && read.digest == held.grant.digest
        {
            read.value = held.grant.value.clone();
        }
    }

    fn hold(&mut self, grant: Grant, expires: Moment, standing: Standing) {
        self.floor = grant.version;
        if self.retired {
            return;
        }
        self.held = Some(Held {
            grant,
            expires,
            standing,
        });
    }

    /// The store could not be used; `attempted` when the question was sent. While a live grant is held that
    /// can be checked, the attempt to hear about it is over only with the check that follows.
    pub fn store_failed(&mut self, trouble: StoreTrouble, attempted: Moment) {
        if self.trouble.is_none() {
            // The first failure: the held grant is checked upstream at once.
            self.next_check = attempted.boot;
        }
        self.trouble = Some(trouble);
        if self.live(attempted).is_none() || !self.rules.checkable {
            self.attempted_at = later(self.attempted_at, attempted);
        }
    }

    /// The connection to the store was made again: it may be another machine that knows less.
    pub fn reconnected(&mut self, now: Moment) {
        self.close_watch_until = now.boot + self.rules.close_watch_lasts();
    }

    /// What this replica will have seen once it has fetched under this lease, should the store lose its
    /// data before anybody has read it there.
    #[must_use]
    pub fn charged(&self, permit: &Permit) -> Memory {
        let (seen, begun_at) = (self.seen, permit.begun_at);
        let forced_budget = if permit.force {
            self.rules
                .forced_budget
                .charge(seen.forced_budget, begun_at)
        } else {
            seen.forced_budget
        };
        Memory {
            budget: self.rules.budget.charge(seen.budget, begun_at),
            forced_budget,
            last_fetch: seen.last_fetch.max(begun_at),
            ..seen
        }
    }

    /// A fetch was sent, and this is what it has [charged](Replica::charged). `issued` = a grant may have
    /// come of it.
    pub fn spent(&mut self, charged: Memory, issued: bool) {
        let last_fetch = if issued {
            charged.last_fetch
        } else {
            self.seen.last_fetch
        };
        self.seen = self.seen.furthest(Memory {
            last_fetch,
            ..charged
        });
    }

    /// The others were asked for a grant.
    pub fn asked(&mut self, now: Moment) {
        self.asked_at = Some(now.boot);
    }

    /// A fetched grant was stored. `sent` is the moment before the fetch.
    pub fn committed(&mut self, grant: Grant, expires: Moment, sent: Moment) {
        self.failures = 0;
        self.blocked = None;
        if grant.version >= self.floor && !self.has_refused(&grant) {
            self.hold(grant, expires, Standing::Stored);
            self.vouched_at = Some(sent);
        }
    }

    /// A fetched grant could not be stored: it is served meanwhile. `attempt` is `None` where there
    /// never was a lease (a stable token fetched while the store is away).
    pub fn keep_pending(
        &mut self,
        grant: Grant,
        expires: Moment,
        attempt: Option<Attempt>,
        sent: Moment,
    ) {
        self.failures = 0;
        self.vouched_at = Some(sent);
        self.attempted_at = later(self.attempted_at, sent);
        let same = |held: &&mut Held| held.grant.digest == grant.digest;
        if let Some(held) = self.held.as_mut().filter(same) {
            // The same stable token: it keeps its version.
            let version = held.grant.version;
            held.grant = Grant { version, ..grant };
            held.expires = expires;
        } else if grant.version > self.floor {
            self.hold(
                grant,
                expires,
                attempt.map_or(Standing::Unstored, Standing::Pending),
            );
        }
    }

    /// The commit of the pending grant was answered and is not repeated: what the store has of it is
    /// read, and what it lacks is put back after a check.
    pub fn pending_is_settled(&mut self) {
        if let Some(held) = &mut self.held {
            held.standing = Standing::Unstored;
        }
    }

    /// A step could not be finished: nothing is tried for `wait`.
    pub fn block(&mut self, by: BlockedBy, now: Moment, wait: Duration) {
        self.blocked = Some(Blocked {
            by,
            until: now.boot + wait,
        });
    }

    /// The app's access token has come, which a ticket may have waited for.
    pub fn access_token_came(&mut self) {
        self.blocked
            .take_if(|blocked| blocked.by == BlockedBy::NoAccessToken);
    }

    /// A step of this replica's own failed: counts for the backoff.
    pub fn count_failure(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// With the store away, whether a stable token may be asked for at `now`, and under which version.
    /// The budget is this replica's own meanwhile; the store is raised to it when it is back.
    pub fn begin_alone(&mut self, force: bool, now: Moment) -> Result<Version, Duration> {
        let wall = Timestamp::from_micros(micros(now.wall));
        let fits = self.rules.budget.fits_from(self.seen.budget, Share::Whole);
        let forced = self
            .rules
            .forced_budget
            .fits_from(self.seen.forced_budget, Share::Whole);
        let from = if force { fits.max(forced) } else { fits };
        if wall < from {
            return Err(from.since(wall));
        }
        self.seen.budget = self.rules.budget.charge(self.seen.budget, wall);
        if force {
            self.seen.forced_budget = self
                .rules
                .forced_budget
                .charge(self.seen.forced_budget, wall);
        }
        Ok(Version(wall.as_micros().max(self.floor.0 + 1)))
    }
}
