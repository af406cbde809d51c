//! Whether two replicas know the same, for whoever explores what can happen to them.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Replica;
use crate::domain::time::Moment;

impl Hash for Replica {
    /// All that decides what it does, but for its rules.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            rules: _,
            retired,
            shared,
            draw,
            phase,
            floor,
            held,
            seen,
            earlier,
            under_way,
            reading,
            trouble,
            vouched_at,
            attempted_at,
            refused_digest,
            conflict,
            asked_at,
            blocked,
            failures,
            next_check,
            close_watch_until,
            history: _,
        } = self;
        (retired, shared, draw.to_bits(), phase.to_bits()).hash(state);
        (floor, held, seen, earlier, under_way, reading).hash(state);
        (trouble, vouched_at, attempted_at, refused_digest, conflict).hash(state);
        (asked_at, blocked, failures, next_check, close_watch_until).hash(state);
    }
}

impl Replica {
    /// Lets go of waits that are over by `now` and decide nothing any more, for whoever compares what replicas know.
    pub fn forget_passed(&mut self, now: Moment) {
        self.blocked = self.blocked(now);
        if self.next_check < now.boot {
            self.next_check = Duration::ZERO;
        }
    }
}
