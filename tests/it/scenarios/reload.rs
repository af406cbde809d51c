//! The configuration changes under load, for better and for worse, and no request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wechat_simulator::{App, Settings as WeChatSettings, Simulator};

use crate::support::process::Process;
use crate::support::settings::{LIFE, OVERLAP, Settings, StoreUnderTest};
use crate::support::timed::{timed, timed_in_a_crowd};

const APP: &str = "wx0000000000000001";
const OTHER: &str = "tbk_other_0000000000000000000000000000000000000000000000000000000000000000";

/// A second caller, with a rate that tells one version of the file from another.
fn other_caller(rate: u32) -> String {
    let key = token_broker::key::CallerKey::parse(OTHER).expect("a key of the right form");
    format!(
        "[[callers]]\nid = \"other\"\nkeys = [\"sha256:{}\"]\nrate = {rate}\n\
         allow = [{{ appids = [\"*\"], verbs = [\"read\"] }}]\n",
        key.hash()
    )
}

pub(super) async fn reloads(process: &Process, outcome: &str, expected: usize) {
    let line = format!("token_broker_config_reloads_total{{outcome=\"{outcome}\"}} {expected}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !process.metrics().await.contains(&line) {
        assert!(Instant::now() < deadline, "{line}:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn twenty_good_and_twenty_bad_files_under_load_fail_no_request() {
    timed_in_a_crowd(async || {
        let wechat = Simulator::start(WeChatSettings {
            apps: vec![App::new(APP, format!("secret-of-{APP}"))],
            token_life: LIFE,
            overlap: OVERLAP,
            ..WeChatSettings::default()
        })
        .await
        .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let store = StoreUnderTest::Embedded {
            path: directory.path().join("store.redb"),
        };
        let settings = Settings::new(&wechat.base_url(), store);
        let process = Process::listening(&settings).await;
        let caller = process.caller().await;
        caller.token_within(APP, Duration::from_secs(10)).await;
        let other = caller.with_key(Some(OTHER));
        assert_eq!(other.token(APP).await.status, 401);

        let (over, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let load: Vec<_> = (0..4)
            .map(|_| {
                let (caller, over, asked) = (caller.clone(), Arc::clone(&over), Arc::clone(&asked));
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        let reply = caller.token(APP).await;
                        assert_eq!(reply.status, 200, "{reply:?}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let bad = [
            "nonsense".to_owned(),
            String::new(),
            settings.to_toml() + "[[callers]]\nid = \"canary-id-NOT\"\n",
            settings.to_toml().replace("[refresh]", "[refesh]"),
            settings.to_toml().replace("\"*\"", "\"wx-unknown\""),
        ];
        for round in 1..=20 {
            process.configure(
                &(settings.to_toml() + &other_caller(1000 + u32::try_from(round).unwrap_or(0))),
            );
            process.hang_up();
            reloads(&process, "applied", round).await;
            assert_eq!(other.token(APP).await.status, 200);

            process.configure(&bad[round % bad.len()]);
            process.hang_up();
            reloads(&process, "refused", round).await;
            assert_eq!(other.token(APP).await.status, 200, "the old one stays");
        }
        over.store(true, Ordering::Relaxed);
        for task in load {
            task.await.expect("no request failed");
        }
        assert!(asked.load(Ordering::Relaxed) > 100);
        let log = process.log();
        assert_eq!(
            log.matches("the changed configuration is refused").count(),
            20,
            "a line each"
        );
        assert!(!log.contains("canary"), "no value is shown:\n{log}");
    });
}

#[test]
fn a_changed_file_is_noticed_and_what_needs_a_restart_is_said() {
    timed(async || {
        let directory = tempfile::tempdir().expect("a directory");
        let store = StoreUnderTest::Embedded {
            path: directory.path().join("store.redb"),
        };
        let settings = Settings::new("http://127.0.0.1:9", store);
        let process = Process::listening(&settings).await;
        let other = process.caller().await.with_key(Some(OTHER));

        let changed = settings.clone().server("max_body", "2048").to_toml();
        process.configure(&(changed + &other_caller(1000)));

        reloads(&process, "applied", 1).await;
        assert_ne!(other.token(APP).await.status, 401);
        let log = process.log();
        assert!(
            log.contains("\"what\":\"[server]\"") && log.contains("need a restart"),
            "{log}"
        );

        process.configure(
            &settings
                .to_toml()
                .replace("level = \"info\"", "level = \"error\""),
        );
        reloads(&process, "applied", 2).await;
        assert_eq!(other.token(APP).await.status, 401, "it was taken away");
    });
}
