//! Log lines within bounds: a flood of bad requests must not become a flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::problem::Code;

/// Lines a second for one code.
const MOST: u64 = 10;

/// How many lines were written this second, for each code.
#[derive(Debug)]
pub(super) struct Throttle {
    /// In the order of [`Code::ALL`].
    codes: Vec<Window>,
}

#[derive(Debug, Default)]
struct Window {
    second: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            codes: Code::ALL.iter().map(|_| Window::default()).collect(),
        }
    }

    /// Whether a line may be written at `now`, and then, how many were not since the one before. Two
    /// threads at the turn of a second may write a line more: that is not worth a lock.
    pub(super) fn admit(&self, code: Code, now: Duration) -> Option<u64> {
        let window = &self.codes[code as usize];
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
        let throttle = Throttle::new();
        let at = |seconds| throttle.admit(Code::KeyWrong, Duration::from_secs(seconds));
        let written = (0..1000).filter(|_| at(5).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(at(6), Some(990));
        assert_eq!(at(6), Some(0));
    }

    #[test]
    fn one_code_does_not_silence_another() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(5);
        while throttle.admit(Code::KeyWrong, now).is_some() {}
        assert_eq!(throttle.admit(Code::UnknownApp, now), Some(0));
    }
}
