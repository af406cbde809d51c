//! This machine's clocks: the one place that reads them.
//!
//! Both reads are answered by the vDSO, without a system call, because every request for a token asks
//! what time it is.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::domain::time::Moment;
use crate::ports::Clock;

/// Counts on while the machine is suspended, unlike `CLOCK_MONOTONIC` on Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::Boottime;
/// Elsewhere `CLOCK_MONOTONIC` is the nearest there is; on macOS it counts through sleep.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The clocks of the machine that the broker runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment {
            boot: duration(clock_gettime(SINCE_BOOT)),
            wall: duration(clock_gettime(ClockId::Realtime)),
        }
    }
}

/// Zero for a time before the epoch: a machine whose clock was never set.
fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_wall_clock_is_the_systems_and_boot_time_goes_on() {
        let before = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let first = SystemClock.now();
        std::thread::sleep(Duration::from_millis(5));
        let second = SystemClock.now();

        assert!(first.wall >= before && first.wall - before < Duration::from_secs(5));
        assert!(second.boot >= first.boot + Duration::from_millis(5));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn boot_time_is_what_the_kernel_calls_uptime() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime
            .split(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or_default();
        assert!((SystemClock.now().boot.as_secs_f64() - seconds).abs() < 2.0);
    }
}
