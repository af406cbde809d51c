//! Whether this replica may be sent requests. Once it may, it may until it stops: an app that breaks, or
//! a store that goes away, is no reason to take every replica out of service at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::broker::Refusal;
use crate::domain::replica::{StoreTrouble, View, WhyNot};
use crate::ports::Clock;
use crate::snapshot::{Reader, SlotId};

/// Judges it.
#[derive(Clone)]
pub struct Readiness {
    reader: Reader,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
    was_ready: Arc<AtomicBool>,
    store: Complaint,
    upstream: Complaint,
}

/// What is wrong with the way to the store, or to WeChat, and which key of the configuration to look at.
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
        /// An app for all, and why it has none.
        why: String,
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
            Self::NoneServable { unusable, why } => {
                f.write_str("no app has a token yet; ")?;
                if *unusable > 0 {
                    write!(
                        f,
                        "the store's records of {unusable} app(s) cannot be used, and the log says why; "
                    )?;
                }
                f.write_str(why)
            }
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
            store: Arc::new(|| None),
            upstream: Arc::new(|| None),
        }
    }

    /// Explains what is missing by what is wrong with the store and with the way to WeChat.
    #[must_use]
    pub fn explained_by(self, store: Complaint, upstream: Complaint) -> Self {
        Self {
            store,
            upstream,
            ..self
        }
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
        let mut example = None;
        for id in self.reader.access_tokens() {
            let view = self.reader.view(id);
            missing += usize::from(!was_looked_up(&view));
            unusable += usize::from(is_unusable(&view));
            servable |= view.servable(now).is_some();
            none = false;
            // One that has just begun says less than any other.
            let telling = view.why_not != WhyNot::Starting;
            if example.is_none() || telling && matches!(example, Some((_, WhyNot::Starting))) {
                example = Some((id, view.why_not));
            }
        }
        match (missing, servable || none) {
            (0, true) => Ok(()),
            (0, false) => Err(NotReady::NoneServable {
                unusable,
                why: example.map_or_else(String::new, |(id, why)| self.explain(id, why)),
            }),
            (apps, _) => Err(NotReady::NotLookedUp {
                apps,
                complaint: (self.store)(),
            }),
        }
    }

    /// Why an app has no token, in the words that its callers are told, or better ones.
    fn explain(&self, id: SlotId, why: WhyNot) -> String {
        let app = &self.reader.credential(id).app;
        let complaint = match why {
            WhyNot::StoreAway => (self.store)(),
            WhyNot::UpstreamAway => (self.upstream)(),
            WhyNot::Starting
            | WhyNot::Paused
            | WhyNot::UpstreamRefuses(_)
            | WhyNot::BudgetSpent
            | WhyNot::StoreUnusable => None,
        };
        let told = || {
            let retry_after = Duration::ZERO;
            let problem = Problem::no_token(Refusal::Nothing { why, retry_after }, app);
            problem.detail().to_owned()
        };
        format!("{app}: {}", complaint.unwrap_or_else(told))
    }
}

/// A record that the store has and this broker cannot use was looked up too: it is that app's trouble.
fn was_looked_up(view: &View) -> bool {
    view.reading.is_some() || is_unusable(view)
}

const fn is_unusable(view: &View) -> bool {
    matches!(
        view.trouble,
        Some(StoreTrouble::Foreign | StoreTrouble::Unreadable)
    )
}
