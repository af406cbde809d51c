//! fail and release: the attempt brought no grant.

use std::time::Duration;

use super::Record;
use crate::domain::epoch::{Epoch, Nonce};
use crate::domain::rules::Rules;
use crate::domain::secret::Fingerprint;
use crate::domain::state::Cooldown;
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;

/// Which attempt: both numbers must match, since a failover may hand an epoch out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The epoch handed out.
    pub epoch: Epoch,
    /// The nonce it was asked for with.
    pub nonce: Nonce,
}

/// How an attempt that was sent failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Whose attempt.
    pub attempt: Attempt,
    /// The class of a well-formed WeChat error: no grant was issued. [`ErrorClass::Unclear`]: nobody
    /// knows whether one was.
    pub class: ErrorClass,
    /// For how long no fetch is made.
    pub cooldown: Duration,
    /// With which secret it was asked.
    pub secret: Fingerprint,
}

impl Record {
    /// Takes note of an attempt that upstream refused, or whose outcome nobody knows.
    pub fn fail(&mut self, input: &Failure, rules: &Rules, now: Timestamp) {
        let current = self.is_current(&input.attempt);
        if input.class == ErrorClass::Unclear {
            self.state.epoch = self.state.epoch.max(input.attempt.epoch);
            self.make_suspect(rules, now);
        } else if current {
            self.forget_fetch(&input.attempt);
        }
        if current {
            self.end_attempt(&input.attempt);
            self.state.failures = self.state.failures.saturating_add(1);
            self.state.cooldown = Some(Cooldown {
                class: input.class,
                until: now + input.cooldown,
                secret: input.secret,
            });
        }
    }

    /// Gives an unused lease back: nothing was sent, so the budget is given back too.
    pub fn release(&mut self, attempt: &Attempt, rules: &Rules) {
        if !self.is_current(attempt) {
            return;
        }
        if let Some(intent) = self
            .state
            .intent
            .filter(|intent| intent.epoch == attempt.epoch)
        {
            self.state.budget = rules.budget.refund(self.state.budget);
            if intent.forced {
                self.state.forced_budget = rules.forced_budget.refund(self.state.forced_budget);
            }
            self.state.used.take_back();
        }
        self.forget_fetch(attempt);
        self.end_attempt(attempt);
    }

    /// The attempt issued no grant: spacing is counted from the fetch before it.
    fn forget_fetch(&mut self, attempt: &Attempt) {
        if let Some(intent) = self
            .state
            .intent
            .filter(|intent| intent.epoch == attempt.epoch)
        {
            // Unless a replica remembered a later one meanwhile.
            if self.state.last_fetch == intent.begun_at {
                self.state.last_fetch = intent.last_fetch_before;
            }
            self.state.issuer = intent.issuer_before;
        }
    }
}
