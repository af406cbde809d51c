//! A simulated WeChat with people, and a broker that serves its app.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wechat_simulator::{App, Settings as WeChatSettings, Simulator, User};

use crate::support::broker::{Caller, Reply, TestBroker};
use crate::support::settings::{Settings, StoreUnderTest};

pub(super) const APP: &str = "wx0000000000000001";
pub(super) const FOLLOWER: &str = "o-follower";
pub(super) const STRANGER: &str = "o-stranger";

pub(super) struct Rig {
    pub(super) wechat: Simulator,
    pub(super) caller: Caller,
    _broker: TestBroker,
    _directory: TempDir,
}

impl Rig {
    /// A broker that has its token. Lives are as long as WeChat's: nothing rotates by itself.
    pub(super) async fn start() -> Self {
        Self::with_users(Vec::new()).await
    }

    /// The same with more followers.
    pub(super) async fn with_users(openids: Vec<String>) -> Self {
        let stranger = User {
            unionid: Some("union".to_owned()),
            follows: false,
            virtual_user: true,
            ..User::new(APP, STRANGER)
        };
        let more = openids.into_iter().map(|openid| User::new(APP, openid));
        let wechat = Simulator::start(WeChatSettings {
            apps: vec![App::new(APP, format!("secret-of-{APP}"))],
            users: [User::new(APP, FOLLOWER), stranger]
                .into_iter()
                .chain(more)
                .collect(),
            ..WeChatSettings::default()
        })
        .await
        .expect("the simulator starts");
        let directory = TempDir::new().expect("a directory");
        let store = StoreUnderTest::Embedded {
            path: directory.path().join("broker.redb"),
        };
        let mut settings = Settings::new(&wechat.base_url(), store);
        settings.timeout = Duration::from_millis(550);
        let broker = TestBroker::start(&settings.refresh("watch", "0s")).await;
        let caller = broker.caller();
        caller.token_within(APP, Duration::from_secs(10)).await;
        Self {
            wechat,
            caller,
            _broker: broker,
            _directory: directory,
        }
    }

    /// An answer with this status, as JSON.
    pub(super) fn expect(reply: &Reply, status: u16) -> Value {
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(!reply.body.contains("secret-of-"), "{}", reply.body);
        reply.json()
    }
}
