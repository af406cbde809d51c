//! Ten thousand openids in one request: through a slow WeChat, errors of every kind and a rotation in the middle.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wechat_simulator::{
    App, Endpoint, Fault, FaultKind, Settings as WeChatSettings, Simulator, User,
};

use super::rig::{APP, Rig, settings};
use crate::support::broker::TestBroker;
use crate::support::timed::timed_in_a_crowd;

const MANY: usize = 10_000;

/// How long a token lives: replaced at half of it.
const LIFE: Duration = Duration::from_secs(16);

async fn slow_wechat(openids: &[String]) -> Simulator {
    Simulator::start(WeChatSettings {
        apps: vec![App::new(APP, format!("secret-of-{APP}"))],
        users: openids
            .iter()
            .map(|openid| User::new(APP, openid))
            .collect(),
        latency: Duration::from_millis(50),
        token_life: LIFE,
        overlap: Duration::from_secs(7),
        ..WeChatSettings::default()
    })
    .await
    .expect("the simulator starts")
}

#[test]
fn ten_thousand_are_told_through_errors_and_a_rotation() {
    timed_in_a_crowd(async || {
        let openids: Vec<_> = (0..MANY).map(|n| format!("o-{n}")).collect();
        let wechat = slow_wechat(&openids).await;
        let directory = TempDir::new().expect("a directory");
        let mut settings = settings(&wechat, &directory)
            .refresh("overlap", "7s")
            .refresh("lease", "2s")
            .refresh("min_spacing", "7100ms");
        // Room for a busy machine: what fails here is what is made to.
        settings.timeout = Duration::from_millis(1500);
        let broker = TestBroker::start(&settings).await;
        let caller = broker.caller();
        caller.token_within(APP, Duration::from_secs(10)).await;
        while caller.token(APP).await.json()["expires_in"].as_u64() > Some(LIFE.as_secs() / 2) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let faults = [
            (FaultKind::Errcode(45009), 3, "upstream_error", Some(45009)),
            (FaultKind::Errcode(-1), 2, "upstream_error", Some(-1)),
            (FaultKind::ActThenCut, 2, "upstream_unclear", None),
            (FaultKind::Status(502), 1, "upstream_unclear", None),
        ];
        // A batch is over in a second or two: one of a few has the rotation within it.
        for _ in 0..8 {
            wechat.faults().clear();
            for (kind, times, ..) in faults {
                let fault = Fault::new(kind).on(Endpoint::UserBatch);
                wechat.faults().add(fault.times(times));
            }
            let (fetches, calls) = (
                wechat.fetches(APP).len(),
                wechat.count(APP, Endpoint::UserBatch),
            );
            let body = json!({"openids": openids, "lang": "zh_TW"});
            let reply = caller.post(&format!("/user/{APP}/batch"), body).await;
            judge(&Rig::expect(&reply, 200), &openids, &faults);
            assert_eq!(wechat.count(APP, Endpoint::UserBatch) - calls, MANY / 100);
            if wechat.fetches(APP).len() > fetches {
                assert_eq!(wechat.violations(), []);
                return;
            }
        }
        panic!("no rotation fell into a batch");
    });
}

/// Every openid is told, in its place; those of a hundred that failed by the error of that hundred.
fn judge(answer: &Value, openids: &[String], faults: &[(FaultKind, u32, &str, Option<i64>)]) {
    let users = answer["users"].as_array().expect("a list");
    let told: Vec<_> = users
        .iter()
        .filter_map(|user| user["openid"].as_str())
        .collect();
    assert!(told == openids, "another order, or somebody is missing");
    let mut failed: HashMap<(String, Option<i64>), usize> = HashMap::new();
    for user in users {
        match user.get("error") {
            None => assert_eq!(user["language"], "zh_TW", "{user}"),
            Some(error) => {
                let code = error["code"].as_str().unwrap_or_default().to_owned();
                *failed.entry((code, error["errcode"].as_i64())).or_default() += 1;
            }
        }
    }
    let mut expected: HashMap<(String, Option<i64>), usize> = HashMap::new();
    for (_, times, code, errcode) in faults {
        *expected.entry(((*code).to_owned(), *errcode)).or_default() += *times as usize * 100;
    }
    assert_eq!(failed, expected);
}
