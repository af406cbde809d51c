//! Callers whose token was refused say so, all at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use wechat_simulator::{Endpoint, Fault, FaultKind, Settings as WeChatSettings};

use crate::support::broker::{Reply, TestBroker};
use crate::support::fleet::{APP, Fleet, Kept, apps, eventually, wechat_with};
use crate::support::settings::Settings;
use crate::support::timed::{timed, timed_in_a_crowd};

const REPORTERS: usize = 1000;

/// Three replicas and a token that lives long; nobody checks it unless it is reported, but for the close
/// watch, `close_watch` so often, that begins with an empty store.
async fn three_quiet_replicas(close_watch: &str) -> Fleet {
    let apps = apps(1);
    let wechat = WeChatSettings {
        token_life: Duration::from_secs(120),
        ..wechat_with(&apps)
    };
    let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, |settings| {
        // A store that is slow under a thousand reports is not away.
        let settings = Settings {
            store_timeout: Duration::from_millis(800),
            ..settings
        };
        settings
            .refresh("lease", "2200ms")
            .refresh("overlap", "5500ms")
            .refresh("min_spacing", "5600ms")
            .refresh("watch", "0s")
            .refresh("close_watch", close_watch)
    })
    .await;
    fleet.add(3).await;
    for replica in &fleet.replicas {
        let bound = Duration::from_secs(5);
        replica.caller().token_within(APP, bound).await;
    }
    fleet
}

