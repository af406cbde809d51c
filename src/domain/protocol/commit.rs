//! commit: here is the grant that was fetched under this epoch.

use super::Record;
use super::fail::Attempt;
use crate::domain::credential::Mode;
use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// The grant of an attempt.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Commit {
    /// Whose attempt.
    pub attempt: Attempt,
    /// What upstream issued; its version is the attempt's epoch.
    pub grant: Grant,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Committed {
    /// Stored: this is the current grant from now on.
    Stored {
        /// Its version: the attempt's epoch, or the version before where a stable token came back the
        /// same.
        version: Version,
        /// Its expiry: the later one where a stable token came back the same.
        expires_at: Timestamp,
    },
    /// Another attempt has begun since, or a newer version was put back, or this very one with another
    /// token: two fetches overlapped, and nobody knows their order upstream. Nothing was stored; the
    /// credential is suspect.
    Late,
}

impl Record {
    /// Stores what an attempt fetched, or finds that it is late. Asked again, it answers the same.
    pub fn commit(&mut self, input: &Commit, rules: &Rules, now: Timestamp) -> Committed {
        let attempt = &input.attempt;
        if self.state.committed == Some((attempt.epoch, attempt.nonce)) {
            return self.answer_again(input);
        }
        let current = self.is_current(attempt);
        if rules.mode == Mode::Stable && self.take_stable(input, current, rules, now) {
            return self.answer_again(input);
        }
        let overtaken = self.overtakes(&input.grant);
        if overtaken && current {
            self.end_attempt(attempt);
        }
        if !current || overtaken {
            self.state.epoch = self.state.epoch.max(attempt.epoch);
            self.make_suspect(rules, now);
            return Committed::Late;
        }
        self.publish(input, rules, now);
        self.answer_again(input)
    }

    /// A failover to a clock that is behind hands out epochs below versions that exist, or one of them
    /// again. Such a grant must not replace a newer one that was put back meanwhile, nor another token of
    /// its own version: who serves that one could not follow.
    fn overtakes(&self, grant: &Grant) -> bool {
        let twice = self
            .grant
            .as_ref()
            .is_some_and(|stored| stored.version == grant.version && stored.digest != grant.digest);
        twice || grant.version < self.state.version
    }

    fn answer_again(&self, input: &Commit) -> Committed {
        let stored = self
            .grant
            .as_ref()
            .filter(|grant| grant.digest == input.grant.digest);
        let grant = stored.unwrap_or(&input.grant);
        Committed::Stored {
            version: grant.version,
            expires_at: grant.expires_at,
        }
    }

    /// A stable token that came back the same keeps its version and gets the later expiry, unless a higher
    /// version was served: then it is published anew. Refused before, it stays dead, and the next fetch is
    /// forced. Answers whether that was the case.
    fn take_stable(
        &mut self,
        input: &Commit,
        current: bool,
        rules: &Rules,
        now: Timestamp,
    ) -> bool {
        let dead = self
            .grant
            .as_ref()
            .is_some_and(|grant| self.state.is_dead(grant));
        let outdone = self
            .grant
            .as_ref()
            .is_some_and(|grant| self.is_outdone(grant));
        let keeps = dead || !outdone;
        let Some(stored) = self
            .grant
            .as_mut()
            .filter(|grant| keeps && grant.digest == input.grant.digest)
        else {
            // Late, but nothing rotates: it is as good as any, if it lives longer than what is stored.
            let later = self
                .grant
                .as_ref()
                .is_none_or(|grant| dead || input.grant.expires_at > grant.expires_at);
            if !current && later && input.grant.version > self.state.version {
                self.publish(input, rules, now);
                return true;
            }
            return false;
        };
        stored.expires_at = stored.expires_at.max(input.grant.expires_at);
        stored.cut_to(now);
        let version = stored.version;
        if current {
            self.state.issuer = version.into();
            self.end_attempt(&input.attempt);
            self.state.force = dead;
            if dead {
                self.state.failures = self.state.failures.saturating_add(1);
            } else {
                self.state.failures = 0;
                self.state.cooldown = None;
            }
        }
        self.state.committed = Some((input.attempt.epoch, input.attempt.nonce));
        true
    }

    fn publish(&mut self, input: &Commit, rules: &Rules, now: Timestamp) {
        let attempt = &input.attempt;
        self.end_attempt(attempt);
        let state = &mut self.state;
        state.epoch = state.epoch.max(attempt.epoch);
        state.version = state.version.max(input.grant.version);
        state.suspect.take_if(|suspect| *suspect < attempt.epoch);
        state.dead = None;
        state.force = false;
        state.failures = 0;
        state.cooldown = None;
        state.committed = Some((attempt.epoch, attempt.nonce));
        self.replace_grant(input.grant.clone(), rules, now);
    }
}
