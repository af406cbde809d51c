//! Which app an access token belongs to: whoever holds one that has not expired may be known by it.
//!
//! Tokens are kept as their SHA-256 and found by it: how long a look-up takes says nothing of a token. One that was
//! replaced counts until it would have expired, not only as long as WeChat takes it: what its holder asks is asked with
//! the current one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;

use super::SlotId;
use crate::domain::secret::Digest;
use crate::domain::time::Moment;

/// Below this size nothing is worth being swept out.
const FEW: usize = 64;

/// The tokens of all apps.
#[derive(Debug, Default)]
pub(super) struct Holders(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By a quick hash: nobody chooses what the SHA-256 of a token is.
    by_token: HashMap<Digest, Held, RandomState>,
    /// At which size what has expired is swept out: so rarely that it costs a few steps a token.
    sweep_at: usize,
}

/// Whose a token is, and when it expires.
#[derive(Clone, Copy, Debug)]
struct Held {
    of: SlotId,
    expires: Moment,
}

impl Holders {
    /// These are tokens of the app, current or earlier ones; when each expires.
    pub(super) fn know(
        &self,
        of: SlotId,
        tokens: impl IntoIterator<Item = (Digest, Moment)>,
        now: Moment,
    ) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let live = tokens
            .into_iter()
            .filter(|(_, expires)| !expires.has_passed(now));
        for (token, expires) in live {
            table.make_room(now);
            table.by_token.insert(token, Held { of, expires });
        }
    }

    /// Whose token this is, where it has not expired.
    pub(super) fn find(&self, token: &Digest, now: Moment) -> Option<SlotId> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let held = table.by_token.get(token)?;
        (!held.expires.has_passed(now)).then_some(held.of)
    }
}

impl Table {
    /// Holds no more than a third over what lived at the last sweep.
    fn make_room(&mut self, now: Moment) {
        if self.by_token.len() >= self.sweep_at {
            self.by_token
                .retain(|_, held| !held.expires.has_passed(now));
            self.sweep_at = (self.by_token.len() * 4 / 3).max(FEW);
        }
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

    fn token(name: u64) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&name.to_le_bytes());
        Digest::new(bytes)
    }

    fn know(holders: &Holders, name: u64, expires: u64, now: u64) {
        holders.know(SlotId(3), [(token(name), at(expires))], at(now));
    }

    fn find(holders: &Holders, name: u64, seconds: u64) -> Option<SlotId> {
        holders.find(&token(name), at(seconds))
    }

    #[test]
    fn a_token_is_known_until_it_expires_whatever_came_after_it() {
        let holders = Holders::default();
        for name in 1..=5 {
            know(&holders, name, 100 + name, 0);
        }
        assert_eq!(find(&holders, 1, 100), Some(SlotId(3)));
        assert_eq!(find(&holders, 1, 101), None);
        assert_eq!(find(&holders, 5, 101), Some(SlotId(3)));
        assert_eq!(find(&holders, 6, 0), None);
    }

    #[test]
    fn what_is_said_last_of_a_token_counts() {
        let holders = Holders::default();
        know(&holders, 1, 100, 0);
        know(&holders, 1, 300, 0);
        assert_eq!(find(&holders, 1, 200), Some(SlotId(3)));
    }

    #[test]
    fn what_has_expired_takes_no_room_for_long() {
        let holders = Holders::default();
        // A hundred live at a time, for a thousand lives.
        for now in 0..100_000 {
            know(&holders, now, now + 100, now);
            assert_eq!(find(&holders, now.saturating_sub(99), now), Some(SlotId(3)));
        }
        let table = holders.0.read().unwrap_or_else(PoisonError::into_inner);
        assert!(table.by_token.len() <= 134, "{}", table.by_token.len());
    }

    #[test]
    fn a_table_of_tokens_that_all_live_grows() {
        let holders = Holders::default();
        for name in 0..10_000 {
            know(&holders, name, 100, 0);
        }
        for name in 0..10_000 {
            assert_eq!(find(&holders, name, 99), Some(SlotId(3)));
        }
    }
}
