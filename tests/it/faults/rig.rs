//! Two brokers in processes of their own on one Redis: the holder, which a test makes fetch and breaks, and
//! the witness, whose callers must not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use wechat_simulator::Simulator;

use crate::support::broker::{Caller, Reply};
use crate::support::fleet::wechat_with;
use crate::support::process::Process;
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::settings::{AppUnderTest, Settings, StoreUnderTest};

/// Long enough for anything that should happen soon, on a busy machine too.
pub(super) const SOON: Duration = Duration::from_secs(25);

/// How long a served grant may be dead while a lost fetch is repaired: WeChat kills it at the moment of the
/// repairing fetch, and each replica has the new one after a reply, a commit and a signal, or at the latest
/// with its next reading.
pub(super) const REPAIR_MOMENT: Duration = Duration::from_millis(800);

/// From one fetch to the next that is forced.
const SPACING: Duration = Duration::from_millis(8200);

/// Time-outs that a process on a busy machine does not run into: what is counted here are fetches, and
/// each time-out may cost one. Neither the schedule nor the regular watch comes in time to hide a repair
/// that was forgotten: a token whose fetch was lost dies before either.
pub(super) fn unhurried(settings: Settings) -> Settings {
    let mut settings = settings
        .refresh("overlap", "8s")
        .refresh("lease", "2500ms")
        .refresh("min_spacing", "8100ms")
        .refresh("at", "0.8")
        .refresh("watch", "20s");
    settings.timeout = Duration::from_millis(1200);
    settings.store_timeout = Duration::from_millis(600);
    settings
}

/// The two processes and what they stand on.
pub(super) struct Rig {
    pub(super) wechat: Simulator,
    pub(super) proxy: Proxy,
    pub(super) holder: Process,
    pub(super) witness: Process,
    pub(super) apps: Vec<AppUnderTest>,
    _redis: RedisServer,
}

impl Rig {
    /// Both serve every app; the holder reaches Redis through the proxy. `number` tells one rig's apps
    /// from another's.
    pub(super) async fn start(number: usize, apps: usize) -> Self {
        let apps: Vec<_> = (0..apps)
            .map(|app| AppUnderTest::new(&format!("wx{number:04}-{app:04}")))
            .collect();
        let mut lives = wechat_with(&apps);
        lives.token_life = Duration::from_secs(24);
        lives.overlap = Duration::from_secs(8);
        let wechat = Simulator::start(lives).await.expect("the simulator starts");
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.port()).await;
        let settings = |url: String| {
            let namespace = "rig".to_owned();
            let store = StoreUnderTest::Redis { url, namespace };
            unhurried(Settings::new(&wechat.base_url(), store)).apps(apps.clone())
        };
        let witness = Process::listening(&settings(redis.url())).await;
        let holder = Process::listening(&settings(proxy.url())).await;
        for process in [&witness, &holder] {
            for app in &apps {
                process.caller().await.token_within(&app.appid, SOON).await;
            }
        }
        Self {
            wechat,
            proxy,
            holder,
            witness,
            apps,
            _redis: redis,
        }
    }

    /// Waits until the first tokens are old enough for a forced refresh.
    pub(super) async fn spaced(&self) {
        let newest = self
            .apps
            .iter()
            .flat_map(|app| self.wechat.fetches(&app.appid));
        let newest = newest
            .map(|call| call.at)
            .max()
            .expect("each app was fetched");
        let spaced = newest + SPACING;
        tokio::time::sleep(spaced.saturating_duration_since(Instant::now())).await;
    }

    /// Has the holder fetch every app now; nobody waits for how it ends.
    pub(super) async fn make_holder_fetch(&self) {
        let caller = self.holder.caller().await;
        for app in &self.apps {
            let (caller, path) = (caller.clone(), format!("/token/{}/refresh", app.appid));
            tokio::spawn(async move { drop(caller.try_send("POST", &path, None).await) });
        }
    }

    /// Callers of the witness, a task an app.
    pub(super) async fn watch_witness(&self) -> Watch {
        self.watch(self.witness.caller().await)
    }

    /// Callers of one replica, a task an app.
    pub(super) fn watch(&self, caller: Caller) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let readers = self.apps.iter().map(|app| {
            let (stop, caller, appid) = (Arc::clone(&stop), caller.clone(), app.appid.clone());
            tokio::spawn(async move {
                let mut replies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    replies.push(caller.token(&appid).await);
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                (appid, replies)
            })
        });
        Watch {
            readers: readers.collect(),
            stop,
        }
    }

    /// How often WeChat issued a token for each app.
    pub(super) fn fetches(&self) -> Vec<usize> {
        self.apps
            .iter()
            .map(|app| self.wechat.fetches(&app.appid).len())
            .collect()
    }

    /// Waits until this caller gets a newer version of every app than `than`, and that it is alive.
    pub(super) async fn newer(&self, caller: &Caller, than: &[u64]) {
        for (app, than) in self.apps.iter().zip(than) {
            let deadline = Instant::now() + SOON;
            loop {
                let reply = caller.token(&app.appid).await;
                if reply.status == 200 && reply.version() > *than {
                    let dead = self
                        .wechat
                        .dead_for(&app.appid, &reply.token(), reply.answered_at);
                    if dead.is_zero() {
                        break;
                    }
                    // A holder on a busy machine may have begun another attempt before it was killed: then
                    // this one is being replaced as well.
                    assert!(dead <= REPAIR_MOMENT, "{}: dead for {dead:?}", app.appid);
                }
                assert!(Instant::now() < deadline, "{}: {reply:?}", app.appid);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The versions this caller gets now.
    pub(super) async fn versions(&self, caller: &Caller) -> Vec<u64> {
        let mut versions = Vec::new();
        for app in &self.apps {
            versions.push(caller.token_within(&app.appid, SOON).await.version());
        }
        versions
    }
}

/// Callers at work.
pub(super) struct Watch {
    readers: Vec<JoinHandle<(String, Vec<Reply>)>>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Stops them and judges every reply: nobody refused, nothing dead for longer than `dead`, no version
    /// lower than one before. Answers for how long the deadest had been dead.
    pub(super) async fn judge(self, wechat: &Simulator, dead: Duration) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        for reader in self.readers {
            let (appid, replies) = reader.await.expect("a caller at work");
            let mut version = 0;
            assert!(!replies.is_empty());
            for reply in &replies {
                assert_eq!(reply.status, 200, "{appid}: {reply:?}");
                let was = wechat.dead_for(&appid, &reply.token(), reply.answered_at);
                assert!(was <= dead, "{appid}: dead for {was:?}: {reply:?}");
                assert!(reply.version() >= version, "{appid}: backwards: {reply:?}");
                version = reply.version();
                longest = longest.max(was);
            }
        }
        longest
    }
}

/// A WeChat with one app, a Redis that knows nothing, and settings for a process between them.
pub(super) async fn surroundings(app: &str, namespace: &str) -> (Simulator, RedisServer, Settings) {
    let wechat = Simulator::start(wechat_with(&[AppUnderTest::new(app)]))
        .await
        .expect("the simulator starts");
    let redis = RedisServer::start();
    let store = StoreUnderTest::Redis {
        url: redis.url(),
        namespace: namespace.to_owned(),
    };
    let settings = Settings::new(&wechat.base_url(), store);
    (wechat, redis, settings)
}
