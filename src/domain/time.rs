//! Two kinds of time, never mixed: the store's, which all replicas share, and a replica's own.
//!
//! A [`Timestamp`] is read from the store and orders what replicas do. A [`Moment`] is read from this
//! machine and decides what this replica may still serve. [`Moment::after`] carries a remaining duration
//! from the one to the other, so that no two clocks are ever compared.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time in whole microseconds since 1970 UTC, as the store's clock tells it; 0 = never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before anything happened.
    pub const NEVER: Self = Self(0);

    /// Takes microseconds since 1970 UTC.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whether anything was recorded at all.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// How long after `earlier` this is; zero where it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

/// A duration in whole microseconds, as the store counts.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What this machine's clocks say at one instant.
///
/// `boot` counts while the machine is suspended (`CLOCK_BOOTTIME`) but stands still while a hypervisor
/// has stopped the whole machine; `wall` may be stepped, but is set right after such a stop. A deadline
/// that must never be overrun is judged by both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Moment {
    /// Time since the machine was booted.
    pub boot: Duration,
    /// The wall clock, as time since 1970 UTC.
    pub wall: Duration,
}

impl Moment {
    /// The moment `duration` later, by both clocks.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self {
            boot: self.boot.saturating_add(duration),
            wall: self.wall.saturating_add(duration),
        }
    }

    /// Whether this deadline has passed at `now`, by whichever clock says so first.
    #[must_use]
    pub fn has_passed(self, now: Self) -> bool {
        now.boot >= self.boot || now.wall >= self.wall
    }

    /// What is left until this deadline at `now`, by whichever clock leaves less.
    #[must_use]
    pub fn remaining(self, now: Self) -> Duration {
        let boot = self.boot.saturating_sub(now.boot);
        let wall = self.wall.saturating_sub(now.wall);
        boot.min(wall)
    }

    /// The earlier of two deadlines, clock by clock.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self {
            boot: self.boot.min(other.boot),
            wall: self.wall.min(other.wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn moment(boot: u64, wall: u64) -> Moment {
        Moment {
            boot: Duration::from_secs(boot),
            wall: Duration::from_secs(wall),
        }
    }

    #[test]
    fn a_deadline_passes_by_whichever_clock_says_so_first() {
        let deadline = moment(10, 1_000).after(Duration::from_secs(5));
        assert!(!deadline.has_passed(moment(14, 1_004)));
        assert!(
            deadline.has_passed(moment(15, 1_004)),
            "suspended: boot time went on"
        );
        assert!(
            deadline.has_passed(moment(11, 2_000)),
            "stopped by a hypervisor: wall time was set right"
        );
        assert_eq!(
            deadline.remaining(moment(11, 1_003)),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn the_earlier_of_two_deadlines_is_taken_clock_by_clock() {
        let earlier = moment(10, 1_000).earlier(moment(20, 500));
        assert_eq!(earlier, moment(10, 500));
    }

    #[test]
    fn timestamps_saturate_instead_of_wrapping() {
        assert!(Timestamp::NEVER.is_never() && !Timestamp::from_micros(1).is_never());
        assert_eq!(Timestamp::NEVER - Duration::from_secs(1), Timestamp::NEVER);
        assert_eq!(
            Timestamp::from_micros(5).since(Timestamp::from_micros(9)),
            Duration::ZERO
        );
        assert_eq!(
            Timestamp::from_micros(u64::MAX) + Duration::MAX,
            Timestamp::from_micros(u64::MAX)
        );
    }
}
