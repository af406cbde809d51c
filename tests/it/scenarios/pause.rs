//! An SRE pauses an app, and resumes it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::broker::{Caller, Reply};
use crate::support::fleet::{APP, Fleet, apps, eventually};
use crate::support::settings::LIFE;
use crate::support::timed::timed;

/// A token is handed out until a second before its end, counted from before it was asked for: the rest is
/// what the request may take to WeChat on a busy machine.
const LAST_SECOND: Duration = Duration::from_millis(1700);

async fn set(caller: &Caller, verb: &str) -> Reply {
    caller.post(&format!("/apps/{APP}/{verb}"), json!({})).await
}

async fn is_paused(caller: &Caller) -> bool {
    caller.get(&format!("/apps/{APP}")).await.json()["paused"] == true
}

async fn all_paused(fleet: &Fleet) -> bool {
    let paused = fleet.replicas.iter().map(|replica| {
        let caller = replica.caller();
        async move { is_paused(&caller).await }
    });
    join_all(paused).await.into_iter().all(|paused| paused)
}

#[test]
fn a_pause_is_obeyed_by_all_until_somebody_resumes() {
    timed(async || {
        let mut fleet = Fleet::serving(3, &apps(1), |settings| settings).await;
        let issued = fleet.wechat.fetches(APP)[0].at;

        assert_eq!(set(&fleet.caller(0), "pause").await.status, 200);
        let heard = async || all_paused(&fleet).await;
        eventually("all heard of it", Duration::from_secs(1), heard).await;
        // A check may have been under way.
        tokio::time::sleep(fleet.settings.timeout).await;
        let calls = fleet.wechat.calls().len();
        let load = fleet.load(APP, Duration::from_millis(60));

        // Past its age of refresh, past its end, and past another restart of a replica.
        tokio::time::sleep_until((issued + LIFE).into()).await;
        let restarted = fleet.replicas.remove(2);
        let end = Instant::now();
        for replica in &fleet.replicas {
            let reply = replica.caller().token(APP).await;
            assert_eq!((reply.status, reply.code().as_str()), (503, "paused"));
            assert!(reply.headers.contains_key("retry-after"));
        }
        let collected = load.stop().await;
        restarted.stop().await;
        fleet.add(1).await;
        let knows = async || fleet.caller(2).token(APP).await.code() == "paused";
        eventually("the new replica obeys", Duration::from_secs(2), knows).await;

        let last = collected.all().filter(|reply| reply.status == 200);
        let last = last.map(|reply| reply.answered_at).max().expect("served") - issued;
        println!("served for {last:?}");
        assert!(last > LIFE - LAST_SECOND, "{last:?}");
        assert_eq!(collected.longest_dead(&fleet.wechat), Duration::ZERO);
        for reply in collected.since(end) {
            assert_eq!(reply.code(), "paused");
        }
        let path = format!("/token/{APP}/refresh");
        let refresh = fleet.caller(1).post(&path, json!({})).await;
        assert_eq!(refresh.code(), "paused");

        // The store forgets, while two replicas remember, and a third one starts.
        fleet.redis.as_ref().expect("a Redis").flush();
        fleet.replicas.remove(2).stop().await;
        fleet.add(1).await;
        let knows = async || fleet.caller(2).token(APP).await.code() == "paused";
        eventually("the newest replica obeys", Duration::from_secs(5), knows).await;
        assert_eq!(fleet.wechat.calls().len(), calls, "nothing was asked");

        assert_eq!(set(&fleet.caller(1), "resume").await.status, 200);
        for replica in &fleet.replicas {
            let caller = replica.caller();
            let reply = caller.token_within(APP, Duration::from_secs(2)).await;
            assert!(
                fleet
                    .wechat
                    .was_valid(APP, &reply.token(), reply.answered_at)
            );
        }
        assert!(!all_paused(&fleet).await);
        assert_eq!(fleet.wechat.fetches(APP).len(), 2);
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_pause_outlives_a_store_that_forgets_while_the_token_lives() {
    timed(async || {
        let fleet = Fleet::serving(2, &apps(1), |settings| settings).await;
        let issued = fleet.wechat.fetches(APP)[0].at;
        set(&fleet.caller(0), "pause").await;
        let heard = async || all_paused(&fleet).await;
        eventually("all heard of it", Duration::from_secs(1), heard).await;
        let load = fleet.load(APP, Duration::from_millis(100));

        fleet.redis.as_ref().expect("a Redis").flush();
        tokio::time::sleep_until((issued + LIFE).into()).await;
        let collected = load.stop().await;

        assert!(all_paused(&fleet).await);
        assert_eq!(fleet.wechat.fetches(APP).len(), 1);
        assert_eq!(collected.longest_dead(&fleet.wechat), Duration::ZERO);
        for reply in collected.all().filter(|reply| reply.status != 200) {
            assert_eq!(reply.code(), "paused");
        }
        fleet.assert_in_order().await;
    });
}
