//! What one replica knows of one credential, what it may serve, and what it should do next.
//!
//! Pure: events go in ([`Replica::observe`] and its neighbours), a [`Plan`] and a [`View`] come out.
//! The write flow feeds it; nothing else decides. It keeps three things apart: the *store's record* as
//! last read, the *grant it holds* (which may be newer than the store's), and its *floor*, the highest
//! version it ever served, below which it never serves again.

mod alike;
mod checks;
mod events;
mod plan;
mod view;

pub use events::StoreTrouble;
pub use plan::{Plan, Step};
pub use view::{View, WhyNot};

use std::sync::Arc;
use std::time::Duration;

use super::earlier::EarlierTokens;
use super::epoch::{Epoch, Version};
use super::grant::Grant;
use super::history::{History, What};
use super::protocol::{Attempt, PutBack, Record};
use super::rules::Rules;
use super::secret::Digest;
use super::state::Memory;
use super::time::{Moment, Timestamp};
use super::upstream_error::ErrorClass;

/// How long a replica that finds the store empty waits for others to put a grant back.
pub const ASK_WAIT: Duration = Duration::from_millis(500);

/// What one replica knows of one credential.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Shared with all that are kept by the same.
    rules: Arc<Rules>,
    /// Whether the configuration has dropped this credential: nothing is served or planned, and what must
    /// not be forgotten, should it come back, is kept.
    retired: bool,
    /// Whether other replicas may share the store.
    shared: bool,
    /// This replica's share of the jitter, 0 to 1.
    draw: f64,
    /// Where in `watch` the checks of this credential fall, 0 to 1: the same in every replica.
    phase: f64,
    /// The highest version this replica ever served.
    floor: Version,
    held: Option<Held>,
    /// Budget, last fetch and pause: the furthest values seen.
    seen: Memory,
    /// The tokens before the stored one: a store that lost its data is told with a put-back.
    earlier: EarlierTokens,
    /// What an attempt that was under way when the store was last read has charged, and its number.
    under_way: Option<(Epoch, Memory)>,
    /// Shared with the view that follows from it.
    reading: Option<Arc<Reading>>,
    /// Why the latest attempt to reach the store failed; `None` while it is there.
    trouble: Option<StoreTrouble>,
    /// When the store, or a check, last said that the held grant stands.
    vouched_at: Option<Moment>,
    /// When the latest attempt to hear about the grant, with whatever outcome, was begun.
    attempted_at: Option<Moment>,
    /// The value that upstream refused last, as this replica saw or the store said: a stable token that comes back the
    /// same is forced.
    refused_digest: Option<Digest>,
    /// Another token is stored under the held version.
    conflict: bool,
    /// When the other replicas were asked for a grant.
    asked_at: Option<Duration>,
    blocked: Option<Blocked>,
    /// Attempts of this replica's own that failed in a row.
    failures: u32,
    /// No check before this.
    next_check: Duration,
    /// After a reconnection, checks come often until this.
    close_watch_until: Duration,
    /// What lately happened, for people.
    history: Arc<History>,
}

/// The grant a replica holds.
#[derive(Clone, Debug, Hash)]
struct Held {
    grant: Grant,
    expires: Moment,
    standing: Standing,
}

/// What the store is known to have of the held grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    /// It was read from the store, or stored there.
    Stored,
    /// Its commit did not reach the store: it is offered again.
    Pending(Attempt),
    /// Its commit was late, or there never was a lease: an accepted check puts it back.
    Unstored,
}

/// The store's record as last read.
#[derive(Clone, Debug, Hash)]
pub struct Reading {
    /// What it held.
    pub record: Record,
    /// The store's time then.
    pub at: Timestamp,
    /// This machine's time before the question was sent.
    pub sent: Moment,
}

impl Reading {
    /// What the store's clock says at `now`, as far as this machine's boot clock tells.
    #[must_use]
    pub fn store_now(&self, now: Moment) -> Timestamp {
        self.at + now.boot.saturating_sub(self.sent.boot)
    }

    /// What the store's clock says at this time of this machine's boot clock, past or to come.
    fn stored(&self, boot: Duration) -> Timestamp {
        let sent = self.sent.boot;
        self.at + boot.saturating_sub(sent) - sent.saturating_sub(boot)
    }

    /// When a stored deadline passes by this machine's boot clock; never too late.
    fn local(&self, deadline: Timestamp) -> Duration {
        self.sent.boot.saturating_add(deadline.since(self.at))
    }
}

/// What keeps this replica from fetching, and until when (this machine's boot clock).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blocked {
    /// What.
    pub by: BlockedBy,
    /// Until when, by the boot clock.
    pub until: Duration,
}

/// What can keep a refresh from happening: a closed set, also the label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockedBy {
    /// Another replica holds the lease.
    Busy,
    /// Upstream refused lately, or the last fetch's outcome is unclear.
    CoolingDown(ErrorClass),
    /// The last fetch is too recent.
    Spacing,
    /// The budget is spent.
    BudgetSpent,
    /// An SRE paused the app.
    Paused,
    /// This replica's newer grant goes back to the store first.
    Behind,
    /// The store does not answer or refuses.
    StoreAway,
    /// The lease is on one machine only, and the grant has time.
    Unconfirmed,
    /// Too little of the lease was left to send the request.
    LeaseTooShort,
    /// Upstream could not be reached.
    UpstreamAway,
    /// Upstream does not renew the stable token yet.
    NotRenewed,
    /// A ticket is asked for with the app's access token, and there is none that lives.
    NoAccessToken,
}

