//! An app in `stable` mode, whose token does not rotate.

use std::time::Duration;

use wechat_simulator::{Endpoint, Fault, FaultKind, Outcome};

use crate::support::fleet::{APP, Fleet, Kept, eventually};
use crate::support::settings::{AppUnderTest, LIFE};
use crate::support::timed::timed;

async fn three_replicas() -> Fleet {
    let apps = [AppUnderTest::stable(APP)];
    Fleet::serving_from(Kept::InOneServer, 3, &apps, |settings| settings).await
}

/// Calls that gave a token, new or the same, and those among them that were forced.
fn calls(fleet: &Fleet) -> (usize, usize) {
    let calls = fleet.wechat.calls();
    let given = calls.iter().filter(|call| {
        call.endpoint == Endpoint::StableToken
            && matches!(call.outcome, Outcome::Issued { .. } | Outcome::Same { .. })
    });
    let forced = given.clone().filter(|call| call.forced).count();
    (given.count(), forced)
}

/// Waits until every replica serves the same token and version, another than this version.
async fn replaced(fleet: &Fleet, version: u64, bound: Duration) {
    let same = async || {
        let mut served = Vec::new();
        for replica in &fleet.replicas {
            let reply = replica.caller().token(APP).await;
            if reply.status != 200 {
                return false;
            }
            served.push((reply.version(), reply.token()));
        }
        served[0].0 != version && served.iter().all(|one| *one == served[0])
    };
    eventually("all replicas serve the same new token", bound, same).await;
}

#[test]
fn a_stable_token_is_served_through_its_renewals() {
    timed(async || {
        let fleet = three_replicas().await;
        let load = fleet.load(APP, Duration::from_millis(50));

        // Asked for early, it comes back the same: under its version, and nobody is harmed.
        let before = fleet.caller(0).token(APP).await;
        let path = format!("/token/{APP}/refresh");
        let reply = fleet.caller(1).post(&path, serde_json::json!({})).await;
        let after = fleet.caller(1).token(APP).await;
        assert_eq!(after.token(), before.token(), "{reply:?}");
        assert_eq!(after.version(), before.version());

        let renewed = |wechat: &wechat_simulator::Simulator| wechat.tokens(APP).len() == 4;
        assert!(fleet.wechat.wait_for(LIFE * 4, renewed).await);
        let last = fleet.wechat.current_stable(APP).expect("a token");
        for replica in &fleet.replicas {
            let serves = async || replica.caller().token(APP).await.token() == last;
            eventually("it serves the last", Duration::from_secs(2), serves).await;
        }
        let collected = load.stop().await;

        collected.assert_flawless(&fleet.wechat);
        let (given, forced) = calls(&fleet);
        println!("4 stable tokens with {given} calls, {forced} forced");
        assert!(given <= 4 + 1 + 3, "{given}");
        assert_eq!(forced, 0);
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_refused_stable_token_is_asked_for_again_and_forced_only_if_it_comes_back() {
    timed(async || {
        let fleet = three_replicas().await;
        let first = fleet.caller(0).token(APP).await;
        let (asked, _) = calls(&fleet);

        // Withdrawn: WeChat has another when it is asked again.
        fleet.wechat.invalidate(APP);
        replaced(&fleet, first.version(), Duration::from_secs(3)).await;
        assert_eq!(calls(&fleet), (asked + 1, 0));
        let second = fleet.caller(0).token(APP).await;
        assert!(
            fleet
                .wechat
                .was_valid(APP, &second.token(), second.answered_at)
        );

        // WeChat refuses it and still gives it out: only force replaces it.
        let refused = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::ApiDomainIp);
        fleet.wechat.faults().add(refused.times(2));
        replaced(&fleet, second.version(), Duration::from_secs(3)).await;
        assert_eq!(calls(&fleet), (asked + 3, 1));
        let third = fleet.caller(0).token(APP).await;
        assert!(
            fleet
                .wechat
                .was_valid(APP, &third.token(), third.answered_at)
        );
        fleet.assert_in_order().await;
    });
}

#[test]
fn with_the_store_away_each_replica_asks_for_itself_and_all_agree_when_it_is_back() {
    timed(async || {
        let mut fleet = three_replicas().await;
        let first = fleet.caller(0).token(APP).await;
        let load = fleet.load(APP, Duration::from_millis(50));

        // Away for longer than the token lives, and empty when it comes back.
        fleet.redis.as_mut().expect("a Redis").server().kill();
        let renewed = |wechat: &wechat_simulator::Simulator| wechat.tokens(APP).len() == 3;
        assert!(fleet.wechat.wait_for(LIFE * 3, renewed).await);
        fleet.redis.as_mut().expect("a Redis").server().restart();
        replaced(&fleet, first.version(), Duration::from_secs(5)).await;
        let collected = load.stop().await;

        collected.assert_flawless(&fleet.wechat);
        let (given, forced) = calls(&fleet);
        println!("{given} calls by three replicas for 3 tokens, {forced} forced");
        assert!(given <= 20, "{given}");
        assert_eq!(forced, 0);
        fleet.assert_in_order().await;
    });
}
