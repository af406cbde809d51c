//! Log lines within bounds: a flood of bad requests must not become a flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lines a second of one kind.
const MOST: u64 = 10;

/// How many lines were written this second, of each kind: kinds are counted from 0.
#[derive(Debug)]
pub(super) struct Throttle {
    kinds: Vec<Window>,
}

#[derive(Debug, Default)]
struct Window {
    second: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
}

impl Throttle {
    /// For lines of so many kinds.
    pub(super) fn over(kinds: usize) -> Self {
        Self {
            kinds: (0..kinds).map(|_| Window::default()).collect(),
        }
    }

    /// Whether a line may be written at `now`, and then, how many were not since the one before. Two
    /// threads at the turn of a second may write a line more: that is not worth a lock.
    pub(super) fn admit(&self, kind: usize, now: Duration) -> Option<u64> {
        let window = &self.kinds[kind];
        let second = now.as_secs();
        if window.second.swap(second, Ordering::Relaxed) != second {
            window.lines.store(0, Ordering::Relaxed);
        }
        if window.lines.fetch_add(1, Ordering::Relaxed) < MOST {
            Some(window.suppressed.swap(0, Ordering::Relaxed))
        } else {
            window.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_ten_lines_a_second_and_a_count_of_the_rest() {
        let throttle = Throttle::over(1);
        let at = |seconds| throttle.admit(0, Duration::from_secs(seconds));
        let written = (0..1000).filter(|_| at(5).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(at(6), Some(990));
        assert_eq!(at(6), Some(0));
    }

    #[test]
    fn one_kind_does_not_silence_another() {
        let throttle = Throttle::over(2);
        let now = Duration::from_secs(5);
        while throttle.admit(0, now).is_some() {}
        assert_eq!(throttle.admit(1, now), Some(0));
    }
}
