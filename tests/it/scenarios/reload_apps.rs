//! Apps come, change and go while requests go on; their secrets are rotated; nothing of it costs a request, a
//! fetch, or a cooldown that still applies.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use wechat_simulator::{App, Endpoint, Settings as WeChatSettings, Simulator};

use super::reload::reloads;
use crate::support::broker::Caller;
use crate::support::events::EventStream;
use crate::support::fleet::{APP, eventually};
use crate::support::process::Process;
use crate::support::settings::{AppUnderTest, KEY, Settings, StoreUnderTest};
use crate::support::timed::timed;

const SECOND: &str = "wx0000000000000002";
/// Longer than any of these tests lasts: what is fetched again is fetched for a reason.
const LONG: Duration = Duration::from_secs(120);

/// A broker in a process of its own, and what its configuration says.
struct Rig {
    wechat: Simulator,
    settings: Settings,
    process: Process,
    caller: Caller,
    directory: TempDir,
}

/// Callers of one app who accept nothing but a token.
struct Load {
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<u32>>,
}

impl Rig {
    /// With these apps configured; WeChat knows them and [`SECOND`].
    async fn start(apps: &[AppUnderTest], tune: impl FnOnce(Settings) -> Settings) -> Self {
        let known = [APP, SECOND].map(|app| App::new(app, format!("secret-of-{app}")));
        let wechat = Simulator::start(WeChatSettings {
            apps: known.into(),
            token_life: LONG,
            ..WeChatSettings::default()
        });
        let wechat = wechat.await.expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let store = StoreUnderTest::Embedded {
            path: directory.path().join("store.redb"),
        };
        let settings = tune(Settings::new(&wechat.base_url(), store).apps(apps.to_vec()));
        let process = Process::listening(&settings).await;
        let caller = process.caller().await;
        for app in apps {
            caller
                .token_within(&app.appid, Duration::from_secs(10))
                .await;
        }
        Self {
            wechat,
            settings,
            process,
            caller,
            directory,
        }
    }

    /// Has the broker take over other settings, and waits until it has.
    async fn reload(&mut self, tune: impl FnOnce(Settings) -> Settings) {
        let before = self.applied().await;
        self.settings = tune(self.settings.clone());
        self.process.configure(&self.settings.to_toml());
        self.process.hang_up();
        reloads(&self.process, "applied", before + 1).await;
    }

    async fn applied(&self) -> usize {
        let metrics = self.process.metrics().await;
        let name = "token_broker_config_reloads_total{outcome=\"applied\"} ";
        let count = metrics.lines().find_map(|line| line.strip_prefix(name));
        count.expect("a count").parse().expect("a number")
    }

    fn fetches(&self, app: &str) -> usize {
        self.wechat.fetches(app).len()
    }

    fn load(&self, app: &'static str) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let callers = (0..3).map(|_| {
            let (caller, over) = (self.caller.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    let reply = caller.token(app).await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    asked += 1;
                }
                asked
            })
        });
        Load {
            callers: callers.collect(),
            over,
        }
    }
}

impl Load {
    /// Fails where one request has failed.
    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            assert!(caller.await.expect("no request failed") > 10);
        }
    }
}

/// What a mounted file is: a link to a link, of which the second is swapped.
fn mount(directory: &Path, version: &str, secret: &str) {
    let data = directory.join(version);
    std::fs::create_dir(&data).expect("a directory");
    std::fs::write(data.join("secret"), format!("{secret}\n")).expect("written");
    let next = directory.join("..next");
    std::os::unix::fs::symlink(&data, &next).expect("a link");
    std::fs::rename(&next, directory.join("..data")).expect("swapped");
}

