//! WeChat refuses a fetch, with every code that it documents.

use std::time::{Duration, Instant};

use futures_util::future::join;
use serde_json::Value;
use wechat_simulator::Endpoint;

use crate::support::broker::Caller;
use crate::support::fleet::{APP, Fleet, Kept, apps, eventually, sample, wechat_with};
use crate::support::process::Process;
use crate::support::settings::Settings;
use crate::support::timed::timed;

/// A code, its class, the shortest and the longest cooldown after it in seconds, and whether only a person
/// ends it.
struct Documented(i64, &'static str, u64, u64, bool);

const HOUR: u64 = 3600;

const CODES: [Documented; 20] = [
    Documented(-1, "busy", 60, 120, false),
    Documented(40001, "bad_secret", HOUR, HOUR + 360, true),
    Documented(40125, "bad_secret", HOUR, HOUR + 360, true),
    Documented(40013, "bad_appid", HOUR, HOUR + 360, true),
    Documented(40002, "bad_request", HOUR, HOUR + 360, true),
    Documented(41002, "bad_request", HOUR, HOUR + 360, true),
    Documented(41004, "bad_request", HOUR, HOUR + 360, true),
    Documented(43002, "bad_request", HOUR, HOUR + 360, true),
    Documented(40164, "ip_not_whitelisted", 300, 330, true),
    Documented(61004, "ip_not_whitelisted", 300, 330, true),
    Documented(40243, "secret_frozen", 600, 660, true),
    // Until midnight in China, but no longer than an hour.
    Documented(45009, "quota_spent", 0, HOUR + 30, true),
    Documented(45011, "minute_limit", 60, 66, false),
    Documented(50004, "forbidden", HOUR, HOUR + 360, true),
    Documented(50007, "forbidden", HOUR, HOUR + 360, true),
    Documented(89501, "ip_unconfirmed", 300, 330, true),
    Documented(89503, "ip_unconfirmed", 300, 330, true),
    Documented(89507, "ip_refused_hour", HOUR, HOUR + 360, true),
    Documented(89506, "ip_refused_day", 24 * HOUR, 24 * HOUR, true),
    Documented(12345, "unknown", 60, 60, true),
];

/// A real process whose apps are refused with one code each.
async fn refused_with_every_code() -> (Fleet, Process, Vec<String>) {
    let apps = apps(CODES.len());
    let appids: Vec<_> = apps.iter().map(|app| app.appid.clone()).collect();
    let wechat = wechat_with(&apps);
    let tune = |settings: Settings| {
        settings
            .apps(apps)
            .refresh("backoff_min", "60s")
            .refresh("backoff_max", "120s")
    };
    let fleet = Fleet::without_replicas(Kept::InRedis, wechat, tune).await;
    for (appid, Documented(code, ..)) in appids.iter().zip(&CODES) {
        fleet.wechat.set_error(appid, Some(*code));
    }
    let process = Process::listening(&fleet.settings).await;
    (fleet, process, appids)
}

async fn state(caller: &Caller, appid: &str) -> Value {
    caller.get(&format!("/apps/{appid}")).await.json()
}

fn now() -> u64 {
    let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since_1970.expect("a clock that was set").as_secs()
}

#[test]
fn every_documented_code_is_named_logged_counted_and_waited_for() {
    timed(async || {
        let begun = Instant::now();
        let (fleet, process, appids) = refused_with_every_code().await;
        let caller = process.caller().await;

        for (appid, Documented(code, class, shortest, longest, needs_a_person)) in
            appids.iter().zip(&CODES)
        {
            let cooling = async || state(&caller, appid).await["cooldown"].is_object();
            eventually("a cooldown", Duration::from_secs(5), cooling).await;
            let cooldown = state(&caller, appid).await["cooldown"].clone();
            assert_eq!(cooldown["class"], *class, "{code}");
            assert_eq!(cooldown["needs_a_person"], *needs_a_person, "{code}");
            let wait = cooldown["until"]
                .as_u64()
                .expect("a time")
                .saturating_sub(now());
            // It began after the process; both times are cut to whole seconds.
            let gone = begun.elapsed().as_secs() + 2;
            let bounds = shortest.saturating_sub(gone)..=*longest;
            assert!(bounds.contains(&wait), "{code}: {wait} s");

            let reply = caller.token(appid).await;
            let answered = if *class == "busy" {
                "upstream_away"
            } else {
                "refused_by_upstream"
            };
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (503, answered),
                "{code}"
            );
            let after: u64 = reply.headers["retry-after"]
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .expect("a number of seconds");
            assert!((1..=longest + 1).contains(&after), "{code}: {after}");
        }

        let (metrics, log) = (process.metrics().await, process.log());
        for (appid, Documented(code, class, _, _, needs_a_person)) in appids.iter().zip(&CODES) {
            let labels = [("appid", appid.as_str()), ("class", *class)];
            let refusals = sample(&metrics, "token_broker_fetch_refusals_total", &labels);
            assert_eq!(refusals, 1.0, "{code}");
            assert_eq!(fleet.wechat.count(appid, Endpoint::Token), 1, "{code}");
            let line = logged(&log, appid, *code);
            assert_eq!(line["class"], *class);
            assert!(
                !line["rid"].as_str().unwrap_or_default().is_empty(),
                "{line}"
            );
            let level = if *needs_a_person { "ERROR" } else { "WARN" };
            assert_eq!(line["level"], level, "{line}");
            if *code == 40164 {
                assert_eq!(line["ip"], "10.1.2.3", "{line}");
            }
        }
        assert_eq!(sample(&metrics, "token_broker_panics_total", &[]), 0.0);
        assert_eq!(fleet.wechat.violations(), []);
    });
}

