//! How many requests a second a caller may make: for those callers that have a limit, and at no cost for
//! the others.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::problem::Problem;

/// The pace of one caller, shared by all worker threads: one atomic number, no lock.
#[derive(Debug)]
pub(super) struct Rate {
    each_second: NonZeroU32,
    limiter: DefaultDirectRateLimiter,
}

impl Rate {
    /// So many requests a second, and twice as many at once.
    pub(super) fn new(each_second: NonZeroU32) -> Self {
        let burst = each_second.saturating_add(each_second.get());
        let quota = Quota::per_second(each_second).allow_burst(burst);
        Self {
            each_second,
            limiter: RateLimiter::direct(quota),
        }
    }

    /// Counts one request, or refuses it and says when the next one passes.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        self.limiter.check().map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Problem::rate_limited(self.each_second, wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_rate_passes_at_once_and_then_no_more() {
        let rate = Rate::new(NonZeroU32::MIN.saturating_add(9));
        let passed = (0..100).filter(|_| rate.admit().is_ok()).count();
        // A slow machine may earn one more meanwhile.
        assert!((20..25).contains(&passed), "{passed}");
    }
}
