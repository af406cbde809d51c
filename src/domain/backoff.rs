//! How long to wait after an attempt that failed: exponential, with full jitter.

use std::time::Duration;

/// The wait after the `failures`-th failure in a row: anywhere between `shortest` and
/// `shortest × 2^(failures-1)`, at most `longest`. `random` lies in 0..1 and is passed in.
///
/// Full jitter spreads replicas that failed together; the lower bound keeps a lucky draw from
/// hammering an upstream that is away.
#[must_use]
pub fn backoff(failures: u32, shortest: Duration, longest: Duration, random: f64) -> Duration {
    let doubled = shortest.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)));
    let ceiling = doubled.min(longest).max(shortest);
    shortest + (ceiling - shortest).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn grows_to_its_bound_and_stays_there() {
        let longest = |failures| backoff(failures, SECOND, MINUTE, 1.0);
        let waits: Vec<_> = (0..9).map(|failures| longest(failures).as_secs()).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(longest(u32::MAX), MINUTE);
    }

    #[test]
    fn is_spread_over_the_whole_range() {
        assert_eq!(backoff(4, SECOND, MINUTE, 0.0), SECOND);
        assert_eq!(backoff(4, SECOND, MINUTE, 0.5), Duration::from_millis(4500));
    }
}
