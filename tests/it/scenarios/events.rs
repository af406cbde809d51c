//! Whoever follows one replica hears what another one fetched.

use std::time::{Duration, Instant};

use wechat_simulator::{App, Settings as WeChatSettings, Simulator};

use crate::support::broker::TestBroker;
use crate::support::events::EventStream;
use crate::support::redis::RedisServer;
use crate::support::settings::{KEY, LIFE, OVERLAP, Settings, StoreUnderTest};
use crate::support::timed::timed;

const APP: &str = "wx0000000000000001";

#[test]
fn a_refresh_in_another_replica_appears_and_a_stop_ends_the_stream() {
    timed(async || {
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
            namespace: "events".to_owned(),
        };
        let settings = Settings::new(&wechat.base_url(), store);
        let (one, other) = (
            TestBroker::start(&settings).await,
            TestBroker::start(&settings).await,
        );
        let first = one
            .caller()
            .token_within(APP, Duration::from_secs(10))
            .await;
        let stream = EventStream::open(other.api, KEY, APP, None).await;
        let mut stream = stream.unwrap_or_else(|refused| panic!("{refused:?}"));

        let mut versions = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        let forced = loop {
            let reply = one
                .caller()
                .post(&format!("/token/{APP}/refresh"), serde_json::json!({}))
                .await;
            if reply.status == 200 && reply.version() > first.version() {
                break reply;
            }
            assert!(Instant::now() < deadline, "{reply:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        while versions.last().is_none_or(|last| *last < forced.version()) {
            let event = stream.next(Duration::from_secs(5)).await.expect("an event");
            if event.name == "token" {
                versions.push(event.json()["version"].as_u64().expect("a version"));
                assert_eq!(event.id.parse().ok(), versions.last().copied());
            }
        }
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");

        let begun = Instant::now();
        other.stop().await;
        let mut hinted = false;
        while let Some(event) = stream.next(Duration::from_secs(1)).await {
            hinted = event.retry.is_some();
        }
        assert!(hinted, "the last word is when to come back");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        one.stop().await;
    });
}
