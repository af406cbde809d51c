//! `[refresh]`: when tokens are fetched, and how long things may last. What these must satisfy together
//! is checked in [`super::inequalities`].

use std::time::Duration;

use super::section::Section;

/// The window WeChat's daily limit counts over.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// `[refresh]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshConfig {
    /// `at`, part of the life, 0.1 to 0.9: when a grant is due in `token` mode. Default 0.5.
    pub at: f64,
    /// `jitter`, 0 to 0.5: replicas add 0 to this part of the due age. Default 0.1.
    pub jitter: f64,
    /// `min_spacing`, duration: the least time between two fetches. Default `360s`.
    pub min_spacing: Duration,
    /// `lease`, duration: how long the right to fetch is held. Default `20s`.
    pub lease: Duration,
    /// `reconcile`, duration: how often a replica reads the store. Default `30s`.
    pub reconcile: Duration,
    /// `watch`, duration: how often a live grant is checked upstream; `0s` = never. Default `60s`.
    pub watch: Duration,
    /// `close_watch`, duration: how often after anything unclear. Default `15s`.
    pub close_watch: Duration,
    /// `overlap`, duration: how long upstream accepts the grant before. Default `300s`.
    pub overlap: Duration,
    /// `caller_cache`, duration: how long callers may keep a token. Default `60s`.
    pub caller_cache: Duration,
    /// `backoff_min`, duration: the shortest wait after an attempt that failed. Default `1s`.
    pub backoff_min: Duration,
    /// `backoff_max`, duration: the longest. Default `60s`.
    pub backoff_max: Duration,
    /// `budget_window`, duration: what an app's `daily_limit` counts over. Default `24h`; shorter only
    /// against a simulator on a loopback address.
    pub budget_window: Duration,
}

impl RefreshConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let seconds = Duration::from_secs;
        let never = Duration::ZERO..=DAY;
        let some = Duration::from_millis(1)..=DAY;
        Self {
            at: section.within("at", 0.5, 0.1..=0.9),
            jitter: section.within("jitter", 0.1, 0.0..=0.5),
            min_spacing: section.within("min_spacing", seconds(360), some.clone()),
            lease: section.within("lease", seconds(20), some.clone()),
            reconcile: section.within("reconcile", seconds(30), some.clone()),
            watch: section.within("watch", seconds(60), never.clone()),
            close_watch: section.within("close_watch", seconds(15), some.clone()),
            overlap: section.within("overlap", seconds(300), some.clone()),
            caller_cache: section.within("caller_cache", seconds(60), never),
            backoff_min: section.within("backoff_min", seconds(1), some.clone()),
            backoff_max: section.within("backoff_max", seconds(60), some),
            budget_window: section.within("budget_window", DAY, seconds(1)..=DAY),
        }
    }
}
