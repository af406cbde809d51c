//! A whole fleet: a simulated WeChat, a store, brokers that share it, and callers whose every reply is kept
//! for the oracle to judge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use wechat_simulator::{App, Settings as WeChatSettings, Simulator};

use super::broker::{Caller, Reply, TestBroker};
use super::settings::{AppUnderTest, LIFE, OVERLAP, Settings, StoreUnderTest};
use super::stores::{Kind, SharedStore};

/// The app of a fleet that has one.
pub(crate) const APP: &str = "wx0000000000000001";

/// How long a fleet may take until it serves: what a test is about begins after that.
pub(crate) const SET_UP: Duration = Duration::from_secs(60);

/// Which store a fleet shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In a Redis of its own, of the kind that is chosen for the run.
    InRedis,
    /// In one server, whatever is chosen: for tests that end its process.
    InOneServer,
    /// In a file; one broker at a time.
    Embedded,
}

/// A fleet. Replicas are started by [`Fleet::add`].
pub(crate) struct Fleet {
    pub(crate) wechat: Simulator,
    pub(crate) redis: Option<SharedStore>,
    pub(crate) settings: Settings,
    pub(crate) replicas: Vec<TestBroker>,
    _directory: TempDir,
}

/// WeChat with lives of 8 s, an overlap of 3 s, and these apps.
pub(crate) fn wechat_with(apps: &[AppUnderTest]) -> WeChatSettings {
    WeChatSettings {
        apps: apps
            .iter()
            .map(|app| App::new(app.appid.clone(), app.secret.clone()))
            .collect(),
        token_life: LIFE,
        overlap: OVERLAP,
        stable_renew_window: OVERLAP,
        forced_spacing: Duration::from_millis(500),
        ..WeChatSettings::default()
    }
}

/// So many apps in `token` mode.
pub(crate) fn apps(count: usize) -> Vec<AppUnderTest> {
    (1..=count)
        .map(|number| AppUnderTest::new(&format!("wx{number:016}")))
        .collect()
}

impl Fleet {
    /// WeChat and a store, and no replica yet. `tune` changes the settings of all.
    pub(crate) async fn without_replicas(
        kept: Kept,
        wechat: WeChatSettings,
        tune: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let kind = match kept {
            Kept::InRedis => Some(Kind::chosen()),
            Kept::InOneServer => Some(Kind::Standalone),
            Kept::Embedded => None,
        };
        Self::with_store(kind, wechat, tune).await
    }

    /// The same in a Redis of this kind.
    pub(crate) async fn on(
        kind: Kind,
        wechat: WeChatSettings,
        tune: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        Self::with_store(Some(kind), wechat, tune).await
    }

    async fn with_store(
        kind: Option<Kind>,
        wechat: WeChatSettings,
        tune: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let wechat = Simulator::start(wechat)
            .await
            .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let redis = kind.map(SharedStore::start);
        let store = match &redis {
            Some(redis) => redis.settings(),
            None => StoreUnderTest::Embedded {
                path: directory.path().join("broker.redb"),
            },
        };
        let mut settings = Settings::new(&wechat.base_url(), store);
        settings.store_lines = redis.as_ref().map(SharedStore::lines).unwrap_or_default();
        if kind.is_some_and(|kind| kind != Kind::Standalone) {
            // There is a server to be asked for first, or a handshake to be made.
            settings.store_timeout = Duration::from_millis(280);
        }
        let settings = tune(settings);
        Self {
            wechat,
            redis,
            settings,
            replicas: Vec::new(),
            _directory: directory,
        }
    }

    /// So many replicas that share a Redis, each with a token of every app.
    pub(crate) async fn serving(
        replicas: usize,
        apps: &[AppUnderTest],
        tune: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        Self::serving_from(Kept::InRedis, replicas, apps, tune).await
    }

    /// The same with either store.
    pub(crate) async fn serving_from(
        kept: Kept,
        replicas: usize,
        apps: &[AppUnderTest],
        tune: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let with_apps = |settings: Settings| tune(settings.apps(apps.to_vec()));
        let mut fleet = Self::without_replicas(kept, wechat_with(apps), with_apps).await;
        fleet.add(replicas).await;
        for replica in &fleet.replicas {
            for app in apps {
                replica.caller().token_within(&app.appid, SET_UP).await;
            }
        }
        fleet
    }

