//! Web authorization and mini-program logins: the caller never sees the AppSecret, and a code is never risked
//! twice.

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Fault, FaultKind, Scope};

use super::rig::{APP, FOLLOWER, Rig, STRANGER};
use crate::support::fleet::sample;
use crate::support::timed::timed;

async fn post(rig: &Rig, what: &str, body: Value, status: u16) -> Value {
    let path = match what {
        "session" => format!("/session/{APP}"),
        _ => format!("/oauth/{APP}/{what}"),
    };
    Rig::expect(&rig.caller.post(&path, body).await, status)
}

#[test]
fn the_consent_page_has_wechats_order() {
    timed(async || {
        let rig = Rig::start().await;
        let query = "redirect_uri=https%3A%2F%2Fx.example%2Fback%3Fa%3D1&state=abc1&forcePopup=true&scope=snsapi_userinfo";
        let reply = rig
            .caller
            .get(&format!("/oauth/{APP}/authorize?{query}"))
            .await;
        let expected = format!(
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid={APP}&redirect_uri=https%3A%2F%2Fx.example%2Fback%3Fa%3D1&response_type=code&scope=snsapi_userinfo&state=abc1&forcePopup=true#wechat_redirect"
        );
        assert_eq!(Rig::expect(&reply, 200)["url"], expected);
        let good = "redirect_uri=https%3A%2F%2Fx.example&scope=snsapi_base";
        for (query, parameter) in [
            (String::from("scope=snsapi_base"), "redirect_uri"),
            (
                good.replace("https%3A%2F%2Fx.example", "javascript%3Ax"),
                "redirect_uri",
            ),
            (good.replace("snsapi_base", "snsapi_login"), "scope"),
            (
                String::from("redirect_uri=https%3A%2F%2Fx.example"),
                "scope",
            ),
            (format!("{good}&state=a-b"), "state"),
            (format!("{good}&state={}", "a".repeat(129)), "state"),
            (format!("{good}&forcePopup=1"), "forcePopup"),
            (format!("{good}&scope=snsapi_base"), "scope"),
            (format!("{good}&secret=canary"), "secret"),
        ] {
            let reply = rig
                .caller
                .get(&format!("/oauth/{APP}/authorize?{query}"))
                .await;
            assert_eq!(Rig::expect(&reply, 400)["parameter"], parameter, "{query}");
        }
    });
}

#[test]
fn a_code_is_exchanged_renewed_checked_and_told_of() {
    timed(async || {
        let rig = Rig::start().await;
        let code = rig.wechat.consent(APP, STRANGER, Scope::UserInfo);
        let token = post(&rig, "exchange", json!({"code": code}), 200).await;
        assert_eq!(token["openid"], STRANGER);
        assert_eq!(token["is_snapshotuser"], true);
        assert_eq!(token["unionid"], "union");
        let renewing = json!({"refresh_token": token["refresh_token"]});
        let renewed = post(&rig, "refresh", renewing, 200).await;
        assert_ne!(renewed["access_token"], token["access_token"]);
        let person = json!({"access_token": renewed["access_token"], "openid": STRANGER});
        assert_eq!(
            post(&rig, "check", person.clone(), 200).await["valid"],
            true
        );
        let profile = post(&rig, "userinfo", person, 200).await;
        assert_eq!(profile["nickname"], "SIMULATED_NICKNAME");
        assert!(profile["avatars"]["64"].is_string());
        let other = json!({"access_token": renewed["access_token"], "openid": FOLLOWER});
        assert_eq!(post(&rig, "check", other, 200).await["valid"], false);
        let again = post(&rig, "exchange", json!({"code": code}), 502).await;
        assert_eq!(again["errcode"], 40163);
        assert_eq!(rig.wechat.violations(), []);
    });
}

#[test]
fn a_persons_refused_token_is_no_reason_to_look_at_the_apps() {
    timed(async || {
        let rig = Rig::start().await;
        let person = json!({"access_token": "a".repeat(64), "openid": FOLLOWER});
        let problem = post(&rig, "userinfo", person, 502).await;
        assert_eq!(problem["errcode"], 40001);
        let metrics = rig.broker.metrics().await;
        let reported = [("purpose", "report")];
        assert_eq!(
            sample(&metrics, "token_broker_checks_total", &reported),
            0.0
        );
        assert_eq!(rig.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn a_mini_programs_code_becomes_a_session() {
    timed(async || {
        let rig = Rig::start().await;
        let code = rig.wechat.consent(APP, STRANGER, Scope::MiniProgram);
        let session = post(&rig, "session", json!({"js_code": code}), 200).await;
        assert_eq!(session["openid"], STRANGER);
        assert_eq!(session["unionid"], "union");
        assert!(session["session_key"].is_string());
        let problem = post(&rig, "session", json!({"js_code": "other"}), 502).await;
        assert_eq!(problem["errcode"], 40029);
    });
}

#[test]
fn a_code_that_may_have_arrived_is_not_sent_again() {
    timed(async || {
        let rig = Rig::start().await;
        for (endpoint, what, name) in [
            (Endpoint::WebToken, "exchange", "code"),
            (Endpoint::Session, "session", "js_code"),
        ] {
            for kind in [
                FaultKind::ActThenCut,
                FaultKind::CutBefore,
                FaultKind::HalfReply,
            ] {
                let before = rig.wechat.count(APP, endpoint);
                rig.wechat
                    .faults()
                    .add(Fault::new(kind).on(endpoint).once());
                let problem = post(&rig, what, json!({name: "x"}), 504).await;
                assert_eq!(problem["code"], "upstream_unclear");
                assert_eq!(rig.wechat.count(APP, endpoint), before + 1);
            }
        }
    });
}

#[test]
fn what_is_wrongly_sent_is_named_and_not_passed_on() {
    timed(async || {
        let rig = Rig::start().await;
        for (what, body, parameter) in [
            ("exchange", json!({}), "code"),
            ("exchange", json!({"code": ""}), "code"),
            ("exchange", json!({"code": 7}), "code"),
            ("exchange", json!({"code": "x".repeat(513)}), "code"),
            ("exchange", json!({"code": "canary\n"}), "code"),
            (
                "exchange",
                json!({"code": "x", "secret": "canary"}),
                "secret",
            ),
            ("refresh", json!({}), "refresh_token"),
            ("userinfo", json!({"openid": "o"}), "access_token"),
            (
                "userinfo",
                json!({"access_token": "a", "openid": "o o"}),
                "openid",
            ),
            ("check", json!({"access_token": "a"}), "openid"),
            ("session", json!({"code": "x"}), "code"),
        ] {
            let problem = post(&rig, what, body, 400).await;
            assert_eq!(problem["parameter"], parameter, "{what}");
            assert!(!problem.to_string().contains("canary"));
        }
        let asked = |call: &wechat_simulator::Call| !call.endpoint.fetches_tokens();
        let asked = rig.wechat.calls().into_iter().filter(asked);
        assert!(
            asked
                .into_iter()
                .all(|call| call.endpoint == Endpoint::ApiDomainIp)
        );
    });
}
