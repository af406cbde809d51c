//! Sealing is switched on, its key is changed, and it is switched off again, a rolling restart each, while callers
//! ask all the time: nobody is refused, and nothing is fetched but what is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::support::broker::{Caller, Reply};
use crate::support::fleet::{APP, Fleet, Kept, apps, eventually, wechat_with};
use crate::support::settings::LIFE;
use crate::support::timed::timed_in_a_crowd;

const K1: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const K2: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// Callers who ask one replica after the other, of those that a balancer would send them to.
struct Balanced {
    callers: Arc<ArcSwap<Vec<Caller>>>,
    stop: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<Vec<Reply>>,
}

impl Balanced {
    fn start(fleet: &Fleet) -> Self {
        let callers = Arc::new(ArcSwap::from_pointee(balanced(fleet)));
        let stop = Arc::new(AtomicBool::new(false));
        let (all, over) = (Arc::clone(&callers), Arc::clone(&stop));
        let asking = tokio::spawn(async move {
            let mut replies = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let callers = all.load_full();
                replies.push(callers[replies.len() % callers.len()].token(APP).await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            replies
        });
        Self {
            callers,
            stop,
            asking,
        }
    }
}

fn balanced(fleet: &Fleet) -> Vec<Caller> {
    fleet
        .replicas
        .iter()
        .map(|replica| replica.caller())
        .collect()
}

/// Replaces each replica by one with these lines, as a rolling restart does.
async fn roll(fleet: &mut Fleet, load: &Balanced, keys: &[&str], sealing: &str) {
    fleet.settings.store_lines = vec![
        format!("encryption_keys = {keys:?}"),
        format!("sealing = {sealing:?}"),
    ];
    for _ in 0..fleet.replicas.len() {
        fleet.add(1).await;
        let newest = fleet.caller(fleet.replicas.len() - 1);
        newest.token_within(APP, Duration::from_secs(5)).await;
        let oldest = fleet.replicas.remove(0);
        load.callers.store(Arc::new(balanced(fleet)));
        // It answers on for a while, as a balancer needs, and stops once what it was asked is answered.
        oldest.stop().await;
    }
}

/// What Redis holds of the token.
fn stored(fleet: &mut Fleet) -> String {
    let key = format!("test:{{{APP}}}:access_token:token:grant");
    let redis = fleet.redis.as_mut().expect("a Redis").server();
    redis.command(&["HGETALL", &key])
}

async fn stored_becomes(fleet: &mut Fleet, what: &str) {
    let deadline = Instant::now() + LIFE * 2;
    while !stored(fleet).contains(what) {
        assert!(
            Instant::now() < deadline,
            "never {what:?}: {}",
            stored(fleet)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn sealing_comes_changes_its_key_and_goes_under_load() {
    timed_in_a_crowd(async || {
        let began = Instant::now();
        let with_apps = |settings: crate::support::settings::Settings| {
            settings.apps(apps(1)).server("lame_duck", "300ms")
        };
        let mut fleet =
            Fleet::without_replicas(Kept::InOneServer, wechat_with(&apps(1)), with_apps).await;
        fleet.add(2).await;
        for replica in &fleet.replicas {
            replica
                .caller()
                .token_within(APP, Duration::from_secs(10))
                .await;
        }
        let load = Balanced::start(&fleet);

        roll(&mut fleet, &load, &[K1], "off").await;
        roll(&mut fleet, &load, &[K1], "on").await;
        stored_becomes(&mut fleet, "1.k1.").await;
        let token = fleet.caller(0).token(APP).await.token();
        assert!(!stored(&mut fleet).contains(&token));
        roll(&mut fleet, &load, &[K1, K2], "on").await;
        roll(&mut fleet, &load, &[K2, K1], "on").await;
        stored_becomes(&mut fleet, "1.k2.").await;
        roll(&mut fleet, &load, &[K2], "required").await;
        let by = |key: &'static str| [("key", key)];
        let opened = "token_broker_store_grants_opened_total";
        eventually("the new key is in use", LIFE, async || {
            fleet.metric(opened, &by("k2")).await > 0.0
        })
        .await;
        assert_eq!(fleet.metric(opened, &by("k1")).await, 0.0);
        roll(&mut fleet, &load, &[K2], "off").await;
        stored_becomes(&mut fleet, "\r\nvalue\r\n").await;
        roll(&mut fleet, &load, &[], "on").await;

        load.stop.store(true, Ordering::Relaxed);
        let replies = load.asking.await.expect("all were answered");
        for reply in &replies {
            assert_eq!(reply.status, 200, "{reply:?}");
            let dead_for = fleet
                .wechat
                .dead_for(APP, &reply.token(), reply.answered_at);
            assert_eq!(dead_for, Duration::ZERO);
        }
        let took = began.elapsed();
        let fetches = fleet.wechat.fetches(APP).len();
        println!(
            "{} requests in {took:.0?}, {fetches} fetches",
            replies.len()
        );
        let due = took.as_secs_f64() / (LIFE / 2).as_secs_f64();
        assert!((fetches as f64) <= due + 1.0, "{fetches} in {took:?}");
        let refused = "token_broker_store_grants_refused_total";
        assert_eq!(fleet.metric(refused, &[]).await, 0.0);
        fleet.assert_in_order().await;
    });
}
