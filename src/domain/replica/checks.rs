//! What checks say to a replica, and what it makes of a token that it saw refused.

use std::sync::Arc;
use std::time::Duration;

use super::{Held, Replica, later};
use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::secret::Digest;
use crate::domain::state::{Check, Verdict};
use crate::domain::time::Moment;

impl Replica {
    /// Upstream accepted the held or the stored grant in a check begun at `sent`.
    pub fn accepted(&mut self, version: Version, sent: Moment) {
        self.attempted_at = later(self.attempted_at, sent);
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.grant.version == version)
        {
            self.vouched_at = later(self.vouched_at, sent);
        }
        if self.doubted().is_some_and(|grant| grant.version == version) {
            // The next reading takes it over.
            self.refused_digest = None;
        }
    }

    /// The store has told of this check, or took note of it. Answers whether that will do without another reading:
    /// the grant is held, so that there is nothing to take over, and of what else may have changed the record's
    /// signals and the next `reconcile` tell, as at any time. What was found dead wants a reading.
    pub fn noted(&mut self, check: Check) -> bool {
        let is_held = |held: &Held| held.grant.version == check.version;
        if check.verdict == Some(Verdict::Refused) || !self.held.as_ref().is_some_and(is_held) {
            return false;
        }
        let Some(reading) = &mut self.reading else {
            return false;
        };
        Arc::make_mut(reading).record.state.check = check;
        true
    }

    /// Upstream refused the held grant. Its version stays a floor. Answers whether it was still held.
    pub fn refused(&mut self, version: Version, now: Moment) -> Option<Version> {
        self.attempted_at = later(self.attempted_at, now);
        let held = self.held.take_if(|held| held.grant.version == version)?;
        self.refused_digest = Some(held.grant.digest);
        Some(held.grant.version)
    }

    /// A check brought nothing.
    pub fn check_failed(&mut self, now: Moment) {
        self.attempted_at = later(self.attempted_at, now);
    }

    /// A check ended that counts from `begun`: no other of this credential before `wait` from then.
    pub fn checked(&mut self, begun: Moment, wait: Duration) {
        self.next_check = begun.boot + wait;
    }

    /// Upstream refused this token, and a check may yet tell: the store, which was away when it was found dead, or
    /// which lost that, says that it lives.
    pub(super) fn has_refused(&self, grant: &Grant) -> bool {
        self.rules.checkable && self.was_refused(&grant.digest)
    }

    /// The stored grant where this replica knows that it was refused, and the store does not: it is checked at
    /// once, and not served before it was accepted.
    #[must_use]
    pub fn doubted(&self) -> Option<&Grant> {
        let stored = self.reading.as_ref()?.record.servable()?;
        self.has_refused(stored).then_some(stored)
    }

    /// Whether upstream refused this very value lately.
    #[must_use]
    pub fn was_refused(&self, digest: &Digest) -> bool {
        self.refused_digest.as_ref() == Some(digest)
    }
}
