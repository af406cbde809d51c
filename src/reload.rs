//! Taking over a changed configuration while requests go on: apps with their AppSecrets and limits, callers,
//! refresh times, the log level. A file with anything wrong in it is refused whole. What needs a restart is
//! said, each time, until the restart has happened.

mod restart;
mod source;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::restart::without_restart;
use crate::config::{Config, Files};
use crate::http::{Callers, Pages};
use crate::metrics::ReloadMetrics;
use crate::ports::Clock;
use crate::refresher::Refresher;
use crate::roster::Roster;
use crate::service_manager::ServiceManager;
use crate::telemetry;

pub use self::source::Source;
pub use self::standing::{Refused, Standing};

/// How long until the files are looked at again. A change is taken over once two looks have found the same: a
/// file that is being written is not read half.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How much later for each file: ten thousand files with secrets are not read every two seconds.
const LATER_FOR_EACH: Duration = Duration::from_millis(2);

/// What a configuration is put in force on.
pub struct Running {
    /// What requests are checked against.
    pub callers: Arc<ArcSwap<Callers>>,
    /// Whose pages are signed.
    pub pages: Arc<ArcSwap<Pages>>,
    /// What is kept and served.
    pub roster: Roster,
    /// Who reads the records of new apps.
    pub refresher: Arc<Refresher>,
    /// What is told of the configuration.
    pub standing: Arc<ArcSwap<Standing>>,
    /// What is counted of it.
    pub metrics: Arc<ReloadMetrics>,
    /// This machine's clocks.
    pub clock: Arc<dyn Clock>,
}

/// The configuration as it is in force, and what changes with it.
pub struct Reload {
    source: Source,
    config: Config,
    running: Running,
    manager: ServiceManager,
    /// Another content that one look has found.
    found: Option<Files>,
}

impl Reload {
    /// `config` is what the broker was built with, and was read from `source`.
    #[must_use]
    pub fn new(source: Source, config: Config, running: Running) -> Self {
        Self {
            source,
            config,
            running,
            manager: ServiceManager::default(),
            found: None,
        }
    }

    /// Has the service manager told while the configuration is read because somebody asked for it.
    #[must_use]
    pub fn telling(self, manager: ServiceManager) -> Self {
        Self { manager, ..self }
    }

    /// Looks at the files, and reads them when asked to, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = LOOK_EVERY + LATER_FOR_EACH * self.source.files();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.source.asked() => {
                    self.manager.reloading();
                    self.reload().await;
                    self.manager.reloaded();
                }
                () = tokio::time::sleep(pause) => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let source = self.source.clone();
        let changed = tokio::task::spawn_blocking(move || source.changed()).await;
        let changed = changed.ok().flatten();
        if changed.is_some() && changed == self.found {
            self.reload().await;
        } else {
            self.found = changed;
        }
    }

    /// Reads the files and takes over what they say, or leaves everything as it was.
    async fn reload(&mut self) {
        self.found = None;
        let mut source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = source.read_again();
            (source, read)
        });
        let Ok((source, read)) = read.await else {
            return self.refused("reading it panicked");
        };
        self.source = source;
        match read {
            Ok(config) if config.callers.is_empty() && !self.config.callers.is_empty() => {
                self.refused("callers: none is left, so that anybody could do anything; this needs a restart");
            }
            Ok(config) => self.apply(config).await,
            Err(errors) => self.refused(&errors.to_string().replace('\n', "; ")),
        }
    }

    fn refused(&self, errors: &str) {
        self.running.metrics.refused();
        let refused = Refused {
            at: self.running.clock.now().wall,
            errors: errors.to_owned(),
        };
        let standing = Standing {
            refused: Some(refused),
            ..Standing::clone(&self.running.standing.load())
        };
        self.running.standing.store(Arc::new(standing));
        error!(
            errors,
            "the changed configuration is refused; the old one stays in force"
        );
    }

    async fn apply(&mut self, new: Config) {
        let (new, waits_for_restart) = without_restart(&self.config, new);
        if new.callers != self.config.callers {
            let callers = self.running.callers.load();
            let callers = callers.succeeded_by(new.callers.clone());
            self.running.callers.store(Arc::new(callers));
        }
        if new.log.level != self.config.log.level {
            telemetry::set_level(new.log.level.as_str());
        }
        self.running.pages.store(Arc::new(Pages::of(&new.apps)));
        let change = self.running.roster.take_over(&new);
        self.config = new;
        let now = self.running.clock.now().wall;
        self.running.metrics.applied(now, true);
        let what = waits_for_restart.join(", ");
        self.running.standing.store(Arc::new(Standing {
            since: now,
            refused: None,
            waits_for_restart,
        }));
        info!(
            apps = self.config.apps.len(),
            added = change.credentials.added.len(),
            changed = change.credentials.changed.len(),
            removed = change.credentials.removed.len(),
            secrets_changed = change.rotated.len(),
            callers = self.config.callers.len(),
            log_level = %self.config.log.level,
            "the configuration was read again and is in force"
        );
        if !what.is_empty() {
            warn!(
                what,
                "the configuration has changes that need a restart; until then the old values hold"
            );
        }
        // Nobody waits for the next reconcile to hear of a new app.
        let added = &change.credentials.added;
        self.running.refresher.read_in_batches(added).await;
    }
}