#[test]
fn apps_come_and_go_under_load() {
    timed(async || {
        let first = AppUnderTest::new(APP);
        let mut rig = Rig::start(std::slice::from_ref(&first), |settings| settings).await;
        let load = rig.load(APP);
        let both = vec![first.clone(), AppUnderTest::new(SECOND)];
        assert_eq!(rig.caller.token(SECOND).await.code(), "unknown_app");

        rig.reload(|settings| settings.apps(both.clone())).await;
        let reply = rig.caller.token(SECOND).await;
        assert_eq!(reply.status, 200, "the first request waits: {reply:?}");
        let version = reply.version();
        let address = rig.process.address("listen").await;
        let stream = EventStream::open(address, KEY, SECOND, None).await;
        let mut stream = stream.unwrap_or_else(|refused| panic!("{refused:?}"));
        let soon = Duration::from_secs(5);
        while stream
            .next(soon)
            .await
            .is_some_and(|event| event.name != "token")
        {}

        rig.reload(|settings| settings.apps(vec![first.clone()]))
            .await;
        assert_eq!(rig.caller.token(SECOND).await.code(), "unknown_app");
        let gone = stream.next(soon).await.expect("the stream says so");
        assert_eq!(
            (gone.name.as_str(), &gone.json()["code"]),
            ("gone", &"unknown_app".into())
        );
        assert_eq!(stream.next(soon).await, None, "and ends");
        let series = rig.process.metrics().await;
        assert!(series.contains(APP) && !series.contains(SECOND), "{series}");

        rig.reload(|settings| settings.apps(both)).await;
        let back = rig.caller.token(SECOND).await;
        assert_eq!(back.version(), version, "its token was left in the store");
        let limited = |limit| AppUnderTest {
            daily_limit: limit,
            ..first.clone()
        };
        let left = async |rig: &Rig| {
            rig.caller.get(&format!("/apps/{APP}")).await.json()["budget_left"].clone()
        };
        let before = left(&rig).await.as_u64();
        rig.reload(|settings| settings.apps(vec![limited(500)]))
            .await;
        assert!(left(&rig).await.as_u64() < before, "another limit holds");
        load.stop().await;
        assert_eq!(
            (rig.fetches(APP), rig.fetches(SECOND)),
            (1, 1),
            "no reload costs a fetch"
        );
    });
}

#[test]
fn an_app_gets_and_loses_tickets_under_load_and_its_token_stays() {
    timed(async || {
        let without = AppUnderTest::new(APP);
        let mut rig = Rig::start(std::slice::from_ref(&without), |settings| settings).await;
        let load = rig.load(APP);
        let path = format!("/ticket/{APP}/jsapi");
        assert_eq!(rig.caller.get(&path).await.code(), "ticket_not_kept");

        let with = vec![AppUnderTest::with_tickets(APP)];
        rig.reload(|settings| settings.apps(with.clone())).await;
        let reply = rig.caller.get(&path).await;
        assert_eq!(reply.status, 200, "the first request waits: {reply:?}");
        let version = reply.version();
        let fetched = |rig: &Rig| rig.wechat.count(APP, Endpoint::Ticket);
        let soon = Duration::from_secs(10);
        eventually("both tickets", soon, async || fetched(&rig) == 2).await;

        rig.reload(|settings| settings.apps(vec![without.clone()]))
            .await;
        assert_eq!(rig.caller.get(&path).await.code(), "ticket_not_kept");
        let series = rig.process.metrics().await;
        assert!(
            !series.contains("token_broker_ticket_servable{"),
            "{series}"
        );

        rig.reload(|settings| settings.apps(with)).await;
        let back = rig.caller.get(&path).await;
        assert_eq!(back.version(), version, "it was left in the store");
        load.stop().await;
        assert_eq!((rig.fetches(APP), fetched(&rig)), (1, 2));
    });
}

