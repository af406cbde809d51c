//! The way from a socket to the platform and back: `listener` takes connections in and cuts them off,
//! `connection` speaks HTTP on one, `exchange` leads one call through its fault.

mod connection;
mod exchange;
mod listener;
mod request;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::platform::Platform;

pub(crate) use listener::Listener;
pub(crate) use request::Request;

/// What all the connections and the test's own hands share.
#[derive(Debug)]
pub(crate) struct Shared {
    platform: Mutex<Platform>,
    /// Told after every change, so that waiting needs no polling.
    pub(crate) changed: Notify,
    pub(crate) started_at: Instant,
}

impl Shared {
    pub(crate) fn new(platform: Platform) -> Self {
        Self {
            platform: Mutex::new(platform),
            changed: Notify::new(),
            started_at: Instant::now(),
        }
    }

    /// The platform, to look at. A test that panicked with the lock in hand must not take the others with it.
    pub(crate) fn look(&self) -> MutexGuard<'_, Platform> {
        self.platform.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the platform, and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Platform) -> T) -> T {
        let result = change(&mut self.look());
        self.changed.notify_waiters();
        result
    }
}
