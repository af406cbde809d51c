//! Loops that cannot die: each runs in a task of its own, and one that panics is started again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::follower::Follower;
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;

/// How long a loop that panicked waits before it is started again.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// A loop that runs until told to stop.
pub trait Loop: Send + 'static {
    /// Goes round until then.
    fn run(&mut self, stop: &CancellationToken) -> impl Future<Output = ()> + Send;
}

impl Loop for Follower {
    fn run(&mut self, stop: &CancellationToken) -> impl Future<Output = ()> + Send {
        Self::run(self, stop)
    }
}

impl Loop for Scheduler {
    fn run(&mut self, stop: &CancellationToken) -> impl Future<Output = ()> + Send {
        Self::run(self, stop)
    }
}

/// Runs it until told to stop. Where it panics, that is said loudly, and it is started again.
pub fn supervise<L: Loop>(
    name: &'static str,
    mut task: L,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let run = AssertUnwindSafe(task.run(&stop)).catch_unwind().await;
            if run.is_ok() || stop.is_cancelled() {
                return;
            }
            metrics.panicked(name);
            error!(
                task = name,
                "a loop panicked and is started again; this is a bug of the broker, please report it"
            );
            tokio::time::sleep(AFTER_PANIC).await;
        }
    })
}
