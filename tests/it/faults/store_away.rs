//! Redis killed, paused, slow, flushed, back empty; WeChat away beside it. Callers notice nothing while a
//! token lives, and nothing is fetched because of it.

use std::time::Duration;

use crate::support::broker::{Caller, TestBroker};
use crate::support::fleet::{APP, Fleet, Kept, apps, eventually, wechat_with};
use crate::support::proxy::Proxy;
use crate::support::redis::{RedisOptions, RedisServer};
use crate::support::settings::StoreUnderTest;
use crate::support::timed::timed;

use super::rig::SOON;

/// Just under half of a life of 8 s.
const OUTAGE: Duration = Duration::from_millis(3500);

/// A fleet of two behind a proxy, with a token that was fetched just now.
async fn fresh_fleet() -> (Fleet, Proxy) {
    let none = Fleet::without_replicas(Kept::InOneServer, wechat_with(&apps(1)), |settings| {
        settings
    });
    let mut fleet = none.await;
    let port = fleet
        .redis
        .as_mut()
        .map(|redis| redis.server().port())
        .expect("a Redis");
    let proxy = Proxy::start(port).await;
    fleet.settings.store = StoreUnderTest::Redis {
        url: proxy.url(),
        namespace: "away".to_owned(),
    };
    fleet.add(2).await;
    for replica in 0..2 {
        fleet.caller(replica).token_within(APP, SOON).await;
    }
    (fleet, proxy)
}

/// What breaks and what mends the store.
enum Trouble {
    Cut,
    Frozen,
    Slow,
    Flushed,
    KilledAndEmpty,
}

async fn survive(trouble: Trouble, put_back: bool) {
    let (mut fleet, proxy) = fresh_fleet().await;
    let before = fleet.wechat.fetches(APP).len();
    let version = fleet.caller(0).token(APP).await.version();
    let load = fleet.load(APP, Duration::from_millis(20));
    match trouble {
        Trouble::Cut => proxy.cut(),
        Trouble::Frozen => proxy.freeze(),
        Trouble::Slow => proxy.delay(Duration::from_secs(2)),
        Trouble::Flushed => fleet.redis.as_ref().expect("a Redis").flush(),
        Trouble::KilledAndEmpty => {
            let redis = fleet.redis.as_mut().expect("a Redis").server();
            redis.kill();
        }
    }
    let calm = if put_back {
        Duration::from_millis(1500)
    } else {
        OUTAGE
    };
    tokio::time::sleep(calm).await;
    assert_eq!(
        fleet.wechat.fetches(APP).len(),
        before,
        "no fetch because of it"
    );
    if matches!(trouble, Trouble::KilledAndEmpty) {
        fleet.redis.as_mut().expect("a Redis").server().restart();
    }
    proxy.delay(Duration::ZERO);
    proxy.heal();
    if put_back {
        eventually("the token is put back", SOON, async || {
            fleet.metric("token_broker_put_backs_total", &[]).await >= 1.0
        })
        .await;
        assert_eq!(
            fleet.wechat.fetches(APP).len(),
            before,
            "no fetch because of it"
        );
    }
    eventually("it is refreshed on schedule", SOON, async || {
        fleet.caller(1).token(APP).await.version() > version
    })
    .await;
    assert_eq!(fleet.wechat.fetches(APP).len(), before + 1);
    load.stop().await.assert_flawless(&fleet.wechat);
    fleet.assert_in_order().await;
}

#[test]
fn a_store_that_cannot_be_reached_is_not_noticed() {
    timed(async || {
        survive(Trouble::Cut, false).await;
    });
}

#[test]
fn a_store_that_hangs_is_not_noticed() {
    timed(async || {
        survive(Trouble::Frozen, false).await;
    });
}

#[test]
fn a_store_that_is_two_seconds_late_is_not_noticed() {
    timed(async || {
        survive(Trouble::Slow, false).await;
    });
}

#[test]
fn a_flushed_store_gets_its_token_back() {
    timed(async || {
        survive(Trouble::Flushed, true).await;
    });
}

