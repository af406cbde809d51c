//! Nothing is there yet, and everybody asks at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use wechat_simulator::{App, Settings as WeChatSettings, Simulator};

use crate::support::broker::TestBroker;
use crate::support::redis::RedisServer;
use crate::support::settings::{LIFE, OVERLAP, Settings, StoreUnderTest};
use crate::support::timed::timed_in_a_crowd;

const APP: &str = "wx0000000000000001";

#[test]
fn five_hundred_callers_of_each_of_three_replicas_cost_one_fetch() {
    timed_in_a_crowd(async || {
        let wechat = Simulator::start(WeChatSettings {
            apps: vec![App::new(APP, format!("secret-of-{APP}"))],
            token_life: LIFE,
            overlap: OVERLAP,
            ..WeChatSettings::default()
        })
        .await
        .expect("the simulator starts");
        let redis = RedisServer::start();
        let store = StoreUnderTest::Redis {
            url: redis.url(),
            namespace: "cold".to_owned(),
        };
        let settings = Settings::new(&wechat.base_url(), store);
        let replicas = [
            TestBroker::start(&settings).await,
            TestBroker::start(&settings).await,
            TestBroker::start(&settings).await,
        ];

        let asked = replicas.iter().flat_map(|replica| {
            let caller = replica.caller();
            (0..500).map(move |_| {
                let caller = caller.clone();
                async move { caller.token(APP).await }
            })
        });
        let replies = join_all(asked).await;

        let refused = replies.iter().filter(|reply| reply.status != 200).count();
        assert_eq!(
            refused,
            0,
            "{:?}",
            replies.iter().find(|reply| reply.status != 200)
        );
        let tokens: BTreeSet<_> = replies.iter().map(|reply| reply.token()).collect();
        assert_eq!(tokens.len(), 1);
        assert_eq!(wechat.fetches(APP).len(), 1);
        assert!(wechat.violations().is_empty(), "{:?}", wechat.violations());
        for reply in &replies {
            assert!(wechat.was_valid(APP, &reply.token(), reply.answered_at));
        }
    });
}
