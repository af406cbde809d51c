//! The budget: how many fetches an app may spend, so that *any* 24 hours stay under WeChat's limit.
//!
//! A GCRA (generic cell rate algorithm): a rate and a burst in one number of state, the theoretical
//! arrival time (TAT). WeChat does not document where its day begins, so no counter that is reset at a
//! day's boundary would be safe; this bound holds over every window.

use std::fmt::Write as _;
use std::time::Duration;

use super::time::{Timestamp, micros};

/// A rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// One fetch is regained in this time.
    pub interval: Duration,
    /// How many fetches may be spent at once after a long rest; at least 1.
    pub burst: u32,
    /// How many of the burst reports and forced refreshes leave for scheduled refreshes and repairs.
    pub reserve: u32,
    /// The window over which the limit counts, for `used`.
    pub window: Duration,
}

/// Whether a fetch may use the last part of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Scheduled refreshes and repairs.
    Whole,
    /// Reports and forced refreshes: they stop earlier.
    ExceptReserve,
}

/// The smallest daily limit for which a budget with a rate and a burst exists.
pub const MIN_DAILY_LIMIT: u32 = 4;

impl Budget {
    /// A budget under which any `window` sees less than 0.9 of `limit` (at least [`MIN_DAILY_LIMIT`]).
    ///
    /// In any window at most `burst + window / interval + 1` fetches pass; a third of what may be used
    /// goes to the burst, the rest to the rate.
    #[must_use]
    pub fn for_limit(limit: u32, window: Duration) -> Self {
        let usable = u32::try_from(u64::from(limit) * 9 / 10)
            .unwrap_or(u32::MAX)
            .max(3);
        let burst = (usable / 3).max(1);
        let steady = usable.saturating_sub(burst + 1).max(1);
        Self {
            interval: window / steady,
            burst,
            reserve: (burst / 10).max(1).min(burst - 1),
            window,
        }
    }

    /// How far the state may lie ahead of now for a fetch of this `share` to fit.
    #[must_use]
    pub fn ahead(&self, share: Share) -> Duration {
        let kept = match share {
            Share::Whole => 0,
            Share::ExceptReserve => self.reserve,
        };
        self.interval * (self.burst - 1 - kept)
    }

    /// From when on a fetch of this `share` fits, given the state `tat`.
    #[must_use]
    pub fn fits_from(&self, tat: Timestamp, share: Share) -> Timestamp {
        tat - self.ahead(share)
    }

    /// The state after one fetch at `now`.
    #[must_use]
    pub fn charge(&self, tat: Timestamp, now: Timestamp) -> Timestamp {
        tat.max(now) + self.interval
    }

    /// The state after a fetch that was charged turned out never to have been sent.
    #[must_use]
    pub fn refund(&self, tat: Timestamp) -> Timestamp {
        tat - self.interval
    }

    /// How many fetches would pass right now, one after the other.
    #[must_use]
    pub fn left(&self, tat: Timestamp, now: Timestamp) -> u32 {
        let interval = micros(self.interval).max(1);
        let owed = micros(tat.since(now)).div_ceil(interval);
        self.burst
            .saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }

    /// The furthest a state can lie in the future: with the whole burst just spent.
    #[must_use]
    pub fn cut_to(&self, tat: Timestamp, now: Timestamp) -> Timestamp {
        tat.min(now + self.whole_burst())
    }

    /// How far ahead of now the state lies with the whole burst just spent.
    #[must_use]
    pub fn whole_burst(&self) -> Duration {
        self.interval * self.burst
    }

    /// How long one of the parts is by which [`Used`] counts.
    #[must_use]
    pub fn part(&self) -> Duration {
        Duration::from_micros(part_of(self.window))
    }
}

/// What was used in the last window, in 24 parts of it: for people, the GCRA does not need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Used(Vec<(u64, u32)>);

/// Into how many parts a window is divided.
const PARTS: u64 = 24;

/// The length of such a part in microseconds.
fn part_of(window: Duration) -> u64 {
    (micros(window) / PARTS).max(1)
}

impl Used {
    fn part(now: Timestamp, window: Duration) -> u64 {
        now.as_micros() / part_of(window)
    }

