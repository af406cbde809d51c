//! begin: may this replica fetch now? If so, lease, intent and budget are written before it does.

use std::time::Duration;

use super::Record;
use crate::domain::budget::Share;
use crate::domain::credential::Mode;
use crate::domain::epoch::{Epoch, Nonce};
use crate::domain::grant::Grant;
use crate::domain::rules::Rules;
use crate::domain::secret::Fingerprint;
use crate::domain::state::{Cooldown, Intent, Lease, Memory};
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;

/// Why a replica wants to fetch: a closed set, also the label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The grant has reached the age at which it is due.
    Scheduled,
    /// There is no live grant.
    Missing,
    /// The grant is suspect, or was found dead by a check.
    Repair,
    /// A caller's report led to a check that found the grant dead.
    Report,
    /// A person or a service with the `refresh` verb asked for it.
    Forced,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Scheduled,
        Self::Missing,
        Self::Repair,
        Self::Report,
        Self::Forced,
    ];

    /// The word for it in logs, metrics and scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Missing => "missing",
            Self::Repair => "repair",
            Self::Report => "report",
            Self::Forced => "forced",
        }
    }

    /// Which part of the budget it may use.
    #[must_use]
    pub const fn share(self) -> Share {
        match self {
            Self::Scheduled | Self::Missing | Self::Repair => Share::Whole,
            Self::Report | Self::Forced => Share::ExceptReserve,
        }
    }
}

/// The question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Begin {
    /// Why.
    pub reason: Reason,
    /// New for each attempt; the same again when the answer was lost.
    pub nonce: Nonce,
    /// What this replica has seen.
    pub memory: Memory,
    /// Which AppSecret it would fetch with.
    pub secret: Fingerprint,
}

/// The right to fetch once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permit {
    /// The number of this lease.
    pub epoch: Epoch,
    /// The store's time at which it began: a grant's life is counted from here.
    pub begun_at: Timestamp,
    /// For how long it is valid, from `begin` on.
    pub valid_for: Duration,
    /// Attempts that failed in a row before this one.
    pub failures: u32,
    /// A refused stable token came back the same: ask with `force_refresh`.
    pub force: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Begun {
    /// This replica holds a newer live grant than the store: it is to be put back first.
    Behind,
    /// The second look: somebody else has refreshed it already.
    Fresh(Grant),
    /// Somebody else is fetching.
    Busy {
        /// Until when at the latest.
        until: Timestamp,
    },
    /// Go ahead.
    Granted(Permit),
    /// Upstream refused lately.
    CoolingDown {
        /// What it answered.
        class: ErrorClass,
        /// Until when.
        until: Timestamp,
    },
    /// The last fetch is too recent.
    Spacing {
        /// Until when.
        until: Timestamp,
    },
    /// The budget is spent.
    BudgetSpent {
        /// Until when.
        until: Timestamp,
    },
    /// An SRE has paused this app.
    Paused,
}

impl Record {
    /// Asks for the right to fetch.
    pub fn begin(&mut self, input: &Begin, rules: &Rules, now: Timestamp) -> Begun {
        let first_ever = self.state.is_empty();
        let stored = self
            .grant
            .as_ref()
            .map(|grant| grant.version)
            .unwrap_or_default();
        let refused = self
            .state
            .dead
            .is_some_and(|dead| dead.version >= input.memory.version);
        let behind = input.memory.live && !refused && input.memory.version > stored;
        let newer = input.memory.version > stored.max(self.state.version);
        self.state.raise(&input.memory, rules, now);

        if let Some(answer) = self.asked_again(input, now) {
            return answer;
        }
        if behind {
            return Begun::Behind;
        }
        if newer {
            self.make_suspect(rules, now);
        }
        if first_ever {
            self.watch_closely(rules, now);
        }
        self.turn_dangling_intent_into_suspect(rules, now);

        if self.state.pause.paused {
            return Begun::Paused;
        }
        if let Some(grant) = self
            .servable()
            .filter(|grant| !self.wants(grant, input, rules, now))
        {
            return Begun::Fresh(grant.clone());
        }
        if let Some(until) = self.held_by_another(now) {
            return Begun::Busy { until };
        }
        self.end_cooldown_of_another_secret(input.secret, now);
        if let Some(Cooldown { class, until, .. }) = self.state.cooldown {
            return Begun::CoolingDown { class, until };
        }
        let spaced = self.spacing_until(rules);
        if now < spaced {
            return Begun::Spacing { until: spaced };
        }
        let fits = self.budget_fits_from(input.reason, rules);
        if now < fits {
            return Begun::BudgetSpent { until: fits };
        }
        Begun::Granted(self.hand_out(input, rules, now))
    }

