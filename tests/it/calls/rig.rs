//! A simulated WeChat with people, and a broker that serves its app.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wechat_simulator::{App, Endpoint, Settings as WeChatSettings, Simulator, User};

use crate::support::broker::{Caller, Reply, TestBroker};
use crate::support::settings::{Settings, StoreUnderTest};

pub(super) const APP: &str = "wx0000000000000001";
pub(super) const FOLLOWER: &str = "o-follower";
pub(super) const STRANGER: &str = "o-stranger";

pub(super) struct Rig {
    pub(super) wechat: Simulator,
    pub(super) caller: Caller,
    pub(super) broker: TestBroker,
    _directory: TempDir,
}

/// A WeChat that knows a follower, somebody who is none, and more followers.
pub(super) async fn wechat(openids: Vec<String>) -> Simulator {
    let stranger = User {
        unionid: Some("union".to_owned()),
        follows: false,
        virtual_user: true,
        ..User::new(APP, STRANGER)
    };
    let more = openids.into_iter().map(|openid| User::new(APP, openid));
    Simulator::start(WeChatSettings {
        apps: vec![App::new(APP, format!("secret-of-{APP}"))],
        users: [User::new(APP, FOLLOWER), stranger]
            .into_iter()
            .chain(more)
            .collect(),
        ..WeChatSettings::default()
    })
    .await
    .expect("the simulator starts")
}

/// A broker's settings. Lives are as long as WeChat's: nothing rotates by itself.
pub(super) fn settings(wechat: &Simulator, directory: &TempDir) -> Settings {
    let store = StoreUnderTest::Embedded {
        path: directory.path().join("broker.redb"),
    };
    let mut settings = Settings::new(&wechat.base_url(), store);
    settings.timeout = Duration::from_millis(550);
    settings.refresh("watch", "0s")
}

impl Rig {
    /// A broker that has its token.
    pub(super) async fn start() -> Self {
        Self::with_users(Vec::new()).await
    }

    /// The same with more followers.
    pub(super) async fn with_users(openids: Vec<String>) -> Self {
        let wechat = wechat(openids).await;
        let directory = TempDir::new().expect("a directory");
        let broker = TestBroker::start(&settings(&wechat, &directory)).await;
        let caller = broker.caller();
        caller.token_within(APP, Duration::from_secs(10)).await;
        Self {
            wechat,
            caller,
            broker,
            _directory: directory,
        }
    }

    /// What WeChat was asked for beside tokens and checks.
    pub(super) fn asked(&self) -> Vec<Endpoint> {
        let calls = self.wechat.calls();
        let asked = calls.iter().map(|call| call.endpoint);
        let ours =
            |endpoint: &Endpoint| endpoint.fetches_tokens() || *endpoint == Endpoint::ApiDomainIp;
        asked.filter(|endpoint| !ours(endpoint)).collect()
    }

    /// An answer with this status, as JSON.
    pub(super) fn expect(reply: &Reply, status: u16) -> Value {
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(!reply.body.contains("secret-of-"), "{}", reply.body);
        reply.json()
    }
}
