//! check: one replica asks upstream whether the stored grant is accepted, and all learn what it said.

use std::time::Duration;

use super::Record;
use crate::domain::epoch::Version;
use crate::domain::rules::Rules;
use crate::domain::state::{Check, Dead, Verdict};
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;

/// May this replica check this version?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Which.
    pub version: Version,
    /// No check is made sooner than this after the one before.
    pub every: Duration,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claimed {
    /// Go ahead.
    Yours,
    /// Another version is stored, or none.
    NotCurrent,
    /// A check that was begun within that time answers, or will: without a verdict it is under way.
    Checked(Check),
}

/// What a check said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Judge {
    /// Of which version.
    pub version: Version,
    /// What upstream answered.
    pub verdict: Verdict,
    /// Whether a caller's report led to the check.
    pub reported: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judged {
    /// Taken note of.
    Noted,
    /// The grant is dead from now on.
    Dead {
        /// No fetch of ours explains it: somebody else fetched.
        foreign: bool,
    },
    /// Another version is stored, or it is dead already, or a report's verdict came while somebody is
    /// fetching: nothing was changed.
    Ignored,
}

impl Record {
    /// Asks for the right to check a version.
    pub fn claim_check(&mut self, input: &Claim, now: Timestamp) -> Claimed {
        let Some(grant) = self
            .grant
            .as_ref()
            .filter(|grant| grant.version == input.version)
        else {
            return Claimed::NotCurrent;
        };
        let last = self.state.check;
        if self.state.is_dead(grant) {
            return Claimed::Checked(Check {
                version: input.version,
                verdict: Some(Verdict::Refused),
                ..last
            });
        }
        let lately = !last.claimed_at.is_never() && now < last.claimed_at + input.every;
        if last.version == input.version && lately {
            return Claimed::Checked(last);
        }
        self.state.check = Check {
            version: input.version,
            claimed_at: now,
            verdict: None,
        };
        Claimed::Yours
    }

    /// Takes note of what a check said.
    pub fn judge(&mut self, input: &Judge, rules: &Rules, now: Timestamp) -> Judged {
        let stored = self
            .servable()
            .is_some_and(|grant| grant.version == input.version);
        let fetching = self.state.lease.is_some_and(|lease| now < lease.until);
        if !stored || (input.reported && fetching) {
            return Judged::Ignored;
        }
        if self.state.check.version == input.version {
            self.state.check.verdict = Some(input.verdict);
        }
        if input.verdict != Verdict::Refused {
            return Judged::Noted;
        }
        let foreign = self.state.issuer <= input.version.into() && self.state.suspect.is_none();
        let dead = Dead {
            version: input.version,
            epoch: self.state.epoch,
            reported: input.reported,
        };
        self.state.dead = Some(dead);
        // The wait was for an upstream that does not answer. It does.
        self.state
            .cooldown
            .take_if(|cooldown| matches!(cooldown.class, ErrorClass::Busy | ErrorClass::Unclear));
        if foreign {
            self.watch_closely(rules, now);
        }
        Judged::Dead { foreign }
    }
}
