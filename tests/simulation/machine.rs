//! What a replica's process has of its machine: clocks, chance, and that it may be stopped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use token_broker::domain::epoch::Nonce;
use token_broker::domain::time::Moment;
use token_broker::ports::{Chance, Clock};

use super::world::{World, lock};

/// The wall time at which every history begins, and the store's: since 1970 UTC.
pub(crate) const BEGINNING: Duration = Duration::from_secs(1_700_000_000);

/// A machine's clocks: the true time with a shift each, in seconds.
#[derive(Debug)]
pub(crate) struct MachineClock {
    world: Arc<World>,
    /// How far boot time and wall clock are from the truth, in milliseconds.
    boot: AtomicI64,
    wall: AtomicI64,
}

impl MachineClock {
    pub(crate) fn new(world: Arc<World>, boot: i64, wall: i64) -> Self {
        Self {
            world,
            boot: AtomicI64::new(boot),
            wall: AtomicI64::new(wall),
        }
    }

    /// Steps the wall clock.
    pub(crate) fn step_wall(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }

    /// A hypervisor stopped the machine for this long: boot time stood still.
    pub(crate) fn stopped_for(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(0);
        self.boot.fetch_sub(millis, Ordering::Relaxed);
    }
}

/// `time` moved by so many milliseconds.
pub(crate) fn shifted(time: Duration, millis: i64) -> Duration {
    let by = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        time.saturating_sub(by)
    } else {
        time + by
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Moment {
        let now = self.world.now();
        let shift = |clock: &AtomicI64| clock.load(Ordering::Relaxed);
        Moment {
            boot: shifted(now + Duration::from_secs(100_000), shift(&self.boot)),
            wall: shifted(now + BEGINNING, shift(&self.wall)),
        }
    }
}

/// The world's dice.
#[derive(Debug)]
pub(crate) struct WorldChance(pub(crate) Arc<World>);

impl Chance for WorldChance {
    fn unit(&self) -> f64 {
        self.0.dice(super::world::Dice::unit)
    }

    fn nonce(&self) -> Nonce {
        let (high, low) = self.0.dice(|dice| (dice.roll(), dice.roll()));
        Nonce(u128::from(high) << 64 | u128::from(low))
    }
}

/// Whether a process runs. While it is stopped, none of its futures is polled; time goes on.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    stopped: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn go_on(&self) {
        self.stopped.store(false, Ordering::Relaxed);
        for waker in lock(&self.waiting).drain(..) {
            waker.wake();
        }
    }

    /// Polls the future only while the process runs.
    pub(crate) async fn guard<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.is_stopped() {
                lock(&self.waiting).push(context.waker().clone());
                return Poll::Pending;
            }
            future.as_mut().poll(context)
        })
        .await
    }

    /// Waits until the process runs.
    pub(crate) async fn passed(&self) {
        self.guard(std::future::ready(())).await;
    }
}
