//! What there is to tell of an app without its secrets: one reading of a [`View`] for `GET /apps`, the
//! metrics and the status page, so that the three never say different things.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::history::History;
use crate::domain::protocol::Record;
use crate::domain::replica::{BlockedBy, StoreTrouble, View, WhyNot};
use crate::domain::rules::Rules;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::upstream_error::ErrorClass;

/// How an app fares, in a word: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Served, and nothing to do.
    Ok,
    /// Served; its age at which it is replaced has come.
    Due,
    /// Served; it may die before it expires, and is being replaced.
    Suspect,
    /// Paused, whether served or not.
    Paused,
    /// Not served: nothing is known yet, or the first fetch is under way.
    Starting,
    /// Not served: WeChat refused it, and no new one is here yet.
    Dead,
    /// Not served: it expired, and no new one is here yet.
    Expired,
    /// Not served: WeChat refuses to issue one.
    RefusedByUpstream,
    /// Not served: WeChat does not answer.
    UpstreamAway,
    /// Not served: the budget is spent.
    BudgetSpent,
    /// Not served: the store is away.
    StoreAway,
    /// Not served: the store holds what this broker must not touch.
    StoreUnusable,
}

/// What is told of one app.
#[derive(Clone, Debug)]
pub struct Overview {
    /// In a word.
    pub status: Status,
    /// Whether a token is handed out.
    pub servable: bool,
    /// The version that is served.
    pub version: Option<Version>,
    /// When it stops being served, by this machine's wall clock, since 1970 UTC.
    pub expires_at: Option<Duration>,
    /// What is left until then.
    pub expires_in: Option<Duration>,
    /// How long it was to live from its issue on.
    pub life: Option<Duration>,
    /// When it was issued, by the store's clock.
    pub issued_at: Option<Timestamp>,
    /// When its refresh is due, before jitter, by the store's clock.
    pub refresh_at: Option<Timestamp>,
    /// Whether the store or a check has lately said that it stands.
    pub vouched: bool,
    /// Whether the store, as last read, lacks it.
    pub pending: bool,
    /// Whether it may die before it expires.
    pub suspect: bool,
    /// Whether upstream refused the newest token that was stored.
    pub dead: bool,
    /// Whether an SRE has paused the app.
    pub paused: bool,
    /// What keeps a refresh from happening, and for how long.
    pub blocked: Option<(BlockedBy, Duration)>,
    /// Which refusal no fetch is made after, and until when.
    pub cooldown: Option<(ErrorClass, Timestamp)>,
    /// Why the store could not be used.
    pub trouble: Option<StoreTrouble>,
    /// What the store remembers; `None` until it was read.
    pub stored: Option<Stored>,
    /// What lately happened, as this replica saw it.
    pub history: Arc<History>,
}

/// What the store remembers of an app beside its grant.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Attempts that failed in a row.
    pub failures: u32,
    /// How many fetches would pass right now.
    pub budget_left: u32,
    /// How many were made in the last 24 hours.
    pub budget_used: u32,
    /// The last fetch that may have issued a grant.
    pub last_fetch: Option<Timestamp>,
    /// Whether a replica holds the right to fetch.
    pub lease_held: bool,
}

impl Status {
    /// Every state, in the order of the type.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Due,
        Self::Suspect,
        Self::Paused,
        Self::Starting,
        Self::Dead,
        Self::Expired,
        Self::RefusedByUpstream,
        Self::UpstreamAway,
        Self::BudgetSpent,
        Self::StoreAway,
        Self::StoreUnusable,
    ];

    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Due => "due",
            Self::Suspect => "suspect",
            Self::Paused => "paused",
            Self::Starting => "starting",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::RefusedByUpstream => "refused_by_upstream",
            Self::UpstreamAway => "upstream_away",
            Self::BudgetSpent => "budget_spent",
            Self::StoreAway => "store_away",
            Self::StoreUnusable => "store_unusable",
        }
    }
}

/// The word for a store's trouble, in answers and metrics.
#[must_use]
pub const fn trouble_word(trouble: StoreTrouble) -> &'static str {
    match trouble {
        StoreTrouble::Away => "away",
        StoreTrouble::Refused => "refused",
        StoreTrouble::Foreign => "foreign",
        StoreTrouble::Unreadable => "unreadable",
    }
}

