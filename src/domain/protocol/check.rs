//! check: one replica asks upstream whether the stored grant is accepted, and all learn what it said.

use std::time::Duration;

use super::Record;
use crate::domain::epoch::Version;
use crate::domain::rules::Rules;
use crate::domain::state::{Check, Dead, Verdict};
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;

/// May this replica check this version?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub version: Version,
    /// No check is made sooner than this after the one before.
    pub every: Duration,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Go ahead.
    Yours,
    /// Another version is stored, or none.
    NotCurrent,
    /// It was checked within that time: this is what the check said.
    Judged(Verdict),
    /// Another replica is checking.
    InProgress {
        /// When the right to check is free again, should that replica never answer.
        until: Timestamp,
    },
}

/// What a check said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judge {
    /// Of which version.
    pub version: Version,
    /// What upstream answered.
    pub verdict: Verdict,
    /// Whether a caller's report led to the check.
    pub reported: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        if self.state.is_dead(grant) {
            return Claimed::Judged(Verdict::Refused);
        }
        let Check {
            version,
            claimed_at,
            verdict,
        } = self.state.check;
        if version == input.version && !claimed_at.is_never() && now < claimed_at + input.every {
            return verdict.map_or(
                Claimed::InProgress {
                    until: claimed_at + input.every,
                },
                Claimed::Judged,
            );
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
