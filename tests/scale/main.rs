//! Many apps in one replica: a first start, a start from a warm store, a steady state, and (for long) an outage
//! that lasts until every token is due.
//!
//! A small part runs with all tests. `make scale` runs it with ten thousand apps against a release build, and
//! prints the table of `docs/scale.md`.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]
#![expect(clippy::print_stdout, reason = "figures for whoever runs it for long")]

mod gauge;
mod outage;
mod steady;
#[path = "../it/support/mod.rs"]
#[expect(
    dead_code,
    reason = "shared with the other tests, which need more of it"
)]
mod support;

use std::time::Duration;

use wechat_simulator::{App, Settings as WeChatSettings, Simulator};

use support::process::Process;
use support::redis::RedisServer;
use support::settings::{AppUnderTest, Settings, StoreUnderTest};
use support::timed::timed;

/// How many apps a run has that is a part of all tests, and how long its phases last.
const FEW: usize = 40;
const SHORT: u64 = 2;

fn asked<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Whether the run is not just a part of all tests.
fn is_long() -> bool {
    asked::<usize>("SCALE_APPS").is_some()
}

/// What a run is made of.
struct Ground {
    wechat: Simulator,
    redis: RedisServer,
    settings: Settings,
    /// How long a phase is watched.
    phase: Duration,
}

impl Ground {
    /// WeChat and a Redis that knows nothing, so many apps, and the defaults of a configuration.
    async fn new(token_life: Duration, tune: impl FnOnce(Settings) -> Settings) -> Self {
        let count = asked("SCALE_APPS").unwrap_or(FEW);
        let apps: Vec<_> = (1..=count)
            .map(|number| AppUnderTest::new(&format!("wx{number:016}")))
            .collect();
        let known = apps
            .iter()
            .map(|app| App::new(app.appid.clone(), app.secret.clone()));
        let wechat = Simulator::start(WeChatSettings {
            apps: known.collect(),
            token_life,
            ..WeChatSettings::default()
        });
        let wechat = wechat.await.expect("the simulator starts");
        let redis = RedisServer::start();
        let store = StoreUnderTest::Redis {
            url: redis.url(),
            namespace: "scale".to_owned(),
        };
        let mut settings = Settings::new(&wechat.base_url(), store).apps(apps);
        settings.refresh.clear();
        settings.timeout = Duration::from_secs(5);
        settings.store_timeout = Duration::from_secs(1);
        Self {
            wechat,
            redis,
            settings: tune(settings),
            phase: Duration::from_secs(asked("SCALE_SECONDS").unwrap_or(SHORT)),
        }
    }

    fn apps(&self) -> usize {
        self.settings.apps.len()
    }

    fn start(&self, tune: impl FnOnce(Settings) -> Settings) -> Process {
        Process::start(&tune(self.settings.clone()))
    }
}

#[test]
fn many_apps_in_one_replica() {
    timed(steady::measure);
    if is_long() {
        timed(outage::measure);
    }
}
