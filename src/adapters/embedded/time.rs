//! The embedded store's time: the wall clock, made fit to order what is stored.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// How far behind the stored times the wall clock may start and still be held up to them.
const BELIEVED_LAG: Duration = Duration::from_secs(24 * 3600);

/// A clock that never goes backwards while the process runs, and never stands still.
///
/// The wall clock leads. Where it is set back, time goes on from where it was by the steady clock: were it
/// merely held at its maximum, no lease would end until the wall clock had caught up.
///
/// At a start it goes on from the latest stored time if the wall clock lies a little behind that. A wall
/// clock that lies far behind is believed: the stored times are then from one that was wrong by far, and
/// following them would leave out, at every restart, the time for which the broker was stopped. The
/// protocol cuts what then lies too far in the future, as it does after a failover.
#[derive(Debug)]
pub(super) struct SteadyWallClock {
    latest: Mutex<(Timestamp, Instant)>,
}

impl SteadyWallClock {
    pub(super) fn starting_at(stored: Timestamp) -> Self {
        Self {
            latest: Mutex::new((first(wall(), stored), Instant::now())),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let read_at = Instant::now();
        latest.0 = next(wall(), latest.0, read_at - latest.1);
        latest.1 = read_at;
        latest.0
    }
}

fn wall() -> Timestamp {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::NEVER + since_1970
}

fn first(wall: Timestamp, stored: Timestamp) -> Timestamp {
    if stored.since(wall) <= BELIEVED_LAG {
        wall.max(stored)
    } else {
        wall
    }
}

fn next(wall: Timestamp, latest: Timestamp, elapsed: Duration) -> Timestamp {
    wall.max(latest + elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_wall_clock_that_is_set_back_slows_nothing_down() {
        let second = Duration::from_secs(1);
        assert_eq!(next(at(101), at(100), second), at(101));
        assert_eq!(next(at(50), at(100), second), at(101));
        assert_eq!(next(at(5000), at(100), second), at(5000), "suspended");
    }

    #[test]
    fn a_restart_goes_on_from_the_stored_time_unless_that_was_far_off() {
        assert_eq!(first(at(1_000_100), at(1_000_000)), at(1_000_100));
        assert_eq!(first(at(1_000_000), at(1_000_100)), at(1_000_100));
        assert_eq!(first(at(1_000_000), at(40_000_000)), at(1_000_000));
    }
}