    /// Counts one fetch at `now` and forgets what is older than `window`.
    pub fn add(&mut self, now: Timestamp, window: Duration) {
        let part = Self::part(now, window);
        self.0
            .retain(|(at, _)| at.saturating_add(PARTS) > part && *at <= part);
        match self.0.iter_mut().find(|(at, _)| *at == part) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.0.push((part, 1)),
        }
    }

    /// Takes one fetch back that was never sent.
    pub fn take_back(&mut self) {
        if let Some((_, count)) = self.0.last_mut() {
            *count -= 1;
            if *count == 0 {
                self.0.pop();
            }
        }
    }

    /// How many fetches the last `window` saw.
    #[must_use]
    pub fn total(&self, now: Timestamp, window: Duration) -> u32 {
        let part = Self::part(now, window);
        self.0
            .iter()
            .filter(|(at, _)| at.saturating_add(PARTS) > part)
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The stored form: `part:count` separated by commas, oldest first.
    #[must_use]
    pub fn to_record(&self) -> String {
        let mut text = String::new();
        for (part, count) in &self.0 {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{part}:{count}");
        }
        text
    }

    /// Reads the stored form.
    #[must_use]
    pub fn from_record(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let pair = |item: &str| {
            let (part, count) = item.split_once(':')?;
            let count = count.parse().ok().filter(|count| *count > 0)?;
            Some((part.parse().ok()?, count))
        };
        text.split(',')
            .map(pair)
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Spends greedily for three windows and returns the largest count in any one window.
    fn greediest(budget: &Budget, share: Share) -> usize {
        let start = Timestamp::from_micros(1_000_000_000_000);
        let (mut now, mut tat, mut spent) = (start, Timestamp::NEVER, Vec::new());
        while now.since(start) < budget.window * 3 {
            now = now.max(budget.fits_from(tat, share));
            tat = budget.charge(tat, now);
            spent.push(now);
            assert!(spent.len() < 6000, "spends without end");
        }
        let within = |first: usize| {
            let from = spent[first];
            spent.partition_point(|at| at.since(from) <= budget.window) - first
        };
        (0..spent.len()).map(within).max().unwrap_or(0)
    }

    #[test]
    fn no_window_ever_sees_more_than_nine_tenths_of_the_limit() {
        for limit in [4, 5, 10, 12, 50, 200, 2000] {
            let budget = Budget::for_limit(limit, DAY);
            let most = greediest(&budget, Share::Whole);
            assert!(
                most * 10 <= usize::try_from(limit).unwrap_or(0) * 9,
                "{limit}: {most}"
            );
            assert!(
                most * 2 >= usize::try_from(limit).unwrap_or(0),
                "{limit}: only {most}"
            );
        }
    }

    #[test]
    fn a_third_of_what_may_be_used_is_the_burst_and_a_tenth_of_that_the_reserve() {
        for (limit, a_day, burst, reserve) in [
            (4, 1, 1, 0),
            (12, 6, 3, 1),
            (200, 119, 60, 6),
            (2000, 1199, 600, 60),
        ] {
            let budget = Budget {
                interval: DAY / a_day,
                burst,
                reserve,
                window: DAY,
            };
            assert_eq!(Budget::for_limit(limit, DAY), budget, "{limit}");
        }
    }

    #[test]
    fn what_is_left_counts_down_and_comes_back() {
        let budget = Budget::for_limit(2000, DAY);
        let now = Timestamp::from_micros(1_000_000_000_000);
        assert_eq!(budget.left(Timestamp::NEVER, now), budget.burst);
        let tat = budget.charge(Timestamp::NEVER, now);
        assert_eq!(budget.left(tat, now), budget.burst - 1);
        assert_eq!(budget.left(budget.refund(tat), now), budget.burst);
        assert_eq!(budget.left(tat, now + budget.interval), budget.burst);
    }

    #[test]
    fn forced_refreshes_stop_while_scheduled_ones_still_pass() {
        let budget = Budget::for_limit(200, DAY);
        let now = Timestamp::from_micros(1_000_000_000_000);
        let mut tat = Timestamp::NEVER;
        for _ in 0..budget.burst {
            if budget.fits_from(tat, Share::ExceptReserve) <= now {
                tat = budget.charge(tat, now);
            }
        }
        assert_eq!(budget.left(tat, now), budget.reserve);
        assert!(budget.fits_from(tat, Share::Whole) <= now);
    }

    #[test]
    fn the_count_of_the_last_day_forgets_by_the_hour() {
        let mut used = Used::default();
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        for hour in 0..30_u32 {
            used.add(start + Duration::from_secs(3600) * hour, DAY);
        }
        let now = start + Duration::from_secs(3600) * 29;
        assert_eq!(used.total(now, DAY), 24);
        assert_eq!(used.to_record().split(',').count(), 24);
        let hour = Budget::for_limit(2000, DAY).part();
        assert_eq!(hour, Duration::from_secs(3600));
        assert_eq!(used.total(now + DAY, DAY), 0);
        used.take_back();
        assert_eq!(used.total(now, DAY), 23);
        assert_eq!(Used::from_record(&used.to_record()), Some(used));
        assert_eq!(Used::from_record(""), Some(Used::default()));
        for damaged in ["1:x", "x:1", "1:0", "1", "1:1,"] {
            assert_eq!(Used::from_record(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_count_that_was_damaged_stays_at_its_end() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let part = Used::part(now, DAY);
        let text = format!("{}:1,{part}:{}", u64::MAX, u32::MAX);
        let mut used = Used::from_record(&text).unwrap_or_default();
        assert_eq!(used.total(now, DAY), u32::MAX);
        used.add(now, DAY);
        assert_eq!(used.to_record(), format!("{part}:{}", u32::MAX));
    }
}