fn sha256(token: &str) -> String {
    Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// So many reports at once, over all replicas; every other one by hash.
async fn report(fleet: &Fleet, token: &str, count: usize) -> Vec<Reply> {
    let callers: Vec<_> = fleet.replicas.iter().map(TestBroker::caller).collect();
    let reports = (0..count).map(|number| {
        let caller = callers[number % callers.len()].clone();
        let body = if number % 2 == 0 {
            json!({ "access_token": token })
        } else {
            json!({ "sha256": sha256(token) })
        };
        async move { caller.post(&format!("/token/{APP}/report"), body).await }
    });
    join_all(reports).await
}

fn verdicts(replies: &[Reply]) -> BTreeSet<String> {
    let verdict = |reply: &Reply| reply.json()["verdict"].to_string().replace('"', "");
    replies.iter().map(verdict).collect()
}

#[test]
fn a_thousand_reports_of_a_good_token_cost_one_check() {
    timed_in_a_crowd(async || {
        let fleet = three_quiet_replicas("60s").await;
        let token = fleet.caller(0).token(APP).await.token();
        assert_eq!(fleet.wechat.count(APP, Endpoint::ApiDomainIp), 0);

        let replies = report(&fleet, &token, REPORTERS).await;

        assert_eq!(
            verdicts(&replies),
            BTreeSet::from(["still_valid".to_owned()])
        );
        assert!(replies.iter().all(|reply| reply.token() == token));
        assert_eq!(fleet.wechat.count(APP, Endpoint::ApiDomainIp), 1);
        assert_eq!(fleet.wechat.fetches(APP).len(), 1);

        let stale = report(&fleet, "a-token-of-yesterday", 30).await;
        assert_eq!(verdicts(&stale), BTreeSet::from(["stale".to_owned()]));
        assert!(stale.iter().all(|reply| reply.token() == token));
        assert_eq!(fleet.wechat.calls().len(), 2, "nothing was asked upstream");
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_single_false_40001_does_not_kill_a_reported_token() {
    timed(async || {
        let fleet = three_quiet_replicas("60s").await;
        let token = fleet.caller(0).token(APP).await.token();
        let lie = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::ApiDomainIp);
        fleet.wechat.faults().add(lie.once());

        let replies = report(&fleet, &token, 90).await;

        assert_eq!(
            verdicts(&replies),
            BTreeSet::from(["still_valid".to_owned()])
        );
        assert_eq!(fleet.wechat.count(APP, Endpoint::ApiDomainIp), 2);
        assert_eq!(fleet.wechat.fetches(APP).len(), 1);
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_thousand_reports_of_a_token_that_a_stranger_killed_cost_one_fetch() {
    timed_in_a_crowd(async || {
        let fleet = three_quiet_replicas("100ms").await;
        let foreign = async || {
            fleet
                .metric("token_broker_foreign_invalidations_total", &[])
                .await
        };

        // Somebody withdraws it, and it is dead at once.
        close_watch_is_over(&fleet).await;
        let token = fleet.caller(0).token(APP).await.token();
        fleet.wechat.invalidate(APP);
        let replies = report(&fleet, &token, REPORTERS).await;
        assert_replaced(&fleet, &token, &replies, 2);
        assert_eq!(foreign().await, 1.0);

        // Somebody fetches with our secret, and it dies after the overlap.
        close_watch_is_over(&fleet).await;
        let token = fleet.caller(1).token(APP).await.token();
        fleet.wechat.foreign_fetch(APP);
        let dead = |wechat: &wechat_simulator::Simulator| wechat.death(APP, &token).is_some();
        assert!(fleet.wechat.wait_for(Duration::from_secs(5), dead).await);
        let replies = report(&fleet, &token, REPORTERS).await;
        assert_replaced(&fleet, &token, &replies, 3);
        assert_eq!(foreign().await, 2.0);
        fleet.assert_in_order().await;
    });
}

/// The close watch after the latest fetch is over: an overlap, a lease and four checks. Before that, a check
/// of a moment ago would answer the reports.
async fn close_watch_is_over(fleet: &Fleet) {
    let fetched = fleet.wechat.fetches(APP).last().expect("a fetch").at;
    let over = fetched + Duration::from_millis(5500 + 2200 + 4 * 100 + 300);
    tokio::time::sleep_until(over.into()).await;
}

/// Every reporter got the one token that replaced the reported one.
fn assert_replaced(fleet: &Fleet, reported: &str, replies: &[Reply], fetches: usize) {
    assert_eq!(fleet.wechat.fetches(APP).len(), fetches);
    let tokens: BTreeSet<_> = replies.iter().map(Reply::token).collect();
    assert_eq!(tokens.len(), 1);
    assert!(!tokens.contains(reported));
    for reply in replies {
        assert!(
            fleet
                .wechat
                .was_valid(APP, &reply.token(), reply.answered_at)
        );
    }
    let verdicts = verdicts(replies);
    let expected = ["refused", "stale"].map(str::to_owned);
    assert!(
        verdicts.is_subset(&BTreeSet::from(expected)),
        "{verdicts:?}"
    );
}

#[test]
fn a_foreign_fetch_that_nobody_reports_is_found_by_the_watch() {
    timed(async || {
        let apps = apps(1);
        let wechat = WeChatSettings {
            token_life: Duration::from_secs(120),
            ..wechat_with(&apps)
        };
        let (watch, every) = ("600ms", Duration::from_millis(600));
        let tune = |settings: Settings| {
            settings
                .refresh("watch", watch)
                .refresh("close_watch", watch)
        };
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, tune).await;
        fleet.add(3).await;
        let bound = Duration::from_secs(5);
        let token = fleet.caller(0).token_within(APP, bound).await.token();
        let load = fleet.load(APP, Duration::from_millis(30));

        fleet.wechat.foreign_fetch(APP);
        let died = fleet.wechat.issued(&token).expect("issued").dies_at;
        let replaced = |wechat: &wechat_simulator::Simulator| wechat.fetches(APP).len() == 2;
        assert!(
            fleet
                .wechat
                .wait_for(Duration::from_secs(10), replaced)
                .await
        );
        let found = Instant::now() - died;
        eventually(
            "all serve the new one",
            Duration::from_secs(2),
            async || {
                for replica in &fleet.replicas {
                    let reply = replica.caller().token(APP).await;
                    if reply.token() == token {
                        return false;
                    }
                }
                true
            },
        )
        .await;
        let collected = load.stop().await;

        let dead = collected.longest_dead(&fleet.wechat);
        println!("replaced {found:?} after its death, handed out for {dead:?} after it");
        // It dies right after a check, at worst. The next one finds it dead and is repeated; a fetch begins, is
        // made and committed, and all hear of it: so many loopback calls, which together take no longer than any one
        // of them may.
        let bound = every + fleet.settings.timeout;
        assert!(dead < bound, "{dead:?} of {bound:?}");
        let refused = collected.all().filter(|reply| reply.status != 200).count();
        assert_eq!(refused, 0);
        collected.assert_never_backwards();
        let foreign = "token_broker_foreign_invalidations_total";
        assert_eq!(fleet.metric(foreign, &[]).await, 1.0);
        fleet.assert_in_order().await;
    });
}
