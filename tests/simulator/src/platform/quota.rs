//! Limits count in sliding windows. Where WeChat's day begins is undocumented, and a caller that stays under
//! the limit in any window stays under it in WeChat's, wherever that lies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When something happened, as far back as the longest window that is asked about.
#[derive(Debug, Default)]
pub(crate) struct SlidingCount {
    times: VecDeque<Instant>,
}

impl SlidingCount {
    /// Remembers one more, and forgets what is older than `longest`.
    pub(crate) fn record(&mut self, now: Instant, longest: Duration) {
        while self
            .times
            .front()
            .is_some_and(|at| now.duration_since(*at) >= longest)
        {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// How many lie within `window` before `now`.
    pub(crate) fn within(&self, window: Duration, now: Instant) -> u32 {
        let recent = self
            .times
            .iter()
            .rev()
            .take_while(|at| now.duration_since(**at) < window);
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    }
}

/// The largest number of `times` that any window of this length holds.
pub(crate) fn most_in_any(times: &[Instant], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while at.duration_since(times[first]) >= window && first < last {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut count = SlidingCount::default();
        for n in 0..10 {
            count.record(start + n * second, 5 * second);
        }
        assert_eq!(count.within(5 * second, start + 9 * second), 5);
        assert_eq!(count.within(2 * second, start + 9 * second), 2);
        assert_eq!(count.within(5 * second, start + 60 * second), 0);
    }

    #[test]
    fn the_fullest_window_is_found_wherever_it_lies() {
        let start = Instant::now();
        let at: Vec<_> = [0, 10, 11, 12, 30]
            .map(|n| start + Duration::from_secs(n))
            .to_vec();
        assert_eq!(most_in_any(&at, Duration::from_secs(3)), 3);
        assert_eq!(most_in_any(&at, Duration::from_secs(2)), 2);
        assert_eq!(most_in_any(&at, Duration::from_secs(100)), 5);
        assert_eq!(most_in_any(&[], Duration::from_secs(1)), 0);
    }
}