    /// The answer was lost and the replica asks again with the same nonce: it is answered the same.
    fn asked_again(&self, input: &Begin, now: Timestamp) -> Option<Begun> {
        let lease = self
            .state
            .lease
            .filter(|lease| lease.nonce == input.nonce && now < lease.until)?;
        let intent = self
            .state
            .intent
            .filter(|intent| intent.epoch == lease.epoch)?;
        Some(Begun::Granted(Permit {
            epoch: lease.epoch,
            begun_at: intent.begun_at,
            valid_for: lease.until.since(intent.begun_at),
            failures: self.state.failures,
            force: intent.forced,
        }))
    }

    /// An intent whose lease is over: its holder died or was cut off, and may have fetched.
    fn turn_dangling_intent_into_suspect(&mut self, rules: &Rules, now: Timestamp) {
        let open = self.state.lease.is_some_and(|lease| now < lease.until);
        if !open && self.state.intent.take().is_some() {
            self.make_suspect(rules, now);
        }
    }

    /// Whether the stored grant should be replaced.
    fn wants(&self, grant: &Grant, input: &Begin, rules: &Rules, now: Timestamp) -> bool {
        let asked_for = input.reason == Reason::Forced && grant.version <= input.memory.version;
        asked_for
            || self.is_outdone(grant)
            || self.state.suspect.is_some()
            || now >= rules.due_at(grant)
    }

    /// Until when another attempt holds the lease. One from before the grant was found dead blocks
    /// nobody: whether its holder is alive is not waited for while callers have nothing.
    fn held_by_another(&self, now: Timestamp) -> Option<Timestamp> {
        let lease = self.state.lease.filter(|lease| now < lease.until)?;
        let overtaken = self
            .state
            .dead
            .is_some_and(|dead| lease.epoch <= dead.epoch);
        (!overtaken).then_some(lease.until)
    }

    fn end_cooldown_of_another_secret(&mut self, secret: Fingerprint, now: Timestamp) {
        self.state
            .cooldown
            .take_if(|cooldown| cooldown.secret != secret || now >= cooldown.until);
    }

    /// From when on spacing allows a fetch. There is none where the grant is suspect, dead or missing,
    /// since nothing that is known to work can be killed; nor in `stable` mode, which does not rotate.
    fn spacing_until(&self, rules: &Rules) -> Timestamp {
        let spaced = rules.mode == Mode::Token
            && self.state.suspect.is_none()
            && self.servable().is_some()
            && !self.state.last_fetch.is_never();
        if spaced {
            self.state.last_fetch + rules.min_spacing
        } else {
            Timestamp::NEVER
        }
    }

    fn budget_fits_from(&self, reason: Reason, rules: &Rules) -> Timestamp {
        let fits = rules.budget.fits_from(self.state.budget, reason.share());
        if self.state.force {
            fits.max(
                rules
                    .forced_budget
                    .fits_from(self.state.forced_budget, Share::Whole),
            )
        } else {
            fits
        }
    }

    /// Hands the next epoch out. It is above everything that was ever handed out, also where a failover
    /// lost the latest: the store's time in microseconds goes on by itself.
    fn hand_out(&mut self, input: &Begin, rules: &Rules, now: Timestamp) -> Permit {
        // Overtaken while its lease was still valid: that holder may yet fetch.
        if self.state.intent.take().is_some() {
            self.make_suspect(rules, now);
        }
        let state = &mut self.state;
        let epoch = Epoch((state.epoch.0 + 1).max(now.as_micros()));
        state.epoch = epoch;
        state.lease = Some(Lease {
            nonce: input.nonce,
            epoch,
            until: now + rules.lease,
        });
        state.intent = Some(Intent {
            epoch,
            begun_at: now,
            last_fetch_before: state.last_fetch,
            issuer_before: state.issuer,
            forced: state.force,
        });
        state.last_fetch = now;
        state.issuer = epoch;
        state.budget = rules.budget.charge(state.budget, now);
        if state.force {
            state.forced_budget = rules.forced_budget.charge(state.forced_budget, now);
        }
        state.used.add(now, rules.budget.window);
        Permit {
            epoch,
            begun_at: now,
            valid_for: rules.lease,
            failures: state.failures,
            force: state.force,
        }
    }
}
