//! What a fleet stands on: a simulated WeChat, a store of one kind, and the replicas themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wechat_simulator::Simulator;

use crate::replica::{Ear, Heard, Replica};
use crate::store::{Kept, Store};
use crate::support::fleet::wechat_with;
use crate::support::proxy::Proxy;
use crate::support::settings::{AppUnderTest, Settings, StoreUnderTest};

/// A token's life; everything else is in WeChat's proportions, but for time-outs that a busy machine meets.
pub(crate) const LIFE: Duration = Duration::from_secs(24);
/// How long the token before is accepted.
pub(crate) const OVERLAP: Duration = Duration::from_secs(8);
/// What `daily_limit` is counted over here, and how many fetches it is.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
pub(crate) const LIMIT: u32 = 60;

/// All of it.
pub(crate) struct Ground {
    pub(crate) wechat: Simulator,
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) apps: Vec<AppUnderTest>,
    ear: Ear,
    _directory: TempDir,
}

impl Ground {
    /// Starts everything, and waits until each replica serves every app.
    pub(crate) async fn start(kept: Kept) -> Self {
        let mut apps = vec![
            AppUnderTest::new("wx00000000000chaos1"),
            AppUnderTest::new("wx00000000000chaos2"),
            AppUnderTest::stable("wx00000000000chaos3"),
        ];
        for app in &mut apps {
            app.daily_limit = LIMIT;
        }
        let mut lives = wechat_with(&apps);
        lives.token_life = LIFE;
        lives.overlap = OVERLAP;
        lives.stable_renew_window = OVERLAP;
        let wechat = Simulator::start(lives).await.expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let store = tokio::task::block_in_place(|| Store::start(kept));
        let ear = Ear::default();
        let count = if kept == Kept::Embedded { 1 } else { 3 };
        let mut replicas = Vec::new();
        for number in 0..count {
            let way = match &store {
                Store::Standalone(redis) => Some(Proxy::start(redis.port()).await),
                _ => None,
            };
            let under_test = store.as_configured(way.as_ref());
            let settings = settings(&wechat.base_url(), under_test, &apps);
            let replica =
                Replica::start(number, settings, way, directory.path(), Arc::clone(&ear)).await;
            replicas.push(replica);
        }
        Self {
            wechat,
            store,
            replicas,
            apps,
            ear,
            _directory: directory,
        }
    }

    /// What all callers heard since this was last called.
    pub(crate) fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.ear.lock().expect("not poisoned"))
    }

    /// Waits until every replica serves the same living token of each app; says how long that took.
    pub(crate) async fn settled(&self, bound: Duration) -> Result<Duration, String> {
        let begun = Instant::now();
        loop {
            match self.is_settled().await {
                Ok(()) => return Ok(begun.elapsed()),
                Err(why) if begun.elapsed() > bound => return Err(why),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The way of a replica to a store that is one server.
    pub(crate) fn way(&self, replica: usize) -> &Proxy {
        let way = self.replicas[replica].way.as_ref();
        way.expect("only drawn for a store that is one server")
    }

    /// Has a replica fetch, if it may; nobody waits for how that ends.
    pub(crate) async fn ask_for_refresh(&self, replica: usize) {
        let caller = self.replicas[replica].caller().await;
        let path = format!("/token/{}/refresh", self.apps[0].appid);
        tokio::spawn(async move { drop(caller.try_send("POST", &path, None).await) });
    }

    async fn is_settled(&self) -> Result<(), String> {
        for app in &self.apps {
            let mut versions = Vec::new();
            for (number, replica) in self.replicas.iter().enumerate() {
                let path = format!("/token/{}", app.appid);
                let reply = replica.caller().await.try_send("GET", &path, None).await;
                let reply = reply.map_err(|error| format!("replica {number}: {error}"))?;
                if reply.status != 200 {
                    return Err(format!("replica {number}: {}", reply.body));
                }
                let dead = self
                    .wechat
                    .dead_for(&app.appid, &reply.token(), reply.answered_at);
                if !dead.is_zero() {
                    return Err(format!("replica {number}: dead for {dead:?}"));
                }
                versions.push(reply.version());
            }
            versions.dedup();
            if versions.len() != 1 {
                return Err(format!("{}: versions {versions:?}", app.appid));
            }
        }
        Ok(())
    }
}

fn settings(upstream: &str, store: StoreUnderTest, apps: &[AppUnderTest]) -> Settings {
    let mut settings = Settings::new(upstream, store)
        .apps(apps.to_vec())
        .refresh("overlap", "8s")
        .refresh("lease", "2500ms")
        .refresh("reconcile", "1s")
        .refresh("watch", "2s")
        .refresh("close_watch", "600ms")
        .refresh("min_spacing", "8100ms")
        .refresh("backoff_min", "100ms")
        .refresh("backoff_max", "1s")
        .refresh("budget_window", "60s")
        .server("cold_wait", "5s");
    settings.timeout = Duration::from_millis(1200);
    settings.store_timeout = Duration::from_millis(600);
    settings
}
