//! Several apps in one broker: one that is broken harms no other; and when a replica is ready.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use wechat_simulator::{Endpoint, Settings as WeChatSettings};

use crate::support::broker::{Caller, TestBroker};
use crate::support::fleet::{Fleet, Kept, apps, eventually, wechat_with};
use crate::support::settings::Settings;
use crate::support::timed::timed;

async fn readiness(replica: &TestBroker) -> u16 {
    Caller::new(replica.ops).get("/readyz").await.status
}

#[test]
fn an_app_with_a_wrong_secret_harms_no_other_and_without_a_watch_nothing_is_checked() {
    timed(async || {
        let apps = apps(6);
        let tune = |settings: Settings| {
            settings
                .apps(apps.clone())
                .refresh("watch", "0s")
                .refresh("close_watch", "400ms")
        };
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat_with(&apps), tune).await;
        let (broken, healthy) = apps.split_first().expect("six");
        fleet.wechat.set_secret(&broken.appid, "another-secret");
        fleet.add(2).await;
        for replica in &fleet.replicas {
            for app in healthy {
                let bound = Duration::from_secs(5);
                replica.caller().token_within(&app.appid, bound).await;
            }
        }
        let first = fleet.wechat.fetches(&healthy[0].appid)[0].at;
        let loads: Vec<_> = healthy
            .iter()
            .map(|app| fleet.load(&app.appid, Duration::from_millis(150)))
            .collect();

        // The close watch of an empty store lasts 3 + 1 + 1.6 s; nothing is checked after it.
        tokio::time::sleep_until((first + Duration::from_millis(6500)).into()).await;
        let watched = [("purpose", "watch")];
        let checks = async || fleet.metric("token_broker_checks_total", &watched).await;
        let before = checks().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let collected = join_all(loads.into_iter().map(|load| load.stop())).await;

        assert_eq!(checks().await, before, "nothing is checked without a watch");
        for collected in collected {
            collected.assert_flawless(&fleet.wechat);
        }
        for app in healthy {
            let fetches = fleet.wechat.fetches(&app.appid).len();
            assert!((3..=4).contains(&fetches), "{}: {fetches}", app.appid);
        }
        assert_eq!(fleet.wechat.count(&broken.appid, Endpoint::Token), 1);
        for replica in &fleet.replicas {
            let reply = replica.caller().token(&broken.appid).await;
            assert_eq!(reply.code(), "refused_by_upstream");
            assert_eq!(readiness(replica).await, 200);
        }
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_replica_is_ready_once_an_app_is_servable_and_then_until_it_stops() {
    timed(async || {
        let apps = apps(2);
        let wechat = WeChatSettings {
            token_life: Duration::from_secs(4),
            ..wechat_with(&apps)
        };
        let tune = |settings: Settings| settings.apps(apps.clone()).server("lame_duck", "1s");
        let mut fleet = Fleet::without_replicas(Kept::InOneServer, wechat, tune).await;
        fleet.wechat.pause_listening().await.expect("an outage");
        fleet.add(1).await;

        // Not ready before anything can be served.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1200) {
            assert_eq!(readiness(&fleet.replicas[0]).await, 503);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(
            Caller::new(fleet.replicas[0].ops)
                .get("/livez")
                .await
                .status,
            200
        );

        // Ready with one of two apps, the other one's secret being wrong.
        fleet.wechat.set_secret(&apps[1].appid, "another-secret");
        fleet.wechat.resume_listening().await.expect("it is back");
        let ready = async || readiness(&fleet.replicas[0]).await == 200;
        eventually("ready", Duration::from_secs(3), ready).await;

        // Ready whatever happens then: WeChat away, the store away, no token any more.
        fleet.wechat.pause_listening().await.expect("an outage");
        fleet.redis.as_mut().expect("a Redis").server().kill();
        let caller = fleet.caller(0);
        let refused = async || caller.token(&apps[0].appid).await.status == 503;
        eventually("nothing to serve", Duration::from_secs(8), refused).await;
        assert_eq!(readiness(&fleet.replicas[0]).await, 200);
        assert_eq!(
            Caller::new(fleet.replicas[0].ops)
                .get("/livez")
                .await
                .status,
            200
        );

        // Not ready first when it stops.
        let replica = fleet.replicas.remove(0);
        let ops = Caller::new(replica.ops);
        let stopping = tokio::spawn(replica.stop());
        let not_ready = async || {
            let reply = ops.try_send("GET", "/readyz", None).await;
            reply.is_ok_and(|reply| reply.status == 503)
        };
        eventually("not ready", Duration::from_secs(1), not_ready).await;
        stopping.await.expect("it stopped");
    });
}