    /// Starts more replicas.
    pub(crate) async fn add(&mut self, count: usize) {
        for _ in 0..count {
            self.replicas.push(TestBroker::start(&self.settings).await);
        }
    }

    /// A caller of one replica.
    pub(crate) fn caller(&self, replica: usize) -> Caller {
        self.replicas[replica].caller()
    }

    /// The sum, over all replicas, of a metric's series that carry these labels.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut sum = 0.0;
        for replica in &self.replicas {
            sum += sample(&replica.metrics().await, name, labels);
        }
        sum
    }

    /// Callers of every replica, each asking for the token of `app` again and again, `every` so often.
    pub(crate) fn load(&self, app: &str, every: Duration) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let readers = self.replicas.iter().map(|replica| {
            let (caller, stop, app) = (replica.caller(), Arc::clone(&stop), app.to_owned());
            tokio::spawn(read_until(stop, caller, app, every))
        });
        Load {
            readers: readers.collect(),
            stop,
            app: app.to_owned(),
        }
    }

    /// Nothing was asked of WeChat that no correct caller asks, but for a wrong secret where the test has
    /// given it one; and no task panicked.
    pub(crate) async fn assert_in_order(&self) {
        let mut violations = self.wechat.violations();
        violations.retain(|violation| violation.errcode != 40125);
        assert_eq!(violations, []);
        assert_eq!(self.metric("token_broker_panics_total", &[]).await, 0.0);
    }
}

async fn read_until(
    stop: Arc<AtomicBool>,
    caller: Caller,
    app: String,
    every: Duration,
) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        replies.push(caller.token(&app).await);
        tokio::time::sleep(every).await;
    }
    replies
}

/// Callers at work.
pub(crate) struct Load {
    readers: Vec<JoinHandle<Vec<Reply>>>,
    stop: Arc<AtomicBool>,
    app: String,
}

/// What the callers got, a list a replica.
pub(crate) struct Collected {
    pub(crate) replies: Vec<Vec<Reply>>,
    app: String,
}

impl Load {
    /// Stops the callers and hands over what they got.
    pub(crate) async fn stop(self) -> Collected {
        self.stop.store(true, Ordering::Relaxed);
        let mut replies = Vec::new();
        for reader in self.readers {
            replies.push(reader.await.expect("a caller at work"));
        }
        Collected {
            replies,
            app: self.app,
        }
    }
}

impl Collected {
    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Reply> {
        self.replies.iter().flatten()
    }

    /// The longest that a token had been dead when it was handed out.
    pub(crate) fn longest_dead(&self, wechat: &Simulator) -> Duration {
        self.all()
            .filter(|reply| reply.status == 200)
            .map(|reply| wechat.dead_for(&self.app, &reply.token(), reply.answered_at))
            .max()
            .unwrap_or_default()
    }

    /// Nobody was refused, no token was dead, and no replica went backwards.
    pub(crate) fn assert_flawless(&self, wechat: &Simulator) {
        let refused: Vec<_> = self.all().filter(|reply| reply.status != 200).collect();
        assert!(refused.is_empty(), "{}: {:?}", refused.len(), refused[0]);
        assert_eq!(self.longest_dead(wechat), Duration::ZERO);
        self.assert_never_backwards();
    }

    /// No replica served a version lower than one it had served.
    pub(crate) fn assert_never_backwards(&self) {
        for replies in &self.replies {
            let served = replies.iter().filter(|reply| reply.status == 200);
            let versions: Vec<_> = served.map(Reply::version).collect();
            assert!(versions.is_sorted(), "{versions:?}");
        }
    }

    /// The replies to requests that were sent at this time or later.
    pub(crate) fn since(&self, from: Instant) -> impl Iterator<Item = &Reply> {
        self.all().filter(move |reply| reply.asked_at >= from)
    }
}

/// The sum of a metric's series that carry these labels, from the text that `/metrics` answers.
pub(crate) fn sample(metrics: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let carried = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels
                .iter()
                .all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
    };
    let values = metrics
        .lines()
        .filter(carried)
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.fold(0.0, |sum, value| sum + value)
}

/// Waits until `holds` does, at most for `bound`.
pub(crate) async fn eventually(what: &str, bound: Duration, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + bound;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
