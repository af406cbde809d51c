//! What calls leave in the log of a real process, at its most talkative: no code, token, key or secret.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use wechat_simulator::Scope;

use super::rig::{APP, FOLLOWER, Rig, STRANGER, settings, wechat};
use crate::support::process::Process;
use crate::support::settings::KEY;
use crate::support::timed::timed;

#[test]
fn nothing_secret_is_logged() {
    timed(async || {
        let wechat = wechat(Vec::new()).await;
        let directory = TempDir::new().expect("a directory");
        let mut settings = settings(&wechat, &directory);
        settings.log_level = "trace".to_owned();
        let broker = Process::listening(&settings).await;
        let caller = broker.caller().await;
        let app_token = caller
            .token_within(APP, Duration::from_secs(20))
            .await
            .token();

        let code = wechat.consent(APP, STRANGER, Scope::UserInfo);
        let login = wechat.consent(APP, STRANGER, Scope::MiniProgram);
        let exchange = format!("/oauth/{APP}/exchange");
        let token = Rig::expect(&caller.post(&exchange, json!({"code": code})).await, 200);
        caller.post(&exchange, json!({"code": code})).await;
        let person = json!({"access_token": token["access_token"], "openid": STRANGER});
        caller
            .post(&format!("/oauth/{APP}/userinfo"), person.clone())
            .await;
        caller.post(&format!("/oauth/{APP}/check"), person).await;
        let session = caller
            .post(&format!("/session/{APP}"), json!({"js_code": login}))
            .await;
        let session = Rig::expect(&session, 200);
        caller.get(&format!("/user/{APP}/{FOLLOWER}")).await;
        caller
            .get(&format!("/gateway/{APP}/wxa/simulator/echo?q=canary-value"))
            .await;
        caller
            .get(&format!("/gateway/{APP}/wxa/nowhere?q=canary-value"))
            .await;
        let native = format!("/wxa/simulator/echo?access_token={app_token}&q=canary-value");
        caller.with_key(None).get(&native).await;
        caller
            .with_key(None)
            .get(&format!("/wxa/x?access_token={app_token}x"))
            .await;
        let fetch = "/cgi-bin/token?grant_type=client_credential";
        caller
            .with_key(None)
            .get(&format!("{fetch}&appid={APP}&secret={KEY}"))
            .await;

        let log = broker.log();
        assert!(log.contains("upstream_error"), "{log}");
        let told = |value: &serde_json::Value| value.as_str().unwrap_or("nothing").to_owned();
        for secret in [
            "canary-value".to_owned(),
            code,
            login,
            app_token,
            told(&token["access_token"]),
            told(&token["refresh_token"]),
            told(&session["session_key"]),
            KEY.to_owned(),
            format!("secret-of-{APP}"),
        ] {
            assert!(!log.contains(&secret), "{secret} is in the log");
        }
    });
}
