//! What a replica may answer with: made anew after each event, and read without a lock.

use std::sync::Arc;
use std::time::Duration;

use super::{BlockedBy, Reading, Replica, StoreTrouble};
use crate::domain::grant::Grant;
use crate::domain::history::History;
use crate::domain::time::Moment;
use crate::domain::upstream_error::ErrorClass;

/// What may be answered for one credential.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The grant held: a copy, so that a request has one place less to look at.
    pub grant: Option<Grant>,
    /// When it stops being served.
    pub expires: Moment,
    /// Until when answers may be given without another attempt to hear about the grant. Later, a
    /// request waits for one: a process that slept must not answer from before it slept.
    pub answer_until: Moment,
    /// Until when the grant is vouched.
    pub vouched_until: Moment,
    /// What there is to say where no grant is servable.
    pub why_not: WhyNot,
    /// When the next attempt is planned, by the boot clock.
    pub retry_at: Duration,
    /// Whether an SRE has paused the app.
    pub paused: bool,
    /// What keeps a refresh from happening.
    pub blocked: Option<(BlockedBy, Duration)>,
    /// Whether the configuration has dropped the credential: there is no such thing any more.
    pub removed: bool,
    /// Why the store could not be used.
    pub trouble: Option<StoreTrouble>,
    /// The store's record as last read, for people.
    pub reading: Option<Arc<Reading>>,
    /// What lately happened, for people.
    pub history: Arc<History>,
}

/// Why there is nothing to serve: a closed set, each a stable code of the HTTP interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhyNot {
    /// The store has not been read yet, or the first fetch is under way.
    #[default]
    Starting,
    /// An SRE has paused the app.
    Paused,
    /// Upstream refuses to issue a token.
    UpstreamRefuses(ErrorClass),
    /// Upstream does not answer.
    UpstreamAway,
    /// The budget is spent.
    BudgetSpent,
    /// The store is away, and nobody may fetch without it.
    StoreAway,
    /// The store holds what this broker must not touch.
    StoreUnusable,
}

impl View {
    /// The grant, while it has at least a second to live: no answer ever says `expires_in: 0`.
    #[must_use]
    pub fn servable(&self, now: Moment) -> Option<(&Grant, Duration)> {
        let grant = self.grant.as_ref()?;
        let left = self.expires.remaining(now);
        (left >= Duration::from_secs(1)).then_some((grant, left))
    }

    /// Whether an answer may be given without a new attempt.
    #[must_use]
    pub fn may_answer(&self, now: Moment) -> bool {
        !self.answer_until.has_passed(now)
    }

    /// Whether the store or a check lately said that the grant stands.
    #[must_use]
    pub fn is_vouched(&self, now: Moment) -> bool {
        !self.vouched_until.has_passed(now)
    }
}

impl Replica {
    /// What may be answered from now on.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        let long = self.rules.reconcile * 2;
        let until = |at: Option<Moment>| at.map(|at| at.after(long)).unwrap_or_default();
        let heard_of = self.attempted_at.into_iter().chain(self.vouched_at);
        let held = self.held.as_ref();
        let paused = self.seen.pause.paused;
        View {
            grant: held.map(|held| held.grant.clone()),
            expires: held.map(|held| held.expires).unwrap_or_default(),
            answer_until: until(heard_of.max_by_key(|at| at.boot)),
            vouched_until: until(self.vouched_at),
            why_not: self.why_not(now),
            retry_at: self
                .next(now)
                .map_or(now.boot + self.rules.reconcile, |plan| plan.at),
            paused,
            blocked: self.blocked(now).map(|blocked| (blocked.by, blocked.until)),
            removed: self.retired,
            trouble: self.trouble,
            reading: self.reading.clone(),
            history: Arc::clone(&self.history),
        }
    }

    fn why_not(&self, now: Moment) -> WhyNot {
        if self.seen.pause.paused {
            return WhyNot::Paused;
        }
        match self.trouble {
            Some(StoreTrouble::Foreign | StoreTrouble::Unreadable) => return WhyNot::StoreUnusable,
            Some(StoreTrouble::Away | StoreTrouble::Refused) => return WhyNot::StoreAway,
            None => {}
        }
        match self.blocked(now).map(|blocked| blocked.by) {
            Some(
                BlockedBy::CoolingDown(ErrorClass::Busy | ErrorClass::Unclear)
                | BlockedBy::UpstreamAway,
            ) => WhyNot::UpstreamAway,
            // It is over once the access token is in order.
            Some(BlockedBy::CoolingDown(ErrorClass::TokenRefused)) => WhyNot::Starting,
            Some(BlockedBy::CoolingDown(class)) => WhyNot::UpstreamRefuses(class),
            Some(BlockedBy::BudgetSpent) => WhyNot::BudgetSpent,
            Some(BlockedBy::Paused) => WhyNot::Paused,
            Some(BlockedBy::StoreAway | BlockedBy::Unconfirmed) => WhyNot::StoreAway,
            Some(
                BlockedBy::Busy
                | BlockedBy::Spacing
                | BlockedBy::Behind
                | BlockedBy::LeaseTooShort
                | BlockedBy::NotRenewed
                | BlockedBy::NoAccessToken,
            )
            | None => WhyNot::Starting,
        }
    }
}
