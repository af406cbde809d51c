//! Profiles: typed, refreshed once in the middle, and never lost for a neighbour's sake.

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::rig::{APP, FOLLOWER, Rig, STRANGER};
use crate::support::timed::timed;

fn user(openid: &str, query: &str) -> String {
    format!("/user/{APP}/{openid}{query}")
}

#[test]
fn a_profile_is_told_in_the_language_asked_for() {
    timed(async || {
        let rig = Rig::start().await;
        for (lang, told) in [("zh_TW", "zh_TW"), ("zh-CN", "zh_CN"), ("en", "en")] {
            let reply = rig
                .caller
                .get(&user(FOLLOWER, &format!("?lang={lang}")))
                .await;
            let profile = Rig::expect(&reply, 200);
            assert_eq!(profile["language"], told);
            assert_eq!(profile["subscribe"], 1);
        }
        let reply = rig.caller.get(&user(STRANGER, "")).await;
        let told = json!({"openid": STRANGER, "subscribe": 0, "unionid": "union"});
        assert_eq!(Rig::expect(&reply, 200), told);
        let reply = rig.caller.get(&user("o-nobody", "")).await;
        let problem = Rig::expect(&reply, 502);
        assert_eq!(problem["code"], "upstream_error");
        assert_eq!(problem["errcode"], 40003);
        assert!(problem["rid"].is_string());
        assert_eq!(rig.wechat.violations(), []);
    });
}

#[test]
fn what_is_wrongly_asked_is_named_and_not_passed_on() {
    timed(async || {
        let rig = Rig::start().await;
        let long = "o".repeat(129);
        for (path, parameter) in [
            (user(FOLLOWER, "?lang=fr"), "lang"),
            (user(FOLLOWER, "?lang="), "lang"),
            (user(FOLLOWER, "?lang"), "lang"),
            (user(FOLLOWER, "?lang=en&lang=en"), "lang"),
            (user(FOLLOWER, "?lang=%ff"), "lang"),
            (user(FOLLOWER, "?canary=1"), "canary"),
            (user(&long, ""), "openid"),
            (user("a%20b", ""), "openid"),
        ] {
            let problem = Rig::expect(&rig.caller.get(&path).await, 400);
            assert_eq!(problem["code"], "bad_parameter", "{path}");
            assert_eq!(problem["parameter"], parameter, "{path}");
        }
        let many = vec![FOLLOWER; 10_001];
        for (body, parameter) in [
            (json!({}), "openids"),
            (json!({"openids": []}), "openids"),
            (json!({"openids": FOLLOWER}), "openids"),
            (json!({"openids": [FOLLOWER, 7]}), "openids"),
            (json!({"openids": ["a b"]}), "openids"),
            (json!({"openids": many}), "openids"),
            (json!({"openids": [FOLLOWER], "lang": 1}), "lang"),
            (json!({"openids": [FOLLOWER], "more": 1}), "more"),
        ] {
            let reply = rig.caller.post(&format!("/user/{APP}/batch"), body).await;
            let problem = Rig::expect(&reply, 400);
            assert_eq!(problem["parameter"], parameter, "{problem}");
        }
        assert_eq!(rig.wechat.count(APP, Endpoint::UserInfo), 0);
        assert_eq!(rig.wechat.count(APP, Endpoint::UserBatch), 0);
    });
}

#[test]
fn a_rotation_in_the_middle_is_not_noticed() {
    timed(async || {
        let rig = Rig::start().await;
        rig.wechat.foreign_fetch_twice(APP);
        let reply = rig.caller.get(&user(FOLLOWER, "")).await;
        assert_eq!(Rig::expect(&reply, 200)["openid"], FOLLOWER);
        // The close watch may have been faster than the call.
        assert!(rig.wechat.count(APP, Endpoint::UserInfo) <= 2);
        assert_eq!(rig.wechat.fetches(APP).len(), 2);
    });
}

#[test]
fn a_false_40001_is_passed_on_and_costs_no_fetch() {
    timed(async || {
        let rig = Rig::start().await;
        let lie = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::UserInfo);
        rig.wechat.faults().add(lie.once());
        let reply = rig.caller.get(&user(FOLLOWER, "")).await;
        assert_eq!(Rig::expect(&reply, 502)["errcode"], 40001);
        assert_eq!(rig.wechat.count(APP, Endpoint::UserInfo), 1);
        assert_eq!(rig.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn a_reply_that_never_comes_is_unclear() {
    timed(async || {
        let rig = Rig::start().await;
        for kind in [
            FaultKind::ActThenCut,
            FaultKind::Hang { acts: true },
            FaultKind::Status(502),
        ] {
            rig.wechat
                .faults()
                .add(Fault::new(kind).on(Endpoint::UserInfo).once());
            let reply = rig.caller.get(&user(FOLLOWER, "")).await;
            assert_eq!(Rig::expect(&reply, 504)["code"], "upstream_unclear");
        }
    });
}

#[test]
fn a_batch_keeps_its_order_asks_once_and_loses_only_the_bad_hundred() {
    timed(async || {
        let openids: Vec<_> = (0..300).map(|n| format!("o-{n}")).collect();
        let rig = Rig::with_users(openids.clone()).await;
        let mut asked = openids.clone();
        asked[150] = "o-nobody".to_owned();
        asked.extend(openids.iter().take(20).rev().cloned());
        let reply = rig
            .caller
            .post(
                &format!("/user/{APP}/batch"),
                json!({"openids": asked, "lang": "en"}),
            )
            .await;
        let answer = Rig::expect(&reply, 200);
        let users = answer["users"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> = users
            .iter()
            .map(|user| user["openid"].as_str().unwrap_or(""))
            .collect();
        assert_eq!(told, asked);
        let failed = |user: &&Value| user["error"]["errcode"] == 40003;
        assert_eq!(users.iter().filter(failed).count(), 100);
        assert_eq!(users[150]["error"]["code"], "upstream_error");
        assert_eq!(users[319]["language"], "en");
        assert_eq!(rig.wechat.count(APP, Endpoint::UserBatch), 3);
        assert_eq!(rig.wechat.violations(), []);
    });
}