impl BlockedBy {
    /// The words for metrics: every value but the classes of a cooldown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::CoolingDown(_) => "cooldown",
            Self::Spacing => "spacing",
            Self::BudgetSpent => "budget_spent",
            Self::Paused => "paused",
            Self::Behind => "behind",
            Self::StoreAway => "store_away",
            Self::Unconfirmed => "unconfirmed",
            Self::LeaseTooShort => "lease_too_short",
            Self::UpstreamAway => "upstream_away",
            Self::NotRenewed => "not_renewed",
            Self::NoAccessToken => "no_access_token",
        }
    }
}

/// The later of two moments at which something was begun: what is begun first may end last.
fn later(known: Option<Moment>, begun: Moment) -> Option<Moment> {
    let known = known.filter(|known| known.boot > begun.boot);
    Some(known.unwrap_or(begun))
}

impl Replica {
    /// A replica that knows nothing yet. `draw`, 0 to 1, is its share of the jitter.
    #[must_use]
    pub fn new(rules: impl Into<Arc<Rules>>, shared: bool, draw: f64) -> Self {
        Self {
            rules: rules.into(),
            retired: false,
            shared,
            draw,
            phase: 0.0,
            floor: Version::default(),
            held: None,
            seen: Memory::default(),
            earlier: EarlierTokens::default(),
            under_way: None,
            reading: None,
            trouble: None,
            vouched_at: None,
            attempted_at: None,
            refused_digest: None,
            conflict: false,
            asked_at: None,
            blocked: None,
            failures: 0,
            next_check: Duration::ZERO,
            close_watch_until: Duration::ZERO,
            history: Arc::default(),
        }
    }

    /// The same with [the credential's own part](crate::domain::credential::Credential::phase) of `watch`.
    #[must_use]
    pub const fn in_phase(mut self, phase: f64) -> Self {
        self.phase = phase;
        self
    }

    /// What the store is told with each `begin` and put-back.
    #[must_use]
    pub fn memory(&self, now: Moment) -> Memory {
        let unsettled = self.under_way.map_or(self.seen, |(_, memory)| memory);
        Memory {
            version: self.floor,
            live: self.rules.checkable && self.offerable(now).is_some(),
            ..self.seen.furthest(unsettled)
        }
    }

    /// Keeps what happened for people; decides nothing.
    pub fn note(&mut self, what: What, now: Moment) {
        Arc::make_mut(&mut self.history).note(what, now.wall);
    }

    /// Whether the configuration has dropped this credential.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether an SRE has paused the app, as far as this credential's record tells.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.seen.pause.paused
    }

    /// The rules this credential is kept by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The highest version this replica ever served.
    #[must_use]
    pub const fn floor(&self) -> Version {
        self.floor
    }

    /// The grant it holds, while any life is left.
    #[must_use]
    pub fn live(&self, now: Moment) -> Option<&Grant> {
        self.held
            .as_ref()
            .filter(|held| !held.expires.has_passed(now))
            .map(|held| &held.grant)
    }

    /// When the grant it holds ends, by the boot clock, while any life is left.
    #[must_use]
    pub fn expires(&self, now: Moment) -> Option<Duration> {
        let held = self.held.as_ref()?;
        let left = held.expires.remaining(now);
        (!left.is_zero()).then(|| now.boot + left)
    }

    /// The held grant where it has enough left for the store to keep it. Only one that can be checked goes
    /// back to a store that lost it: whether another one has ended it meanwhile, nobody could tell. It is
    /// served on until its replacement is there, which the floor in [`Replica::memory`] calls for.
    fn offerable(&self, now: Moment) -> Option<&Held> {
        let held = self
            .held
            .as_ref()
            .filter(|held| self.rules.checkable || matches!(held.standing, Standing::Pending(_)))?;
        let margin = held.grant.expires_at.since(held.grant.kept_until());
        (held.expires.remaining(now) > margin).then_some(held)
    }

    /// The held grant as it goes back to the store: with what is left of its life by this machine's clocks,
    /// since its times may be of another clock than the store's (this machine's wall clock, for a stable
    /// token fetched without the store; a machine that failed).
    #[must_use]
    pub fn put_back(&self, now: Moment) -> Option<PutBack> {
        let held = self.offerable(now)?;
        let reading = self.reading.as_ref()?;
        let store_now = reading.store_now(now);
        let expires_at = store_now + held.expires.remaining(now);
        let grant = Grant {
            issued_at: held.grant.issued_at.min(store_now),
            expires_at: held.grant.expires_at.min(expires_at),
            ..held.grant.clone()
        };
        Some(PutBack {
            grant,
            earlier: self.earlier.clone(),
            memory: self.memory(now),
        })
    }

    /// The attempt whose commit did not reach the store.
    #[must_use]
    pub fn pending(&self) -> Option<(Attempt, Grant)> {
        let held = self.held.as_ref()?;
        match held.standing {
            Standing::Pending(attempt) => Some((attempt, held.grant.clone())),
            Standing::Stored | Standing::Unstored => None,
        }
    }

    /// The version a check would be about, and whether the store has it.
    fn stored_version(&self) -> Version {
        let stored = self
            .reading
            .as_ref()
            .and_then(|reading| reading.record.grant.as_ref());
        stored.map(|grant| grant.version).unwrap_or_default()
    }

    /// Attempts of this replica's own that failed in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// What keeps it from fetching, while that lasts.
    #[must_use]
    pub fn blocked(&self, now: Moment) -> Option<Blocked> {
        self.blocked.filter(|blocked| now.boot < blocked.until)
    }

    /// The store's record as last read, and the store's time then.
    #[must_use]
    pub fn record(&self) -> Option<(&Record, Timestamp)> {
        self.reading
            .as_ref()
            .map(|reading| (&reading.record, reading.at))
    }
}

#[cfg(test)]
mod tests;