impl Overview {
    /// How long there is from the moment its refresh is due to its expiry.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        let due = self.refresh_at?.since(self.issued_at?);
        Some(self.life?.saturating_sub(due))
    }

    /// How long until its refresh is due, before jitter; zero where it is.
    #[must_use]
    pub fn refresh_in(&self) -> Option<Duration> {
        Some(self.expires_in?.saturating_sub(self.window()?))
    }

    /// The address of ours that upstream does not accept, while it is not asked again for it; where this replica
    /// is the one that heard it.
    #[must_use]
    pub fn refused_address(&self) -> Option<&str> {
        let (class, _) = self.cooldown?;
        let error = self.history.refusal()?;
        error.ip.as_deref().filter(|_| error.class() == class)
    }

    /// Reads a view at `now`.
    #[must_use]
    pub fn of(view: &View, rules: &Rules, now: Moment) -> Self {
        let read = view.reading.as_deref().map(|reading| Reading {
            record: &reading.record,
            now: reading.store_now(now),
        });
        let served = view.servable(now);
        let grant = served.map(|(grant, _)| grant);
        let suspect = read.is_some_and(|read| read.record.state.suspect.is_some());
        let dead = read.is_some_and(Reading::is_dead);
        Self {
            status: status(view, grant, read, rules, (suspect, dead)),
            servable: served.is_some(),
            version: grant.map(|grant| grant.version),
            expires_at: served.map(|(_, left)| now.wall + left),
            expires_in: served.map(|(_, left)| left),
            life: grant.map(Grant::life),
            issued_at: grant.map(|grant| grant.issued_at),
            refresh_at: grant.map(|grant| rules.due_at(grant)),
            vouched: served.is_some() && view.is_vouched(now),
            pending: served
                .is_some_and(|(grant, left)| read.is_none_or(|read| read.lacks(grant, left))),
            suspect,
            dead,
            paused: view.paused,
            blocked: view
                .blocked
                .map(|(by, until)| (by, until.saturating_sub(now.boot)))
                .filter(|(_, left)| !left.is_zero()),
            cooldown: read.and_then(Reading::cooldown),
            trouble: view.trouble,
            stored: read.map(|read| read.stored(rules)),
            history: Arc::clone(&view.history),
        }
    }
}

/// The store's record, and the store's time now.
#[derive(Clone, Copy)]
struct Reading<'a> {
    record: &'a Record,
    now: Timestamp,
}

impl Reading<'_> {
    fn is_dead(self) -> bool {
        let state = &self.record.state;
        state.dead.is_some_and(|dead| dead.version >= state.version)
    }

    /// Whether the store should have this grant and does not. In its last moments it never has.
    fn lacks(self, grant: &Grant, left: Duration) -> bool {
        let stored = self.record.grant.as_ref().map(|stored| stored.version);
        left > grant.expires_at.since(grant.kept_until()) && stored < Some(grant.version)
    }

    fn cooldown(self) -> Option<(ErrorClass, Timestamp)> {
        let cooldown = self.record.state.cooldown?;
        (cooldown.until > self.now).then_some((cooldown.class, cooldown.until))
    }

    fn stored(self, rules: &Rules) -> Stored {
        let state = &self.record.state;
        Stored {
            failures: state.failures,
            budget_left: rules.budget.left(state.budget, self.now),
            budget_used: state.used.total(self.now, rules.budget.window),
            last_fetch: Some(state.last_fetch).filter(|at| !at.is_never()),
            lease_held: state.lease.is_some_and(|lease| lease.until > self.now),
        }
    }
}

fn status(
    view: &View,
    served: Option<&Grant>,
    read: Option<Reading<'_>>,
    rules: &Rules,
    (suspect, dead): (bool, bool),
) -> Status {
    if view.paused {
        return Status::Paused;
    }
    if let Some(grant) = served {
        let due = read.is_some_and(|read| read.now >= rules.due_at(grant));
        return match (suspect, due) {
            (true, _) => Status::Suspect,
            (false, true) => Status::Due,
            (false, false) => Status::Ok,
        };
    }
    match view.why_not {
        WhyNot::Paused => Status::Paused,
        WhyNot::UpstreamRefuses(_) => Status::RefusedByUpstream,
        WhyNot::UpstreamAway => Status::UpstreamAway,
        WhyNot::BudgetSpent => Status::BudgetSpent,
        WhyNot::StoreAway => Status::StoreAway,
        WhyNot::StoreUnusable => Status::StoreUnusable,
        WhyNot::Starting if dead => Status::Dead,
        WhyNot::Starting if view.grant.is_some() => Status::Expired,
        WhyNot::Starting => Status::Starting,
    }
}
