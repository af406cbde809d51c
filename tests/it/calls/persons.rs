//! WeChat's own paths where a person's token is the credential: an unmodified client finds them at the broker too, and
//! strangers find no more there than is said.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wechat_simulator::{Endpoint, Fault, FaultKind, Scope, Simulator};

use super::rig::{APP, FOLLOWER, Rig, STRANGER, settings, wechat};
use crate::support::broker::{Caller, TestBroker};
use crate::support::settings::{KEY, Settings};
use crate::support::timed::timed;

/// A broker, asked as an unmodified client asks: without any header of ours.
struct Unmodified {
    wechat: Simulator,
    caller: Caller,
    _broker: TestBroker,
    _directory: TempDir,
}

impl Unmodified {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let wechat = wechat(Vec::new()).await;
        let directory = TempDir::new().expect("a directory");
        let mut settings = settings(&wechat, &directory);
        change(&mut settings);
        let broker = TestBroker::start(&settings).await;
        let caller = broker.caller();
        caller.token_within(APP, Duration::from_secs(10)).await;
        Self {
            wechat,
            caller: caller.with_key(None),
            _broker: broker,
            _directory: directory,
        }
    }

    async fn get(&self, path: &str) -> Value {
        Rig::expect(&self.caller.get(path).await, 200)
    }

    async fn errcode(&self, path: &str) -> i64 {
        let told = self.get(path).await;
        told["errcode"].as_i64().unwrap_or_else(|| panic!("{told}"))
    }

    /// A person's token, as the client exchanges a code for it.
    async fn token(&self, openid: &str, scope: Scope) -> Value {
        let code = self.wechat.consent(APP, openid, scope);
        let path = format!(
            "/sns/oauth2/access_token?appid={APP}&secret={KEY}&code={code}&grant_type=authorization_code"
        );
        self.get(&path).await
    }

    /// How often WeChat was asked with people's tokens.
    fn asked(&self) -> usize {
        let with_persons = [Endpoint::WebUser, Endpoint::WebCheck, Endpoint::WebRefresh];
        let calls = self.wechat.calls();
        let asked = calls
            .iter()
            .filter(|call| with_persons.contains(&call.endpoint));
        asked.count()
    }
}

fn about(path: &str, token: &Value, openid: &str) -> String {
    let token = token["access_token"].as_str().expect("a token");
    format!("/sns/{path}?access_token={token}&openid={openid}")
}

fn renewal(appid: &str, refresh_token: &str) -> String {
    format!(
        "/sns/oauth2/refresh_token?appid={appid}&grant_type=refresh_token&refresh_token={refresh_token}"
    )
}

#[test]
fn a_persons_token_is_good_here_as_it_is_at_wechat() {
    timed(async || {
        let client = Unmodified::with(|_| ()).await;
        let token = client.token(STRANGER, Scope::UserInfo).await;
        let user = format!("{}&lang=zh_CN", about("userinfo", &token, STRANGER));
        let told = client.get(&user).await;
        assert_eq!(told["nickname"], "SIMULATED_NICKNAME");
        assert_eq!(told["unionid"], "union");
        assert_eq!(told.get("avatars"), None, "it is WeChat's answer, as it is");
        let checked = client.get(&about("auth", &token, STRANGER)).await;
        assert_eq!(checked, json!({"errcode": 0, "errmsg": "ok"}));
        let refresh_token = token["refresh_token"].as_str().expect("a token");
        let renewed = client.get(&renewal(APP, refresh_token)).await;
        assert_ne!(renewed["access_token"], token["access_token"]);
        assert_eq!(renewed["is_snapshotuser"], 1);
        assert_eq!(
            client.get(&about("userinfo", &renewed, STRANGER)).await["openid"],
            STRANGER
        );
        assert_eq!(client.wechat.violations(), []);
        assert_eq!(client.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn what_wechat_refuses_a_person_is_told_in_its_words() {
    timed(async || {
        let client = Unmodified::with(|_| ()).await;
        let base = client.token(FOLLOWER, Scope::Base).await;
        let unknown = json!({"access_token": "none-of-anybodys"});
        for (path, errcode) in [
            (about("userinfo", &base, FOLLOWER), 48001),
            (about("userinfo", &base, STRANGER), 40003),
            (about("userinfo", &unknown, FOLLOWER), 40001),
            (about("auth", &base, STRANGER), 40003),
            (renewal(APP, "none-of-anybodys"), 40030),
        ] {
            assert_eq!(client.errcode(&path).await, errcode, "{path}");
        }
        assert_eq!(client.asked(), 5);
        assert_eq!(client.wechat.violations(), []);
        assert_eq!(client.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn what_no_caller_may_ask_for_no_stranger_may() {
    timed(async || {
        let without_paths = |settings: &mut Settings| {
            let (all, some) = (
                "\"admin\"]",
                "\"admin\"], paths = [\"/sns/oauth2/access_token\"]",
            );
            settings.callers = settings.callers.replace(all, some);
        };
        let without_keys =
            |settings: &mut Settings| settings.gateway = "tokens_as_keys = false".to_owned();
        for client in [
            Unmodified::with(without_paths).await,
            Unmodified::with(without_keys).await,
        ] {
            let token = client.token(FOLLOWER, Scope::UserInfo).await;
            for path in ["userinfo", "auth"] {
                let path = about(path, &token, FOLLOWER);
                assert_eq!(client.errcode(&path).await, 48001, "{path}");
            }
            let refresh_token = token["refresh_token"].as_str().expect("a token");
            assert_eq!(client.errcode(&renewal(APP, refresh_token)).await, 48001);
            assert_eq!(client.asked(), 0);
        }
        let client = Unmodified::with(|_| ()).await;
        assert_eq!(client.errcode(&renewal("wx-unknown", "r")).await, 40013);
        assert_eq!(client.asked(), 0);
    });
}

#[test]
fn calls_with_peoples_tokens_have_places_of_their_own() {
    timed(async || {
        let one = |settings: &mut Settings| settings.gateway = "side_by_side = 1".to_owned();
        let client = Unmodified::with(one).await;
        let token = client.token(FOLLOWER, Scope::UserInfo).await;
        let slow = FaultKind::ActThenDelay(Duration::from_millis(400));
        client
            .wechat
            .faults()
            .add(Fault::new(slow).on(Endpoint::WebUser));
        let path = about("userinfo", &token, FOLLOWER);
        let (first, second) = tokio::join!(client.get(&path), client.get(&path));
        let refused = [&first, &second].map(|told| told["errcode"] == -1);
        assert_eq!(refused.iter().filter(|refused| **refused).count(), 1);
        assert!(
            format!("{first}{second}").contains("too_many_calls"),
            "{first} {second}"
        );
        // The place is given back, and nobody else's was taken.
        assert_eq!(client.get(&path).await["openid"], FOLLOWER);
        let (slow, other) = tokio::join!(client.get(&path), async {
            let keyed = client.caller.with_key(Some(KEY));
            keyed.get(&format!("/user/{APP}/{FOLLOWER}")).await
        });
        assert_eq!(slow["openid"], FOLLOWER);
        assert_eq!(Rig::expect(&other, 200)["openid"], FOLLOWER);
    });
}
