//! The core of it all on every kind of Redis: tokens are renewed and served, reports and pauses are shared, and
//! what the store loses is put back. `make test-stores` runs all scenarios on each kind.

use std::time::{Duration, Instant};

use crate::support::fleet::{APP, Fleet, apps, eventually, wechat_with};
use crate::support::settings::LIFE;
use crate::support::stores::Kind;
use crate::support::timed::timed;

async fn works(kind: Kind) {
    let apps = apps(2);
    let with_apps = |settings: crate::support::settings::Settings| settings.apps(apps.clone());
    let mut fleet = Fleet::on(kind, wechat_with(&apps), with_apps).await;
    fleet.add(2).await;
    let bound = Duration::from_secs(15);
    for replica in &fleet.replicas {
        for app in &apps {
            replica.caller().token_within(&app.appid, bound).await;
        }
    }
    let first = fleet.caller(0).token(APP).await.version();
    let load = fleet.load(APP, Duration::from_millis(20));
    let started = Instant::now();

    // Two renewals, on whichever replica, seen by both.
    for replica in 0..2 {
        let caller = fleet.caller(replica);
        eventually("both serve the second new token", LIFE * 4, async || {
            fleet.wechat.fetches(APP).len() >= 3 && caller.token(APP).await.version() > first
        })
        .await;
    }
    // The store forgets everything, and nobody fetches for that.
    let fetched = fleet.wechat.fetches(APP).len();
    fleet.redis.as_ref().expect("a Redis").flush();
    eventually("a replica puts the token back", LIFE, async || {
        fleet
            .metric("token_broker_put_backs_total", &[("appid", APP)])
            .await
            >= 1.0
    })
    .await;
    let fetches_since = fleet.wechat.fetches(APP).len() - fetched;
    assert!(fetches_since <= 1, "{fetches_since}: the one that was due");
    // A pause at one replica is one at the other.
    let paused = fleet
        .caller(0)
        .post(
            &format!("/apps/{}/pause", apps[1].appid),
            serde_json::json!({}),
        )
        .await;
    assert!(paused.status < 300, "{paused:?}");
    eventually("the other replica knows of the pause", LIFE, async || {
        fleet.replicas[1].metrics().await.contains(&format!(
            "token_broker_app_paused{{appid=\"{}\"}} 1",
            apps[1].appid
        ))
    })
    .await;

    let collected = load.stop().await;
    collected.assert_flawless(&fleet.wechat);
    let at_most = 4 + started.elapsed().as_secs() / (LIFE.as_secs() / 2);
    let fetches = fleet.wechat.fetches(APP).len();
    assert!(
        fetches as u64 <= at_most,
        "{fetches} in {:?}",
        started.elapsed()
    );
    fleet.assert_in_order().await;
}

#[test]
fn the_core_works_by_tls_and_an_acl_user() {
    timed(async || {
        works(Kind::Tls).await;
    });
}

#[test]
fn the_core_works_under_sentinels() {
    timed(async || {
        works(Kind::Sentinel).await;
    });
}

#[test]
fn the_core_works_in_a_cluster() {
    timed(async || {
        works(Kind::Cluster).await;
    });
}
