//! Tokio's paused clock. It moves only where nobody on its thread has anything to do, so that one look at it does for
//! all who ask until it moves again.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

thread_local! {
    /// The time since its runtime was made, when it was last looked at.
    static SHOWN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// One thread, and a clock that goes on by itself where nobody has anything to do.
pub(crate) fn paused_runtime() -> std::io::Result<Runtime> {
    SHOWN.set(Duration::ZERO);
    let made: Arc<OnceLock<Instant>> = Arc::default();
    let since = Arc::clone(&made);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_unpark(move || SHOWN.set(since.get().map_or(Duration::ZERO, Instant::elapsed)))
        .build()?;
    let inside = runtime.enter();
    made.get_or_init(Instant::now);
    drop(inside);
    Ok(runtime)
}

/// The time since the runtime of this thread was made.
pub(crate) fn now() -> Duration {
    SHOWN.get()
}

/// Tokio keeps its timers by milliseconds in wheels of 64 places, and wakes up wherever one has to be moved to a
/// finer wheel. Whoever wants to be woken at about some time chooses a time at which these wake anyway.
const WHEEL: u128 = 64;

/// A wait that ends where a wheel wakes up, and is not longer than `most`: between the first two wheels, or, where
/// it need not be so `fine`, between the next two.
pub(crate) fn to_an_edge(since_start: Duration, most: Duration, fine: bool) -> Duration {
    let edge = if fine { WHEEL } else { WHEEL * WHEEL };
    let until = since_start + most;
    let over = u64::try_from(until.as_millis() % edge).unwrap_or(0);
    let shorter = most.saturating_sub(Duration::from_millis(over));
    if shorter.is_zero() { most } else { shorter }
}
