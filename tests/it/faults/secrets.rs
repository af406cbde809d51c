//! Nothing secret leaves the process but where it is asked for: a canary for each kind of secret, every
//! route and failure, the most talkative log.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use wechat_simulator::{Endpoint, Fault, FaultKind, Garbage, Simulator};

use super::rig::{SOON, surroundings};
use crate::support::fleet::wechat_with;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::settings::{AppUnderTest, KEY, Settings, StoreUnderTest};
use crate::support::timed::timed;

const APP: &str = "wx0000000000000001";

#[test]
fn no_secret_token_or_key_is_ever_logged_measured_or_told() {
    timed(async || {
        let mut app = AppUnderTest::new(APP);
        app.secret = "canarysecret0123456789abcdef".to_owned();
        let wechat = Simulator::start(wechat_with(std::slice::from_ref(&app)))
            .await
            .expect("the simulator starts");
        let redis = RedisServer::start();
        let store = StoreUnderTest::Redis {
            url: redis.url(),
            namespace: "canary".to_owned(),
        };
        let mut settings = Settings::new(&wechat.base_url(), store).apps(vec![app.clone()]);
        settings.log_level = "trace".to_owned();
        let mut process = Process::listening(&settings).await;
        let caller = process.caller().await;
        let token = caller.token_within(APP, SOON).await.token();
        let wrong = "tbk_tests_1111111111111111111111111111111111111111111111111111111111111111";
        let mut told = Vec::new();

        for key in [Some(KEY), Some(wrong), Some("nonsense"), None] {
            let caller = caller.with_key(key);
            for path in [
                "/apps",
                "/apps/wx0000000000000001",
                "/token/other",
                "/token/%00",
                "/nowhere",
            ] {
                told.push(caller.get(path).await.body);
            }
            for (path, body) in [
                ("report", json!({"access_token": "not-the-token"})),
                ("report", json!({"sha256": "00"})),
                ("report", json!([token])),
                ("refresh", json!({"access_token": token})),
            ] {
                let reply = caller.post(&format!("/token/{APP}/{path}"), body).await;
                // An answer to a report carries the current token: that is what it is for.
                if reply.status != 200 {
                    told.push(reply.body);
                }
            }
        }
        for verb in ["pause", "resume"] {
            told.push(
                caller
                    .post(&format!("/apps/{APP}/{verb}"), json!({}))
                    .await
                    .body,
            );
        }
        let query = format!("/token/{APP}?access_token={token}");
        told.push(caller.with_key(None).get(&query).await.body);
        for fault in [
            Fault::new(FaultKind::ActThenCut),
            Fault::new(FaultKind::Status(500)),
            Fault::new(FaultKind::Errcode(40164)),
            Fault::new(FaultKind::HalfReply),
            Fault::new(FaultKind::ActThenStatus(502)),
            Fault::new(FaultKind::Errcode(40001)),
            Fault::garbage(Garbage::TruncatedJson),
            Fault::garbage(Garbage::JsonString),
            Fault::garbage(Garbage::TwoDocuments),
            Fault::garbage(Garbage::ErrcodeBesideToken),
            Fault::garbage(Garbage::TokenWithNewline),
            Fault::garbage(Garbage::StringErrcode),
            Fault::new(FaultKind::Hang { acts: true }),
        ] {
            wechat.faults().add(fault.on(Endpoint::Token).once());
            wechat.invalidate(APP);
            let current = caller.get(&format!("/token/{APP}")).await;
            if current.status == 200 {
                let report = json!({"access_token": current.token()});
                drop(caller.post(&format!("/token/{APP}/report"), report).await);
            }
            told.push(process.metrics().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
        tokio::time::sleep(Duration::from_millis(500)).await;
        told.push(process.metrics().await);
        process.terminate();
        assert_eq!(process.ended(SOON).await, Some(0));

        let mut canaries = vec![app.secret, KEY[10..].to_owned(), wrong[10..].to_owned()];
        canaries.extend(wechat.tokens(APP).into_iter().map(|token| token.value));
        // A token cut short or bent is one too.
        canaries.push("SIMULATED".to_owned());
        assert!(canaries.len() > 4, "several tokens were issued");
        let log = process.log();
        assert!(log.contains("refreshed"), "the log was captured");
        let told = told.join("\n");
        for canary in &canaries {
            assert!(!log.contains(canary.as_str()), "in the log: {canary}");
            assert!(!told.contains(canary.as_str()), "in an answer: {canary}");
        }
    });
}

#[test]
fn the_command_line_talks_to_a_running_broker() {
    timed(async || {
        let (_wechat, _redis, settings) = surroundings(APP, "cli").await;
        let process = Process::listening(&settings).await;
        let served = process.caller().await.token_within(APP, SOON).await;
        let api = format!("http://{}", process.address("listen").await);
        let ops = format!("http://{}", process.address("ops_listen").await);
        let run = |key: &str, words: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_token-broker"))
                .args(words)
                .env_clear()
                .env("TOKEN_BROKER_KEY", key)
                .output()
                .expect("it runs");
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
            (
                output.status.code(),
                text(output.stdout),
                text(output.stderr),
            )
        };

        let (code, out, _) = run(KEY, &["token", "get", APP, "--url", &api]);
        assert_eq!((code, out.trim()), (Some(0), served.token().as_str()));
        let (code, out, _) = run(KEY, &["status", "--url", &api]);
        assert_eq!(code, Some(0));
        assert!(
            out.starts_with("APPID") && out.contains(APP) && out.contains(" ok "),
            "{out}"
        );
        let (code, out, _) = run(KEY, &["status", "--json", "--url", &api]);
        assert_eq!(code, Some(0));
        let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(json["apps"][0]["appid"], APP);
        for words in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
            let (code, _, _) = run(KEY, &[words, &["--url", &ops]].concat());
            assert_eq!(code, Some(0));
        }
        let (code, out, err) = run(
            &KEY.replace("_00", "_11"),
            &["token", "get", APP, "--url", &api],
        );
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("key_wrong"), "{err}");
    });
}
