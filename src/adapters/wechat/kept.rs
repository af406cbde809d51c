//! A client whose connections are kept, but not for ever: a name's new address is followed within minutes, however
//! busy a connection to the old one is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use reqwest::Client;

use super::setup::{SetupError, UpstreamSettings};

/// How old a connection may grow, unless a test says otherwise.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);

/// Makes the client.
type Make = fn(&UpstreamSettings) -> Result<Client, SetupError>;

/// A client that is made anew now and then; calls under way end on the connections that they have.
pub(super) struct Kept(Arc<Inner>);

struct Inner {
    current: ArcSwap<(Client, Instant)>,
    settings: UpstreamSettings,
    make: Make,
    renewing: AtomicBool,
}

impl Kept {
    pub(super) fn new(settings: &UpstreamSettings, make: Make) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Inner {
            current: ArcSwap::from_pointee((make(settings)?, Instant::now())),
            settings: settings.clone(),
            make,
            renewing: AtomicBool::new(false),
        })))
    }

    /// The client of this moment.
    pub(super) fn client(&self) -> Client {
        let current = self.0.current.load();
        if current.1.elapsed() >= self.0.settings.connection_age {
            self.renew();
        }
        current.0.clone()
    }

    /// Has another one made, apart from the calls: reading the authorities takes its time.
    fn renew(&self) {
        if self.0.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            // What was there works still: a file that was changed for a worse one is no reason to stop.
            let made = (inner.make)(&inner.settings);
            let client = made.unwrap_or_else(|_| inner.current.load().0.clone());
            inner.current.store(Arc::new((client, Instant::now())));
            inner.renewing.store(false, Ordering::Release);
        });
    }
}
