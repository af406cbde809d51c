//! Taking over a changed configuration while requests go on: callers (keys, rights, rates) and the log
//! level. A file with anything wrong in it is refused whole. What needs a restart is said, each time, until
//! the restart has happened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{Config, ConfigErrors};
use crate::http::Callers;
use crate::metrics::ReloadMetrics;
use crate::ports::Clock;
use crate::telemetry;

/// How often the file is looked at. A change is taken over once two looks have found the same: a file that
/// is being written is not read half.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where the configuration comes from, and who may ask to have it read again. Clones share the latter.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    environment: Vec<(String, String)>,
    asked: Arc<Notify>,
    /// Of the content when this was made.
    first: Option<Digest>,
}

impl Source {
    /// The file, and the variables that overlay it. Make it before the first configuration is read from
    /// them: a change in between is noticed then.
    #[must_use]
    pub fn new(path: PathBuf, environment: Vec<(String, String)>) -> Self {
        let first = digest(&path);
        Self {
            path,
            environment,
            asked: Arc::default(),
            first,
        }
    }

    /// Has it read again now, as SIGHUP does.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(Some(&self.path), self.environment.iter().cloned())
    }

    fn digest(&self) -> Option<Digest> {
        digest(&self.path)
    }
}

/// Of a file's content: a mounted file is swapped under its name. `None` while it cannot be read.
fn digest(path: &Path) -> Option<Digest> {
    let content = std::fs::read(path).ok()?;
    Some(Sha256::digest(content).into())
}

type Digest = [u8; 32];

/// The configuration as it is in force, and what changes with it.
pub struct Reload {
    source: Source,
    running: Config,
    callers: Arc<ArcSwap<Callers>>,
    metrics: Arc<ReloadMetrics>,
    clock: Arc<dyn Clock>,
    /// The content that was judged last, good or bad.
    judged: Option<Digest>,
    /// Another content that one look has found.
    found: Option<Digest>,
}

impl Reload {
    /// `running` is what the broker was built with, and `callers` what its requests are checked against.
    pub fn new(
        source: Source,
        running: Config,
        callers: Arc<ArcSwap<Callers>>,
        metrics: Arc<ReloadMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let judged = source.first;
        metrics.applied(clock.now().wall, false);
        Self {
            source,
            running,
            callers,
            metrics,
            clock,
            judged,
            found: None,
        }
    }

    /// Looks at the file, and reads it when asked to, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.source.asked.notified() => self.reload().await,
                () = tokio::time::sleep(LOOK_EVERY) => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let source = self.source.clone();
        let now = tokio::task::spawn_blocking(move || source.digest()).await;
        let now = now.ok().flatten();
        if now.is_none() || now == self.judged {
            self.found = None;
        } else if now == self.found {
            self.reload().await;
        } else {
            self.found = now;
        }
    }

    /// Reads the file and takes it over, or leaves everything as it was.
    async fn reload(&mut self) {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || (source.digest(), source.load())).await;
        let Ok((digest, read)) = read else {
            return self.refused("reading it panicked");
        };
        (self.judged, self.found) = (digest, None);
        match read {
            Ok(config) if config.callers.is_empty() && !self.running.callers.is_empty() => {
                self.refused("callers: none is left, so that anybody could do anything; this needs a restart");
            }
            Ok(config) => self.apply(config),
            Err(errors) => self.refused(&errors.to_string().replace('\n', "; ")),
        }
    }

    fn refused(&self, errors: &str) {
        self.metrics.refused();
        error!(
            errors,
            "the changed configuration is refused; the old one stays in force"
        );
    }

    fn apply(&mut self, new: Config) {
        let waiting = needs_restart(&self.running, &new);
        if new.callers != self.running.callers {
            let callers = self.callers.load().succeeded_by(new.callers.clone());
            self.callers.store(Arc::new(callers));
        }
        if new.log.level != self.running.log.level {
            telemetry::set_level(new.log.level.as_str());
        }
        self.running.callers = new.callers;
        self.running.log.level = new.log.level;
        self.metrics.applied(self.clock.now().wall, true);
        info!(
            callers = self.running.callers.len(),
            log_level = %self.running.log.level,
            "the configuration was read again and is in force"
        );
        if !waiting.is_empty() {
            let what = waiting.join(", ");
            warn!(
                what,
                "the configuration has changes that need a restart; until then the old values hold"
            );
        }
    }
}

/// What of `new` does not hold yet: sections, and apps by their appid.
fn needs_restart(running: &Config, new: &Config) -> Vec<String> {
    let same_log =
        running.log.format == new.log.format && running.log.access_sample == new.log.access_sample;
    let sections = [
        ("[server]", running.server == new.server),
        ("[store]", running.store == new.store),
        ("[upstream]", running.upstream == new.upstream),
        ("[refresh]", running.refresh == new.refresh),
        ("[log] format or access_sample", same_log),
    ];
    let sections = sections.into_iter().filter(|(_, same)| !same);
    let mut waiting: Vec<_> = sections.map(|(name, _)| name.to_owned()).collect();
    for app in &new.apps {
        match running.apps.iter().find(|old| old.appid == app.appid) {
            None => waiting.push(format!("app {} added", app.appid)),
            Some(old) if old != app => waiting.push(format!("app {} changed", app.appid)),
            Some(_) => {}
        }
    }
    let is_gone =
        |old: &&crate::config::AppConfig| new.apps.iter().all(|app| app.appid != old.appid);
    let gone = running.apps.iter().filter(is_gone);
    waiting.extend(gone.map(|old| format!("app {} removed", old.appid)));
    waiting
}
