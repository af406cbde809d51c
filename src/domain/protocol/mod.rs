//! The refresh protocol: each change that a replica may ask the store to make, one pure function a file.
//!
//! The embedded store runs these functions; the Lua scripts of the Redis store mirror them file by file,
//! and a property test holds the two equal. Every function takes the record, its input and the store's
//! time, changes the record and answers. [`Record::open`] comes before each.

mod begin;
mod check;
mod commit;
mod fail;
mod pause;
mod put_back;
mod suspect;

pub use begin::{Begin, Begun, Permit, Reason};
pub use check::{Claim, Claimed, Judge, Judged};
pub use commit::{Commit, Committed};
pub use fail::{Attempt, Failure};
pub use pause::SetPause;
pub use put_back::{PutBack, PutBackAnswer};
pub use suspect::Suspect;

use super::credential::Mode;
use super::earlier::EarlierToken;
use super::epoch::Epoch;
use super::grant::Grant;
use super::rules::Rules;
use super::secret::Fingerprint;
use super::state::State;
use super::time::Timestamp;

/// All that the store holds of one credential.
#[derive(Clone, Debug, PartialEq, Hash, Default)]
pub struct Record {
    /// What it remembers.
    pub state: State,
    /// The stored grant.
    pub grant: Option<Grant>,
}

/// The record belongs to the broker of another upstream: a fleet for tests and one for production must
/// not share keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these keys belong to brokers of another upstream (origin {found}, ours is {ours})")]
pub struct ForeignOrigin {
    /// What is stored.
    pub found: Fingerprint,
    /// What this broker is configured for.
    pub ours: Fingerprint,
}

impl Record {
    /// Makes the record ready for a change or a look at `now`: refuses another fleet's, cuts times that
    /// cannot be, and drops a grant whose time in the store is over.
    ///
    /// # Errors
    /// [`ForeignOrigin`], and the record is left as it is.
    pub fn open(
        &mut self,
        rules: &Rules,
        origin: Fingerprint,
        now: Timestamp,
    ) -> Result<(), ForeignOrigin> {
        match self.state.origin {
            Some(found) if found != origin => {
                return Err(ForeignOrigin {
                    found,
                    ours: origin,
                });
            }
            _ => self.state.origin = Some(origin),
        }
        self.state.cut_to(rules, now);
        if let Some(grant) = &mut self.grant {
            grant.cut_to(now);
        }
        if let Some(grant) = &self.grant {
            // A state that was evicted alone must not hand out an epoch below its grant's.
            self.state.epoch = self.state.epoch.max(grant.version.into());
            self.state.version = self.state.version.max(grant.version);
        }
        self.grant.take_if(|grant| now >= grant.kept_until());
        Ok(())
    }

    /// The stored grant, unless upstream refused it.
    #[must_use]
    pub fn servable(&self) -> Option<&Grant> {
        self.grant
            .as_ref()
            .filter(|grant| !self.state.is_dead(grant))
    }

    /// Whether a replica has served a higher version than this one, and can never follow it: only a grant that
    /// is published above both serves all. In `token` mode such a grant is suspect as well.
    fn is_outdone(&self, grant: &Grant) -> bool {
        grant.version < self.state.version
    }

    /// Another grant is the stored one from now on; whoever holds the one before goes on being known by it, dead
    /// or alive.
    fn replace_grant(&mut self, grant: Grant, rules: &Rules, now: Timestamp) {
        let before = self.grant.replace(grant);
        self.remember_holders(before.as_ref().map(EarlierToken::from), rules, now);
    }

    /// Somebody may hold these. Only an access token makes its holder known, and only an access token can be
    /// checked.
    fn remember_holders(
        &mut self,
        of: impl IntoIterator<Item = EarlierToken>,
        rules: &Rules,
        now: Timestamp,
    ) {
        if rules.checkable {
            let current = self.grant.as_ref().map(|grant| &grant.digest);
            self.state.earlier = self.state.earlier.with(of, current, now);
        }
    }

    /// From now on the stored grant may die before it expires. A stable token never does.
    fn make_suspect(&mut self, rules: &Rules, now: Timestamp) {
        if rules.mode == Mode::Token {
            self.state.suspect = Some(self.state.epoch);
            self.watch_closely(rules, now);
        }
    }

    /// Checks come often until every fetch that could still happen has shown itself.
    fn watch_closely(&mut self, rules: &Rules, now: Timestamp) {
        self.state.close_watch_until = now + rules.close_watch_lasts();
    }

    /// Whether the lease and the intent are those of this attempt.
    fn is_current(&self, attempt: &Attempt) -> bool {
        let of_attempt = |epoch: Epoch, nonce| epoch == attempt.epoch && nonce == attempt.nonce;
        self.state
            .lease
            .is_some_and(|lease| of_attempt(lease.epoch, lease.nonce))
    }

    /// Ends the attempt's lease and takes its intent away.
    fn end_attempt(&mut self, attempt: &Attempt) {
        self.state
            .lease
            .take_if(|lease| lease.epoch == attempt.epoch);
        self.state
            .intent
            .take_if(|intent| intent.epoch == attempt.epoch);
    }
}

#[cfg(test)]
mod tests;
