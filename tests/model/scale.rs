//! Time in the model: whole ticks, and the rules scaled down to a few of them.
//!
//! Every inequality between the durations of a real configuration holds here too:
//! timeout < close watch < lease < reconcile < a caller's cache < watch < overlap; twice the lease, a
//! reconcile, a timeout and a caller's cache are shorter than the overlap; spacing is at least overlap
//! and cache; and a grant is due later than one spacing after its issue.

use std::time::Duration;

use token_broker::domain::budget::Budget;
use token_broker::domain::credential::Mode;
use token_broker::domain::rules::Rules;
use token_broker::domain::time::{Moment, Timestamp};

/// A point in time, in ticks.
pub(crate) type Tick = u16;

/// How long one tick is: longer than every wait that the code takes as given (a second, half a second).
pub(crate) const TICK: Duration = Duration::from_secs(10);

/// Ticks of the scaled configuration.
pub(crate) const LEASE: Tick = 2;
pub(crate) const RECONCILE: Tick = 3;
pub(crate) const WATCH: Tick = 6;
pub(crate) const OVERLAP: Tick = 13;
pub(crate) const SPACING: Tick = 18;
pub(crate) const LIFE: Tick = 40;
/// For so long callers keep a token.
pub(crate) const CACHE: Tick = 5;

/// A fetch that was given up reaches upstream within so many ticks or never: the close watch lasts for
/// the overlap and a little longer than this.
pub(crate) const LATEST_FETCH: Tick = LEASE + 3;

/// The first tick's distance from the beginning of all clocks.
const START: Duration = Duration::from_secs(100_000);

/// The scaled configuration.
pub(crate) fn rules() -> Rules {
    let ticks = |count: Tick| TICK * u32::from(count);
    Rules {
        mode: Mode::Token,
        checkable: true,
        at: 0.5,
        jitter: 0.0,
        min_spacing: ticks(SPACING),
        lease: ticks(LEASE),
        reconcile: ticks(RECONCILE),
        watch: ticks(WATCH),
        close_watch: TICK,
        overlap: ticks(OVERLAP),
        timeout: TICK / 2,
        backoff: (TICK, TICK * 2),
        budget: Budget {
            interval: TICK / 10,
            burst: 100,
            reserve: 1,
            window: Duration::from_secs(24 * 3600),
        },
        forced_budget: Budget::for_limit(20, Duration::from_secs(24 * 3600)),
    }
}

/// A replica's clocks at a tick.
pub(crate) fn moment(tick: Tick) -> Moment {
    Moment::default().after(START + TICK * u32::from(tick))
}

/// The tick at which a replica's clocks stood there.
pub(crate) fn tick_of(moment: Moment) -> Tick {
    let ticks = (moment.boot.saturating_sub(START)).as_secs() / TICK.as_secs();
    Tick::try_from(ticks).unwrap_or(Tick::MAX)
}

/// The store's clock at a tick. `ahead` is how far a failover set it forward, or back; each failover also
/// takes a moment, so that a clock that is not behind never stands still.
pub(crate) fn store_time(tick: Tick, ahead: i16, failovers: u8) -> Timestamp {
    let moments = Duration::from_millis(if ahead < 0 { 0 } else { u64::from(failovers) });
    let ticks = i64::from(tick) + i64::from(ahead);
    Timestamp::NEVER + START + TICK * u32::try_from(ticks).unwrap_or(0) + moments
}

#[test]
fn the_scaled_durations_keep_the_order_of_the_real_ones() {
    let rules = rules();
    let cache = TICK * u32::from(CACHE);
    assert!(rules.timeout < rules.close_watch && rules.close_watch < rules.lease);
    assert!(rules.lease < rules.reconcile && rules.reconcile < rules.watch);
    assert!(rules.lease * 2 + rules.reconcile + rules.timeout + cache < rules.overlap);
    assert!(rules.min_spacing >= rules.overlap + cache);
    assert!((TICK * u32::from(LIFE)).mul_f64(rules.at) > rules.min_spacing);
}
