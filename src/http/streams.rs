//! The streams that are open: how many each caller has, and how all are told that this replica stops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::domain::caller::CallerId;
use crate::metrics::HttpMetrics;

/// Whoever comes back at a shutdown comes back within this, each at another moment.
const RETURN: std::ops::Range<u64> = 500..4_500;

/// A step through that range that visits all of it before it repeats.
const STRIDE: u64 = 1_637;

/// All open streams. Its lock is taken when one opens or ends, and held across nothing.
pub(super) struct Streams {
    most: usize,
    pub(super) keep_alive: Duration,
    /// Cancelled when all have to end.
    pub(super) closing: CancellationToken,
    /// Callers without a stream are not in it.
    open: Mutex<HashMap<Option<CallerId>, usize>>,
    opened: AtomicU64,
    metrics: Arc<HttpMetrics>,
}

/// The right to one stream, given back when it is dropped.
pub(super) struct Seat {
    pub(super) streams: Arc<Streams>,
    caller: Option<CallerId>,
    number: u64,
}

impl Streams {
    pub(super) fn new(
        most: usize,
        keep_alive: Duration,
        closing: CancellationToken,
        metrics: Arc<HttpMetrics>,
    ) -> Self {
        Self {
            most,
            keep_alive,
            closing,
            open: Mutex::default(),
            opened: AtomicU64::new(0),
            metrics,
        }
    }

    /// Takes a seat for this caller, unless it has as many as it may have or this replica stops.
    pub(super) fn seat(self: &Arc<Self>, caller: Option<&CallerId>) -> Result<Seat, Problem> {
        if self.closing.is_cancelled() {
            return Err(Problem::stopping());
        }
        let caller = caller.cloned();
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let seats = open.entry(caller.clone()).or_default();
            if *seats >= self.most {
                return Err(Problem::too_many_streams(self.most));
            }
            *seats += 1;
        }
        self.metrics.stream_opened();
        Ok(Seat {
            streams: Arc::clone(self),
            caller,
            number: self.opened.fetch_add(1, Ordering::Relaxed),
        })
    }
}

impl Seat {
    /// After how many milliseconds this one may come back at a shutdown: not all at once.
    pub(super) const fn return_after(&self) -> u64 {
        let span = RETURN.end - RETURN.start;
        RETURN.start + self.number.wrapping_mul(STRIDE) % span
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let open = &self.streams.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seats) = open.get_mut(&self.caller) {
            *seats -= 1;
            if *seats == 0 {
                open.remove(&self.caller);
            }
        }
        drop(open);
        self.streams.metrics.stream_closed();
    }
}