/// The line that says that this app's fetch was refused with this code.
fn logged(log: &str, appid: &str, code: i64) -> Value {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["appid"] == appid && line["errcode"] == code)
        .unwrap_or_else(|| panic!("{code} of {appid} is not in the log:\n{log}"))
}

#[test]
fn a_changed_secret_ends_the_cooldown() {
    timed(async || {
        join(
            change_the_secret(Kept::InRedis),
            change_the_secret(Kept::Embedded),
        )
        .await;
    });
}

async fn change_the_secret(kept: Kept) {
    let apps = apps(1);
    let tune = |settings: Settings| settings.apps(apps.clone());
    let mut fleet = Fleet::without_replicas(kept, wechat_with(&apps), tune).await;
    fleet.wechat.set_secret(APP, "another-secret");
    fleet.add(1).await;
    let refused = async || fleet.caller(0).token(APP).await.code() == "refused_by_upstream";
    eventually("it is refused", Duration::from_secs(5), refused).await;

    // Started again with the same secret, it does not even ask.
    fleet.replicas.remove(0).stop().await;
    fleet.add(1).await;
    let reply = fleet.caller(0).token(APP).await;
    assert_eq!(reply.code(), "refused_by_upstream");
    assert_eq!(fleet.wechat.count(APP, Endpoint::Token), 1);

    fleet.replicas.remove(0).stop().await;
    fleet.settings.apps[0].secret = "another-secret".to_owned();
    let begun = Instant::now();
    fleet.add(1).await;
    let reply = fleet
        .caller(0)
        .token_within(APP, Duration::from_secs(3))
        .await;
    println!("{kept:?}: a token {:?} after the restart", begun.elapsed());
    assert!(
        fleet
            .wechat
            .was_valid(APP, &reply.token(), reply.answered_at)
    );
    assert_eq!(fleet.wechat.count(APP, Endpoint::Token), 2);
    fleet.assert_in_order().await;
}

#[test]
fn whoever_has_mended_the_cause_resumes_the_app_and_waits_no_longer() {
    timed(async || {
        let apps = apps(1);
        let tune = |settings: Settings| settings.apps(apps.clone());
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat_with(&apps), tune).await;
        fleet.wechat.set_error(APP, Some(50004));
        fleet.add(2).await;
        for replica in &fleet.replicas {
            let refused =
                async || replica.caller().token(APP).await.code() == "refused_by_upstream";
            eventually("it is refused", Duration::from_secs(5), refused).await;
        }
        fleet.wechat.set_error(APP, None);
        assert_eq!(fleet.wechat.count(APP, Endpoint::Token), 1);

        // Said to one of them.
        let resume = format!("/apps/{APP}/resume");
        let resumed = fleet.caller(0).post(&resume, serde_json::json!({})).await;
        assert_eq!(resumed.status, 200);
        for replica in &fleet.replicas {
            let caller = replica.caller();
            let reply = caller.token_within(APP, Duration::from_secs(3)).await;
            assert_eq!(reply.status, 200);
        }
        assert_eq!(fleet.wechat.count(APP, Endpoint::Token), 2);
        assert!(state(&fleet.caller(1), APP).await["cooldown"].is_null());
    });
}