#[test]
fn a_store_that_comes_back_empty_gets_its_token_back() {
    timed(async || {
        survive(Trouble::KilledAndEmpty, true).await;
    });
}

#[test]
fn a_store_that_comes_back_with_its_data_is_taken_as_it_is() {
    timed(async || {
        let none = Fleet::without_replicas(Kept::InOneServer, wechat_with(&apps(1)), |settings| {
            settings
        });
        let mut fleet = none.await;
        let mut redis = RedisServer::start_with(RedisOptions {
            append_only: true,
            ..RedisOptions::default()
        });
        fleet.settings.store = StoreUnderTest::Redis {
            url: redis.url(),
            namespace: "kept".to_owned(),
        };
        fleet.add(2).await;
        for replica in 0..2 {
            fleet.caller(replica).token_within(APP, SOON).await;
        }
        let version = fleet.caller(0).token(APP).await.version();
        let load = fleet.load(APP, Duration::from_millis(20));
        redis.kill();
        tokio::time::sleep(OUTAGE / 2).await;
        redis.restart();
        eventually("both have read it again", SOON, async || {
            fleet.metric("token_broker_store_up", &[]).await == 2.0
        })
        .await;
        assert_eq!(fleet.wechat.fetches(APP).len(), 1);
        eventually("it is refreshed on schedule", SOON, async || {
            fleet.caller(1).token(APP).await.version() > version
        })
        .await;
        assert_eq!(fleet.wechat.fetches(APP).len(), 2);
        assert_eq!(fleet.metric("token_broker_put_backs_total", &[]).await, 0.0);
        load.stop().await.assert_flawless(&fleet.wechat);
        fleet.assert_in_order().await;
    });
}

#[test]
fn with_both_away_it_serves_to_the_end_and_says_so() {
    timed(async || {
        let (fleet, proxy) = fresh_fleet().await;
        let caller = fleet.caller(0);
        let load = fleet.load(APP, Duration::from_millis(20));
        proxy.cut();
        fleet
            .wechat
            .pause_listening()
            .await
            .expect("it stops listening");
        eventually("it says that nobody vouches", SOON, async || {
            fleet.metric("token_broker_grant_vouched", &[]).await == 0.0
        })
        .await;
        let last = caller.token(APP).await;
        assert_eq!(last.status, 200, "{last:?}");
        let left = last.json()["expires_in"].as_u64().expect("a number");
        let refused = async || caller.token(APP).await.status == 503;
        eventually(
            "it is refused after its end",
            Duration::from_secs(left + 5),
            refused,
        )
        .await;
        let reply = caller.token(APP).await;
        assert_eq!(reply.code(), "store_away", "{reply:?}");
        assert!(reply.headers.contains_key("retry-after"));
        let collected = load.stop().await;
        assert_eq!(collected.longest_dead(&fleet.wechat), Duration::ZERO);

        fleet
            .wechat
            .resume_listening()
            .await
            .expect("it listens again");
        proxy.heal();
        for replica in 0..2 {
            fleet.caller(replica).token_within(APP, SOON).await;
        }
    });
}

#[test]
fn a_replica_started_while_the_store_is_away_lives_and_is_ready_when_it_should_be() {
    timed(async || {
        let (fleet, proxy) = fresh_fleet().await;
        let fetched = fleet.wechat.fetches(APP).len();
        proxy.cut();
        let late = TestBroker::start(&fleet.settings).await;
        let ops = Caller::new(late.ops);
        assert_eq!(ops.get("/livez").await.status, 200);
        assert_eq!(ops.get("/readyz").await.status, 503);
        let refused = late.caller().token(APP).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "store_away")
        );
        proxy.heal();
        eventually("it is ready", SOON, async || {
            ops.get("/readyz").await.status == 200
        })
        .await;
        let reply = late.caller().token(APP).await;
        assert_eq!(
            reply.token(),
            fleet.caller(0).token_within(APP, SOON).await.token()
        );
        assert_eq!(fleet.wechat.fetches(APP).len(), fetched);
        late.stop().await;
    });
}