#[test]
fn a_secret_is_rotated_under_load_by_swapping_a_mounted_file() {
    timed(async || {
        let rig = Rig::start(&[AppUnderTest::new(APP)], |settings| {
            // Due at once, so that the old secret is found refused.
            settings.refresh("at", "0.1").refresh("jitter", "0")
        })
        .await;
        let mounted = rig.directory.path().join("secrets");
        std::fs::create_dir(&mounted).expect("a directory");
        mount(&mounted, "..1", &format!("secret-of-{APP}"));
        std::os::unix::fs::symlink("..data/secret", mounted.join("secret")).expect("a link");
        let file = mounted.join("secret").display().to_string();
        let load = rig.load(APP);
        let inline = format!("secret = \"secret-of-{APP}\"");
        let text = rig
            .settings
            .to_toml()
            .replace(&inline, &format!("secret_file = {file:?}"));
        assert!(text.contains("secret_file"));
        rig.process.configure(&text);
        rig.process.hang_up();
        reloads(&rig.process, "applied", 1).await;

        rig.wechat.set_secret(APP, "another-secret");
        let state = async || rig.caller.get(&format!("/apps/{APP}")).await.json();
        let cooling = async || state().await["cooldown"]["class"] == "bad_secret";
        eventually(
            "the old secret is refused",
            Duration::from_secs(20),
            cooling,
        )
        .await;
        let refused = rig.wechat.count(APP, Endpoint::Token);
        rig.process
            .configure(&text.replace("daily_limit = 2000", "daily_limit = 1999"));
        rig.process.hang_up();
        reloads(&rig.process, "applied", 2).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            rig.wechat.count(APP, Endpoint::Token),
            refused,
            "the cooldown still applies"
        );

        let before = rig.caller.token(APP).await.version();
        mount(&mounted, "..2", "another-secret");
        // Nobody asks for it: the file is looked at.
        let renewed = async || rig.caller.token(APP).await.version() > before;
        eventually("the new secret is used", Duration::from_secs(15), renewed).await;
        load.stop().await;
        let mended = async || state().await["cooldown"].is_null();
        eventually("the cooldown is over", Duration::from_secs(5), mended).await;
        assert_eq!(rig.fetches(APP), 2);
        let log = rig.process.log();
        assert!(log.contains("\"secrets_changed\":1"), "{log}");
    });
}

#[test]
fn an_app_that_changes_its_mode_is_served_throughout() {
    timed(async || {
        let mut rig = Rig::start(&[AppUnderTest::new(APP)], |settings| settings).await;
        let load = rig.load(APP);
        let before = rig.caller.token(APP).await.token();
        rig.reload(|settings| settings.apps(vec![AppUnderTest::stable(APP)]))
            .await;
        let mode =
            async || rig.caller.get(&format!("/apps/{APP}")).await.json()["mode"] == "stable";
        eventually(
            "it is served in its new mode",
            Duration::from_secs(10),
            mode,
        )
        .await;
        assert_ne!(rig.caller.token(APP).await.token(), before);
        load.stop().await;
        assert_eq!(rig.fetches(APP), 2, "one a mode");
    });
}

#[test]
fn a_refused_configuration_is_told_until_it_is_mended() {
    timed(async || {
        let rig = Rig::start(&[AppUnderTest::new(APP)], |settings| settings).await;
        let told = async || rig.caller.get("/apps").await.json()["configuration"].clone();
        assert!(told().await["errors"].is_null());
        rig.process.configure("[nonsense]");
        rig.process.hang_up();
        reloads(&rig.process, "refused", 1).await;
        let configuration = told().await;
        let errors = configuration["errors"].as_str().expect("a text");
        assert!(errors.contains("nonsense: is no known key"), "{errors}");
        assert!(
            rig.process
                .metrics()
                .await
                .contains("token_broker_config_in_force 0")
        );

        rig.process
            .configure(&rig.settings.clone().server("max_body", "2048").to_toml());
        rig.process.hang_up();
        reloads(&rig.process, "applied", 1).await;
        let configuration = told().await;
        assert!(configuration["errors"].is_null());
        assert_eq!(configuration["waits_for_restart"][0], "[server]");
        assert!(
            rig.process
                .metrics()
                .await
                .contains("token_broker_config_in_force 1")
        );
    });
}
