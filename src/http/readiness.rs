//! Whether this replica may be sent requests. Once it may, it may until it stops: an app that breaks, or
//! a store that goes away, is no reason to take every replica out of service at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::domain::replica::{StoreTrouble, View};
use crate::ports::Clock;
use crate::snapshot::Reader;

/// Judges it.
#[derive(Clone)]
pub struct Readiness {
    reader: Reader,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
    was_ready: Arc<AtomicBool>,
    complaint: Complaint,
}

/// What is wrong with the way to the store, and which key of the configuration to look at.
pub type Complaint = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotReady {
    /// The broker is stopping.
    Stopping,
    /// Some apps were not looked up in the store yet.
    NotLookedUp {
        /// So many.
        apps: usize,
        /// What is wrong with the way to it.
        complaint: Option<String>,
    },
    /// No app has a token yet.
    NoneServable {
        /// So many have a record in the store that this broker cannot use.
        unusable: usize,
    },
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("stopping"),
            Self::NotLookedUp { apps, complaint } => {
                write!(f, "{apps} app(s) were not looked up in the store yet")?;
                complaint.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            Self::NoneServable { unusable: 0 } => f.write_str("no app has a token yet"),
            Self::NoneServable { unusable } => write!(
                f,
                "no app has a token yet; the store's records of {unusable} app(s) cannot be used, and the log says why"
            ),
        }
    }
}

impl Readiness {
    /// `stopping` is cancelled when the shutdown begins.
    #[must_use]
    pub fn new(reader: Reader, clock: Arc<dyn Clock>, stopping: CancellationToken) -> Self {
        Self {
            reader,
            clock,
            stopping,
            was_ready: Arc::default(),
            complaint: Arc::new(|| None),
        }
    }

    /// Explains an app that was not looked up by what is wrong with the store.
    #[must_use]
    pub fn explained_by(self, complaint: Complaint) -> Self {
        Self { complaint, ..self }
    }

    /// What is missing, if anything is.
    pub(super) fn judge(&self) -> Result<(), NotReady> {
        if self.stopping.is_cancelled() {
            return Err(NotReady::Stopping);
        }
        if !self.was_ready.load(Ordering::Relaxed) {
            self.judge_apps()?;
            self.was_ready.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn judge_apps(&self) -> Result<(), NotReady> {
        let now = self.clock.now();
        let (mut missing, mut unusable, mut servable, mut none) = (0, 0, false, true);
        for id in self.reader.access_tokens() {
            let view = self.reader.view(id);
            missing += usize::from(!was_looked_up(&view));
            unusable += usize::from(is_unusable(&view));
            servable |= view.servable(now).is_some();
            none = false;
        }
        match (missing, servable || none) {
            (0, true) => Ok(()),
            (0, false) => Err(NotReady::NoneServable { unusable }),
            (apps, _) => Err(NotReady::NotLookedUp {
                apps,
                complaint: (self.complaint)(),
            }),
        }
    }
}

/// A record that the store has and this broker cannot use was looked up too: it is that app's trouble.
fn was_looked_up(view: &View) -> bool {
    view.record.is_some() || is_unusable(view)
}

const fn is_unusable(view: &View) -> bool {
    matches!(
        view.trouble,
        Some(StoreTrouble::Foreign | StoreTrouble::Unreadable)
    )
}
