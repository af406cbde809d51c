//! Which app an access token belongs to: whoever holds the current one or the one before may be known by it.
//!
//! Tokens are kept as their SHA-256 and found by it: how long a look-up takes says nothing of a token. The one before
//! counts until it would have expired, not only as long as WeChat takes it: what its holder asks is asked with the
//! current one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::SlotId;
use crate::domain::secret::Digest;
use crate::domain::time::Moment;

/// The tokens of all apps.
#[derive(Debug, Default)]
pub(super) struct Holders(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    by_token: HashMap<Digest, (SlotId, Moment)>,
    by_slot: HashMap<SlotId, Recent>,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    current: Digest,
    before: Option<Digest>,
}

impl Holders {
    /// A token is the current one now; when it expires.
    pub(super) fn published(&self, of: SlotId, token: Digest, expires: Moment) {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let recent = tables.by_slot.get(&of).copied();
        let replaced = recent.filter(|recent| recent.current != token);
        let oldest = replaced.and_then(|recent| recent.before);
        if let Some(oldest) = oldest.filter(|oldest| *oldest != token) {
            tables.by_token.remove(&oldest);
        }
        let before = match recent {
            Some(recent) if recent.current == token => recent.before,
            Some(recent) => Some(recent.current),
            None => None,
        };
        let current = token;
        tables.by_slot.insert(of, Recent { current, before });
        tables.by_token.insert(token, (of, expires));
    }

    /// Whose token this is, where it has not expired.
    pub(super) fn find(&self, token: &Digest, now: Moment) -> Option<SlotId> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (of, expires) = tables.by_token.get(token)?;
        (!expires.has_passed(now)).then_some(*of)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Moment {
        let since = Duration::from_secs(seconds);
        Moment {
            boot: since,
            wall: since,
        }
    }

    fn token(name: u8) -> Digest {
        Digest::new([name; 32])
    }

    fn find(holders: &Holders, name: u8, seconds: u64) -> Option<SlotId> {
        holders.find(&token(name), at(seconds))
    }

    #[test]
    fn the_current_token_and_the_one_before_are_known_and_no_older() {
        let holders = Holders::default();
        let id = SlotId(3);
        for name in 1..=3 {
            holders.published(id, token(name), at(100));
        }
        assert_eq!(find(&holders, 1, 5), None);
        assert_eq!(find(&holders, 2, 5), Some(id));
        assert_eq!(find(&holders, 3, 5), Some(id));
        assert_eq!(find(&holders, 4, 5), None);
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let holders = Holders::default();
        holders.published(SlotId(0), token(1), at(100));
        holders.published(SlotId(0), token(2), at(200));
        assert_eq!(find(&holders, 1, 99), Some(SlotId(0)));
        assert_eq!(find(&holders, 1, 101), None);
        assert_eq!(find(&holders, 2, 101), Some(SlotId(0)));
    }

    #[test]
    fn a_token_that_is_published_again_keeps_the_one_before() {
        let holders = Holders::default();
        holders.published(SlotId(0), token(1), at(100));
        holders.published(SlotId(0), token(2), at(100));
        holders.published(SlotId(0), token(2), at(300));
        assert_eq!(find(&holders, 1, 5), Some(SlotId(0)));
        assert_eq!(find(&holders, 2, 200), Some(SlotId(0)));
        // One that comes back is not lost as its own predecessor.
        holders.published(SlotId(0), token(1), at(300));
        assert_eq!(find(&holders, 1, 200), Some(SlotId(0)));
        assert_eq!(find(&holders, 2, 200), Some(SlotId(0)));
    }
}
