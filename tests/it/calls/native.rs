//! WeChat's own shape: what an unmodified client is told, and that nothing it does costs a fetch.

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Scope};

use super::rig::{APP, Rig, STRANGER};
use crate::support::settings::KEY;
use crate::support::timed::timed;

fn token_path(appid: &str, secret: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}")
}

/// Asks as an unmodified client does: without any header of ours.
async fn get(rig: &Rig, path: &str) -> Value {
    Rig::expect(&rig.caller.with_key(None).get(path).await, 200)
}

async fn stable(rig: &Rig, more: Value) -> Value {
    let mut body = json!({"grant_type": "client_credential", "appid": APP, "secret": KEY});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let reply = rig
        .caller
        .with_key(None)
        .post("/cgi-bin/stable_token", body)
        .await;
    Rig::expect(&reply, 200)
}

#[test]
fn an_unmodified_client_gets_the_current_token_however_often_it_fetches() {
    timed(async || {
        let rig = Rig::start().await;
        let current = rig.caller.token(APP).await.token();
        for _ in 0..500 {
            let token = get(&rig, &token_path(APP, KEY)).await;
            assert_eq!(token["access_token"], current);
            assert!(
                token["expires_in"]
                    .as_u64()
                    .is_some_and(|left| (60..=7200).contains(&left))
            );
            assert_eq!(token.as_object().map(serde_json::Map::len), Some(2));
        }
        for force in [
            json!({}),
            json!({"force_refresh": false}),
            json!({"force_refresh": true}),
        ] {
            assert_eq!(stable(&rig, force).await["access_token"], current);
        }
        assert_eq!(rig.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn a_forced_refresh_of_a_dead_token_brings_another() {
    timed(async || {
        let rig = Rig::start().await;
        let dead = rig.caller.token(APP).await.token();
        rig.wechat.foreign_fetch_twice(APP);
        // As long as the verdict of a check before that answers reports (`close_watch`), and some more.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let token = stable(&rig, json!({"force_refresh": true})).await;
        assert_ne!(token["access_token"], dead);
        assert_eq!(rig.wechat.fetches(APP).len(), 2);
    });
}

#[test]
fn refusals_have_wechats_shape_and_are_never_40001() {
    timed(async || {
        let rig = Rig::start().await;
        let wrong = format!("tbk_tests_{}", "1".repeat(64));
        let good = token_path(APP, KEY);
        for (path, errcode) in [
            (token_path("wx-unknown", KEY), 40013),
            (token_path(APP, &wrong), 40125),
            (token_path(APP, "canary"), 40125),
            (token_path(APP, ""), 41004),
            (good.replace("client_credential", "password"), 40002),
            (good.replace("grant_type", "grant"), 40002),
            (good.replace("appid", "app"), 41002),
            (format!("{good}&appid={APP}"), 41002),
            (format!("{good}&secret=canary"), 41004),
            (good.replace(APP, "%ff"), 41002),
            (good.replace(APP, &"x".repeat(65)), 41002),
            (String::from("/cgi-bin/token"), 40002),
        ] {
            let refusal = get(&rig, &path).await;
            assert_eq!(refusal["errcode"], errcode, "{path}");
            assert!(!refusal.to_string().contains("canary"), "{refusal}");
            assert_eq!(refusal.get("access_token"), None);
        }
        assert_eq!(
            stable(&rig, json!({"force_refresh": "yes"})).await["errcode"],
            40035
        );
        assert_eq!(
            stable(&rig, json!({"secret": wrong})).await["errcode"],
            40125
        );
        let reply = rig.caller.with_key(None).post(&good, json!({})).await;
        assert_eq!(Rig::expect(&reply, 200)["errcode"], 43001);
        assert_eq!(rig.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn codes_are_exchanged_in_wechats_shape() {
    timed(async || {
        let rig = Rig::start().await;
        let path = |path: &str, name: &str, code: &str| {
            format!(
                "/sns/{path}?appid={APP}&secret={KEY}&{name}={code}&grant_type=authorization_code"
            )
        };
        let code = rig.wechat.consent(APP, STRANGER, Scope::Base);
        let exchange = path("oauth2/access_token", "code", &code);
        let token = get(&rig, &exchange).await;
        assert_eq!(token["openid"], STRANGER);
        assert_eq!(token["is_snapshotuser"], 1);
        assert_eq!(get(&rig, &exchange).await["errcode"], 40163);
        let code = rig.wechat.consent(APP, STRANGER, Scope::MiniProgram);
        let session = get(&rig, &path("jscode2session", "js_code", &code)).await;
        assert!(session["session_key"].is_string());
        assert_eq!(
            get(&rig, &path("jscode2session", "code", "x")).await["errcode"],
            41008
        );
        rig.wechat.set_secret(APP, "another");
        assert_eq!(get(&rig, &exchange).await["errcode"], -1);
        assert_eq!(rig.wechat.count(APP, Endpoint::Session), 1);
    });
}
