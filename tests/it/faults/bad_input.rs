//! Bad requests of every kind to a running process: each is refused by a problem document, and leaves
//! nothing behind: no call to WeChat, no series, no flood in the log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use token_broker::key::CallerKey;
use wechat_simulator::{Endpoint, Simulator};

use super::rig::{SOON, unhurried};
use crate::support::broker::{Caller, Reply};
use crate::support::fleet::{apps, sample, wechat_with};
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::settings::{KEY, Settings, StoreUnderTest};
use crate::support::timed::timed;

const MINE: &str = "wx0000000000000001";
const FOREIGN: &str = "wx0000000000000002";

/// Every route of an app, and whether the verb `read` suffices.
const ROUTES: [(&str, &str, bool); 7] = [
    ("GET", "/token/APP", true),
    ("GET", "/token/APP/events", true),
    ("POST", "/token/APP/report", true),
    ("POST", "/token/APP/refresh", false),
    ("GET", "/apps/APP", false),
    ("POST", "/apps/APP/pause", false),
    ("POST", "/apps/APP/resume", false),
];

/// A caller's key, in a pattern of its own.
fn key(id: &str, digit: char) -> String {
    format!("tbk_{id}_{}", digit.to_string().repeat(64))
}

fn caller_table(id: &str, digit: char, verb: &str) -> String {
    let key = key(id, digit);
    let key = CallerKey::parse(&key).expect("a key");
    let hash = key.hash();
    format!(
        "[[callers]]\nid = \"{id}\"\nkeys = [\"sha256:{hash}\"]\n\
         allow = [{{ appids = [\"{MINE}\"], verbs = [\"{verb}\"] }}]\n"
    )
}

/// What must be refused, with the codes it may be refused with. Each round differs in what a request can
/// choose freely.
async fn bad_requests(caller: &Caller, round: usize) -> Vec<(Vec<&'static str>, Reply)> {
    let nobodys = key("nobody", '5');
    let mut answered = Vec::new();
    let mut note = |codes: &[&'static str], reply| answered.push((codes.to_vec(), reply));
    for (method, path, readable) in ROUTES {
        let ask = async |key: Option<&str>, app: &str, body: Option<Value>| {
            let path = path.replace("APP", app);
            let caller = caller.with_key(key);
            caller
                .try_send(method, &path, body)
                .await
                .expect("an answer")
        };
        let reader = key("reader", '3');
        note(&["key_missing"], ask(None, MINE, None).await);
        note(&["key_wrong"], ask(Some(&nobodys), MINE, None).await);
        note(
            &["key_malformed"],
            ask(Some("canary-key"), MINE, None).await,
        );
        note(&["unknown_app"], ask(Some(&reader), FOREIGN, None).await);
        if !readable {
            note(&["forbidden"], ask(Some(&reader), MINE, None).await);
        }
        let long = format!("canary{round}{}", "x".repeat(3000));
        let odd = [
            format!("canary{round}"),
            format!("wx-canary-{round}%00"),
            "%F0%9F%92%A9canary".to_owned(),
            "canary%2F..%2Fetc%2Fpasswd".to_owned(),
            "canary%22%7D%0A".to_owned(),
            MINE.to_uppercase(),
            long,
        ];
        for id in odd {
            note(&["unknown_app"], ask(Some(KEY), &id, None).await);
        }
    }
    let report = format!("/token/{MINE}/report");
    let bodies = [
        json!(null),
        json!([]),
        json!("canary"),
        json!(17),
        json!({}),
        json!({"access_token": ""}),
        json!({"access_token": null}),
        json!({"access_token": "canary\n"}),
        json!({"access_token": "x".repeat(4096)}),
        json!({"sha256": "canary"}),
        json!({"sha256": "0".repeat(63)}),
        json!({"access_token": "canary-token", "sha256": "0".repeat(64)}),
        json!({format!("canary{round}"): 1}),
    ];
    for body in bodies {
        let reply = caller.post(&report, body).await;
        note(&["malformed_body"], reply);
    }
    note(
        &["malformed_body", "unsupported_media_type"],
        caller
            .try_send("POST", &report, None)
            .await
            .expect("an answer"),
    );
    let huge = json!({"access_token": "x".repeat(70_000)});
    note(&["body_too_large"], caller.post(&report, huge).await);
    let query = format!("/token/{MINE}?canary{round}=1");
    note(&["unexpected_query"], caller.get(&query).await);
    note(
        &["no_such_route"],
        caller.get(&format!("/canary{round}")).await,
    );
    let deleted = caller
        .try_send("DELETE", &format!("/token/{MINE}"), None)
        .await;
    note(&["method_not_allowed"], deleted.expect("an answer"));
    answered
}

/// The series of `/metrics`, without their values.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

#[test]
fn bad_requests_are_refused_and_leave_nothing_behind() {
    timed(async || {
        let apps = apps(2);
        let mut lives = wechat_with(&apps);
        // Nothing is due while this runs: every call would be one of a bad request.
        lives.token_life = Duration::from_secs(7200);
        let wechat = Simulator::start(lives).await.expect("the simulator starts");
        let redis = RedisServer::start();
        let store = StoreUnderTest::Redis {
            url: redis.url(),
            namespace: "bad".to_owned(),
        };
        let mut settings = unhurried(Settings::new(&wechat.base_url(), store)).apps(apps);
        settings.callers += &caller_table("reader", '3', "read");
        settings.callers += &caller_table("refresher", '4', "refresh");
        let process = Process::listening(&settings).await;
        let caller = process.caller().await;
        for app in [MINE, FOREIGN] {
            caller.token_within(app, SOON).await;
        }

        bad_requests(&caller, 0).await;
        let known = series(&process.metrics().await);
        let lines = process.log().lines().count();
        let began = Instant::now();
        let mut asked = 0;
        for round in 1..=5 {
            for (codes, reply) in bad_requests(&caller, round).await {
                asked += 1;
                assert!(
                    codes.contains(&reply.code().as_str()),
                    "{codes:?}: {reply:?}"
                );
                assert_eq!(reply.headers["content-type"], "application/problem+json");
                assert_eq!(reply.headers["cache-control"], "no-store");
                assert!((400..500).contains(&reply.status), "{reply:?}");
                assert!(reply.body.len() < 1000, "{reply:?}");
            }
        }
        let refresher = caller.with_key(Some(&key("refresher", '4')));
        let reply = refresher.token(MINE).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"));

        let fetches = |app| wechat.count(app, Endpoint::Token);
        assert_eq!((fetches(MINE), fetches(FOREIGN)), (1, 1));
        let metrics = process.metrics().await;
        let reports = [("purpose", "report")];
        assert_eq!(sample(&metrics, "token_broker_checks_total", &reports), 0.0);
        let new: Vec<_> = series(&metrics).difference(&known).cloned().collect();
        // Checks of the token go on beside it, and count what they count.
        let new: Vec<_> = new
            .iter()
            .filter(|name| !name.contains("checks_total"))
            .collect();
        assert!(new.is_empty(), "{new:?}");
        assert!(!metrics.contains("canary"));

        let log = process.log();
        let written = log.lines().skip(lines);
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few") + 2;
        let codes = 10;
        let (written, longest) = (written.clone().count(), written.map(str::len).max());
        println!("{asked} bad requests: {written} lines, the longest of {longest:?} bytes");
        assert!(written <= codes * 10 * seconds, "{written} lines");
        assert!(longest.unwrap_or_default() < 700, "{longest:?}");
        assert!(!log.contains("canary"));
    });
}
