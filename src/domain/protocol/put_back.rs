//! put-back: the store lost a grant that this replica still holds, and upstream accepts it.

use super::Record;
use crate::domain::earlier::{EarlierToken, EarlierTokens};
use crate::domain::grant::Grant;
use crate::domain::rules::Rules;
use crate::domain::state::Memory;
use crate::domain::time::Timestamp;

/// The grant, checked upstream just before.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct PutBack {
    /// What this replica holds.
    pub grant: Grant,
    /// The tokens before it, as far as this replica remembers.
    pub earlier: EarlierTokens,
    /// What else it has seen.
    pub memory: Memory,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutBackAnswer {
    /// It is the stored grant now, or was already.
    Stored,
    /// The store holds a newer one, or this one has too little left to be kept.
    Superseded,
    /// Upstream refused this version before.
    Dead,
    /// The store holds another token under this very version: the credential is suspect.
    Conflict,
}

impl Record {
    /// Puts a grant back under its own version. Whoever may have fetched meanwhile shows in the close
    /// watch that follows.
    pub fn put_back(&mut self, input: &PutBack, rules: &Rules, now: Timestamp) -> PutBackAnswer {
        let answer = self.take_back(input, rules, now);
        // Stored or not, this replica has handed it out.
        let handed_out = [EarlierToken::from(&input.grant)];
        self.remember_holders(input.earlier.iter().chain(handed_out), rules, now);
        answer
    }

    fn take_back(&mut self, input: &PutBack, rules: &Rules, now: Timestamp) -> PutBackAnswer {
        self.state.raise(&input.memory, rules, now);
        if self.state.is_dead(&input.grant) {
            return PutBackAnswer::Dead;
        }
        let mut grant = input.grant.clone();
        grant.cut_to(now);
        match &self.grant {
            Some(stored) if stored.version > grant.version => return PutBackAnswer::Superseded,
            Some(stored) if stored.version == grant.version && stored.digest == grant.digest => {
                return PutBackAnswer::Stored;
            }
            Some(stored) if stored.version == grant.version => {
                self.make_suspect(rules, now);
                return PutBackAnswer::Conflict;
            }
            _ if now >= grant.kept_until() => return PutBackAnswer::Superseded,
            _ => {}
        }
        self.state.epoch = self.state.epoch.max(grant.version.into());
        self.state.issuer = self.state.issuer.max(grant.version.into());
        if self.state.version > grant.version {
            self.make_suspect(rules, now);
        }
        self.state.version = self.state.version.max(grant.version);
        self.state.dead = None;
        self.replace_grant(grant, rules, now);
        self.watch_closely(rules, now);
        PutBackAnswer::Stored
    }
}
