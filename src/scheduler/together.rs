//! When what is due is begun: checks a few at a time.

use std::time::Duration;

use crate::domain::replica::{Plan, Step};

/// Checks that are due within this part of the time between two of a token's are begun together: of ten thousand apps
/// some hundred and seventy each second. Each by itself would wake the whole process, and several times.
const PART: u32 = 60;

/// When a step is begun, by the boot clock, where checks of its token are `every` apart.
pub(super) fn begins_at(plan: Plan, every: Duration) -> Duration {
    match plan.step {
        Step::Watch => next_multiple(plan.at, every / PART),
        _ => plan.at,
    }
}

/// The first multiple of `part` that is not before `at`.
fn next_multiple(at: Duration, part: Duration) -> Duration {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).ok();
    nanos(at)
        .zip(nanos(part))
        .and_then(|(at, part)| at.checked_next_multiple_of(part))
        .map_or(at, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_wait_for_each_other_and_nothing_else_does() {
        let at = Duration::from_millis(60_010);
        let begun = |step| begins_at(Plan { at, step }, Duration::from_secs(60));
        assert_eq!(begun(Step::Watch), Duration::from_secs(61));
        assert_eq!(begun(Step::CheckCutOff), at);
        assert_eq!(begun(Step::RefreshAlone), at);
    }

    #[test]
    fn what_is_due_within_a_part_is_begun_at_its_end() {
        let millis = Duration::from_millis;
        for (at, begun) in [(1, 100), (99, 100), (100, 100), (101, 200), (0, 0)] {
            assert_eq!(next_multiple(millis(at), millis(100)), millis(begun));
        }
        assert_eq!(next_multiple(millis(7), Duration::ZERO), millis(7));
        assert_eq!(next_multiple(Duration::MAX, millis(100)), Duration::MAX);
    }
}
