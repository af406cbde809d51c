//! The access tokens that were an app's before the current one, by their SHA-256: whoever holds one of them is
//! known by it until it would have expired.
//!
//! WeChat refuses such a token after the overlap, the broker does not: it passes on what its holder asks with the
//! current one. For this alone they are remembered. No rule of the protocol looks at them, which a test shows.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::grant::{Grant, MAX_LIFE};
use super::secret::Digest;
use super::time::Timestamp;

/// How many are remembered. A life of two hours has room for as many replacements that keep the 360 s of
/// `min_spacing` between them; repairs need not keep it, and a storm of them pushes out who would expire first.
pub const MOST: usize = 20;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EarlierToken {
    /// SHA-256 of the token.
    pub digest: Digest,
    /// The store's time when its fetch began.
    pub issued_at: Timestamp,
    /// The store's time from which upstream would refuse it in any case.
    pub expires_at: Timestamp,
}

/// All that are remembered: each once, those that last longest first, [`MOST`] at most. A clone shares them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct EarlierTokens(Arc<[EarlierToken]>);

impl EarlierToken {
    /// For how long its holder is still known by it. Never for longer than it was to live, should the store have
    /// failed over to a machine whose clock is behind.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Duration {
        let life = self.expires_at.since(self.issued_at).min(MAX_LIFE);
        self.expires_at.since(now).min(life)
    }
}

impl From<&Grant> for EarlierToken {
    fn from(grant: &Grant) -> Self {
        Self {
            digest: grant.digest,
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        }
    }
}

impl EarlierTokens {
    /// These.
    #[must_use]
    pub fn of(tokens: Vec<EarlierToken>) -> Self {
        Self(tokens.into())
    }

    /// These and `more`, without what is `current` again and without what has expired.
    #[must_use]
    pub fn with(
        &self,
        more: impl IntoIterator<Item = EarlierToken>,
        current: Option<&Digest>,
        now: Timestamp,
    ) -> Self {
        let mut tokens: Vec<_> = self.iter().chain(more).collect();
        tokens.retain(|token| Some(&token.digest) != current && !token.remaining(now).is_zero());
        // A stable token may have been renewed since it was told of: its later expiry counts.
        tokens.sort_by_key(|token| (token.digest, Reverse(token.expires_at)));
        tokens.dedup_by_key(|token| token.digest);
        tokens.sort_by_key(|token| (Reverse(token.expires_at), token.digest));
        tokens.truncate(MOST);
        if tokens == *self.0 {
            self.clone()
        } else {
            Self(tokens.into())
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = EarlierToken> + '_ {
        self.0.iter().copied()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000)
    }

    fn token(name: u8, expires: u64) -> EarlierToken {
        EarlierToken {
            digest: Digest::new([name; 32]),
            issued_at: at(expires.saturating_sub(7200)),
            expires_at: at(expires),
        }
    }

    fn names(tokens: &EarlierTokens) -> Vec<u8> {
        tokens
            .iter()
            .map(|token| token.digest.as_bytes()[0])
            .collect()
    }

    #[test]
    fn each_is_there_once_with_its_later_expiry_and_whoever_lasts_longest_first() {
        let tokens = EarlierTokens::default().with(
            [token(1, 100), token(2, 300), token(1, 400), token(3, 200)],
            None,
            at(50),
        );
        assert_eq!(names(&tokens), [1, 2, 3]);
        assert_eq!(tokens.iter().next(), Some(token(1, 400)));
    }

    #[test]
    fn what_is_current_or_has_expired_is_not_remembered() {
        let tokens = EarlierTokens::of(vec![token(1, 300), token(2, 200), token(3, 100)]);
        let later = tokens.with([], Some(&token(1, 0).digest), at(100));
        assert_eq!(names(&later), [2]);
        assert!(!later.is_empty());
        assert!(later.with([], None, at(200)).is_empty());
    }

    #[test]
    fn a_storm_of_replacements_pushes_out_who_would_expire_first() {
        let storm = (1..=30).map(|name| token(name, 1000 + u64::from(name)));
        let tokens = EarlierTokens::default().with(storm, None, at(0));
        assert_eq!(names(&tokens), (11..=30).rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_changes_nothing_shares_what_is_there() {
        let tokens = EarlierTokens::of(vec![token(1, 300)]);
        let same = tokens.with([token(1, 200)], None, at(100));
        assert!(Arc::ptr_eq(&tokens.0, &same.0));
    }

    #[test]
    fn a_clock_that_is_behind_makes_a_holder_known_for_one_life_at_most() {
        let token = token(1, 10_000);
        assert_eq!(token.remaining(at(9000)), Duration::from_secs(1000));
        assert_eq!(token.remaining(at(100)), Duration::from_secs(7200));
        assert_eq!(token.remaining(at(10_000)), Duration::ZERO);
    }
}
