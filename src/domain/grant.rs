//! The grant: one credential value as upstream issued it.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::epoch::Version;
use super::secret::{Digest, Secret};
use super::time::Timestamp;

/// The longest life that is believed. WeChat grants two hours; anything over this is no token.
pub const MAX_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The longest value that is believed, in bytes. WeChat asks for room for at least 512.
pub const MAX_VALUE_LEN: usize = 2048;

/// One credential value as issued upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The epoch it was fetched under.
    pub version: Version,
    /// The token or ticket itself.
    pub value: Secret,
    /// SHA-256 of the value.
    pub digest: Digest,
    /// The store's time when the fetch began: before the request was sent, so that a life counted
    /// from here never ends too late.
    pub issued_at: Timestamp,
    /// The store's time from which upstream may refuse it.
    pub expires_at: Timestamp,
}

impl Hash for Grant {
    /// The digest stands for the value: what is secret is not hashed with whatever hasher comes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            version,
            value: _,
            digest,
            issued_at,
            expires_at,
        } = self;
        (version, digest, issued_at, expires_at).hash(state);
    }
}

impl Grant {
    /// How long it was to live from its issue on.
    #[must_use]
    pub const fn life(&self) -> Duration {
        self.expires_at.since(self.issued_at)
    }

    /// What is left of its life at `now`.
    #[must_use]
    pub const fn remaining(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }

    /// Until when the store keeps it: a little less than it lives, 60 s or 1 % where that is shorter,
    /// so that nobody gets a token in its last moments from the store.
    #[must_use]
    pub fn kept_until(&self) -> Timestamp {
        self.expires_at - (self.life() / 100).min(Duration::from_secs(60))
    }

    /// Cuts an expiry that lies further away than it ever could. A store that failed over to a machine
    /// whose clock is behind would otherwise lengthen the life. The issue is moved with it: were it left
    /// in the future, each further cut would find a shorter life and cut again.
    pub fn cut_to(&mut self, now: Timestamp) {
        let life = self.life().min(MAX_LIFE);
        self.expires_at = self.expires_at.min(now + life);
        self.issued_at = self.issued_at.min(now);
    }
}

/// Whether `value` can be a token at all: not empty, printable ASCII without spaces, at most
/// [`MAX_VALUE_LEN`] bytes.
#[must_use]
pub fn is_plausible_value(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_VALUE_LEN && value.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_ascii_of_bounded_length_can_be_a_token() {
        assert!(is_plausible_value(&"a".repeat(2048)));
        for value in ["", " ", "a b", "a\n", "é", "\u{0}", &"a".repeat(2049)] {
            assert!(!is_plausible_value(value), "{value:?}");
        }
    }

    fn grant_issued_at(secs: u64) -> Grant {
        let at = |secs| Timestamp::from_micros(secs * 1_000_000);
        Grant {
            version: Version(1),
            value: Secret::new("t"),
            digest: Digest::new([0; 32]),
            issued_at: at(secs),
            expires_at: at(secs + 7200),
        }
    }

    #[test]
    fn the_store_keeps_a_grant_a_little_less_than_it_lives() {
        let mut grant = grant_issued_at(1000);
        assert_eq!(
            grant.kept_until().since(grant.issued_at),
            Duration::from_secs(7140)
        );
        grant.expires_at = grant.issued_at + Duration::from_secs(100);
        assert_eq!(
            grant.kept_until().since(grant.issued_at),
            Duration::from_secs(99)
        );
    }

    #[test]
    fn no_life_is_believed_that_is_longer_than_a_month() {
        let day = Duration::from_secs(24 * 3600);
        let mut grant = grant_issued_at(10_000);
        grant.expires_at = grant.issued_at + day * 40;
        grant.cut_to(grant.issued_at);
        assert_eq!(grant.life(), day * 30);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_lengthen_a_life() {
        let mut grant = grant_issued_at(10_000);
        let now = Timestamp::from_micros(9_000 * 1_000_000);
        grant.cut_to(now);
        assert_eq!(grant.remaining(now), Duration::from_secs(7200));
        let later = now + Duration::from_secs(10);
        grant.cut_to(later);
        assert_eq!(
            grant.remaining(later),
            Duration::from_secs(7190),
            "a second cut takes nothing but the time that passed"
        );
    }
}
