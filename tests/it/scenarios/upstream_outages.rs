//! WeChat is away, in every way in which it can be: shorter than the token lives, and longer.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use wechat_simulator::{Call, Endpoint, Fault, FaultKind, Settings as WeChatSettings, Simulator};

use crate::support::broker::{Reply, TestBroker};
use crate::support::fleet::{APP, Fleet, Kept, SET_UP, apps, eventually, wechat_with};
use crate::support::settings::{LIFE, OVERLAP, Settings};
use crate::support::timed::{timed, timed_in_a_crowd};

/// A token is handed out until a second before its end, counted from before it was asked for: the rest is
/// what the request may take to WeChat on a busy machine.
const LAST_SECOND: Duration = Duration::from_millis(1700);

/// A replica hears of a new token by a signal, or at the latest when it reads the store again: `reconcile`.
const NEXT_READING: Duration = Duration::from_millis(300);

const LONG_LIFE: Duration = LIFE.saturating_mul(2);

/// A way of being away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Refusing,
    Hanging,
    Broken,
    CutBefore,
    CutAfter,
}

const ALL: [Outage; 5] = [
    Outage::Refusing,
    Outage::Hanging,
    Outage::Broken,
    Outage::CutBefore,
    Outage::CutAfter,
];

impl Outage {
    async fn begin(self, wechat: &Simulator) {
        let kind = match self {
            Self::Refusing => return wechat.pause_listening().await.expect("an outage"),
            Self::Hanging => FaultKind::Hang { acts: false },
            Self::Broken => FaultKind::Status(503),
            Self::CutBefore => FaultKind::CutBefore,
            Self::CutAfter => FaultKind::ActThenCut,
        };
        wechat.faults().add(Fault::new(kind));
    }

    async fn end(self, wechat: &Simulator) {
        wechat.faults().clear();
        if self == Self::Refusing {
            wechat.resume_listening().await.expect("the outage is over");
        }
    }
}

/// Three replicas and the time at which their token was fetched.
async fn three_replicas() -> (Fleet, Instant) {
    let fleet = Fleet::serving(3, &apps(1), |settings| settings).await;
    let issued = just_fetched(&fleet, LIFE).await;
    (fleet, issued)
}

/// When the token was fetched: a moment ago, and that is the next one where three replicas took long to start.
async fn just_fetched(fleet: &Fleet, life: Duration) -> Instant {
    loop {
        let fetches = fleet.wechat.fetches(APP);
        let issued = fetches.last().expect("they serve it").at;
        if issued.elapsed() < life / 4 {
            return issued;
        }
        let again = |wechat: &Simulator| wechat.fetches(APP).len() > fetches.len();
        assert!(fleet.wechat.wait_for(life, again).await);
    }
}

/// The same with twice the life and twice the overlap, for outages that must be over well before its end.
async fn three_long_lived_replicas() -> (Fleet, Instant) {
    let apps = apps(1);
    let wechat = WeChatSettings {
        token_life: LONG_LIFE,
        overlap: OVERLAP * 2,
        ..wechat_with(&apps)
    };
    // Fifteen replicas run side by side: time-outs that a busy machine does not run into.
    let longer = |settings: Settings| Settings {
        timeout: Duration::from_secs(1),
        store_timeout: Duration::from_millis(500),
        ..settings
            .refresh("overlap", "6s")
            .refresh("lease", "2200ms")
            .refresh("min_spacing", "6100ms")
    };
    let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, longer).await;
    fleet.add(3).await;
    for replica in &fleet.replicas {
        replica.caller().token_within(APP, SET_UP).await;
    }
    let issued = just_fetched(&fleet, LONG_LIFE).await;
    (fleet, issued)
}

async fn until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// Calls for a token that WeChat saw from `from` on.
fn asked_since(fleet: &Fleet, from: Instant) -> usize {
    let calls = fleet.wechat.calls();
    calls
        .iter()
        .filter(|call| call.endpoint.fetches_tokens() && call.at >= from)
        .count()
}

#[test]
fn an_outage_of_half_a_life_refuses_nobody_and_costs_one_fetch() {
    timed_in_a_crowd(async || {
        join_all(ALL.map(an_outage_of_half_a_life)).await;
    });
}

async fn an_outage_of_half_a_life(outage: Outage) {
    let (fleet, issued) = three_long_lived_replicas().await;
    let load = fleet.load(APP, Duration::from_millis(60));

    // The refresh is due after half a life, 8 s, and the token is handed out for 15 s.
    until(issued + LONG_LIFE * 15 / 32).await;
    let from = Instant::now();
    outage.begin(&fleet.wechat).await;
    until(issued + LONG_LIFE * 25 / 32).await;
    let spent = asked_since(&fleet, from);
    // Taken before: the first attempt may come while the outage is being ended.
    let back = Instant::now();
    outage.end(&fleet.wechat).await;
    let fetched = |wechat: &Simulator| {
        wechat
            .fetches(APP)
            .last()
            .is_some_and(|call| call.at > back)
    };
    assert!(
        fleet.wechat.wait_for(Duration::from_secs(6), fetched).await,
        "{outage:?}: no new token"
    );
    let took = back.elapsed();
    let collected = load.stop().await;
    let unsent = fleet
        .metric("token_broker_fetches_total", &[("outcome", "not_sent")])
        .await;

    println!("{outage:?}: {spent} fetches seen, {unsent} not sent, new token after {took:?}");
    if outage == Outage::CutAfter {
        // The repair of a lost fetch kills the token before last at once. Until a replica has the new one, it hands
        // out the dead one, or refuses, if a check found it dead meanwhile.
        let repaired = fleet.wechat.fetches(APP).last().expect("a repair").at;
        let refused: Vec<_> = collected
            .all()
            .filter(|reply| reply.status != 200)
            .collect();
        println!(
            "{} refused while the lost fetch was repaired",
            refused.len()
        );
        for reply in refused {
            assert!(reply.answered_at > back, "{reply:?}");
            assert!(reply.answered_at < repaired + NEXT_READING, "{reply:?}");
            assert_eq!(reply.code(), "upstream_away", "{reply:?}");
        }
        let dead = collected.longest_dead(&fleet.wechat);
        assert!(dead < NEXT_READING, "{dead:?}");
        collected.assert_never_backwards();
    } else {
        collected.assert_flawless(&fleet.wechat);
    }
    // Once a fetch was left unanswered, a check must be answered before the next. WeChat sees none at all only where
    // a busy machine lost the answer to a replica's `begin`: that too is a fetch of which nobody knows.
    let begun_unheard = fleet
        .metric("token_broker_store_errors_total", &[("op", "begin")])
        .await;
    let expected = if outage == Outage::Refusing || (spent == 0 && begun_unheard > 0.0) {
        0
    } else {
        1
    };
    assert_eq!(spent, expected, "{outage:?}");
    // What was not sent costs nothing. Each replica waits 50 to 400 ms between attempts, 225 ms in the mean: in the
    // 4.5 s that the refresh is due, 66 attempts of all three, give or take 4.
    assert!(unsent < 90.0, "{outage:?}: {unsent}");
    fleet.assert_in_order().await;
}

#[test]
fn an_outage_longer_than_the_life_is_served_to_the_last_second_and_ends_with_one_attempt() {
    timed_in_a_crowd(async || {
        join_all([Outage::Refusing, Outage::Hanging, Outage::Broken].map(a_long_outage)).await;
    });
}

async fn a_long_outage(outage: Outage) {
    let (fleet, issued) = three_replicas().await;
    let load = fleet.load(APP, Duration::from_millis(60));

    until(issued + LIFE * 7 / 16).await;
    let from = Instant::now();
    outage.begin(&fleet.wechat).await;
    until(issued + LIFE * 11 / 8).await;
    let spent = asked_since(&fleet, from);
    let callers: Vec<_> = fleet.replicas.iter().map(TestBroker::caller).collect();
    let back = Instant::now();
    outage.end(&fleet.wechat).await;
    for caller in callers {
        caller.token_within(APP, Duration::from_secs(3)).await;
    }
    let took = back.elapsed();
    let collected = load.stop().await;

    let lasted = |reply: &&Reply| reply.status == 200 && reply.answered_at < back;
    let served: Vec<_> = collected.all().filter(lasted).collect();
    let last = served.iter().map(|reply| reply.answered_at).max();
    let last = last.expect("some were served") - issued;
    println!("{outage:?}: served for {last:?}, {spent} fetches seen, back after {took:?}");
    assert!(last > LIFE - LAST_SECOND, "{last:?}");
    assert_eq!(collected.longest_dead(&fleet.wechat), Duration::ZERO);
    collected.assert_never_backwards();

    let refused: Vec<_> = collected
        .all()
        .filter(|reply| reply.status != 200)
        .collect();
    assert!(!refused.is_empty());
    for reply in refused {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "upstream_away"),
            "{reply:?}"
        );
        let wait = reply.headers["retry-after"].to_str().expect("a number");
        assert_eq!(wait, "1", "{reply:?}");
        assert!(reply.asked_at > issued + LIFE - LAST_SECOND, "{reply:?}");
    }
    // With no token there is nothing to check, and an attempt is a fetch: 50 to 400 ms apart, 3 to 4 s.
    assert!(spent < 40, "{outage:?}: {spent}");
    // One attempt: the longest backoff, a call that was hanging, the lease it held.
    assert!(took < Duration::from_millis(2500), "{outage:?}: {took:?}");
    fleet.assert_in_order().await;
}

#[test]
fn a_token_endpoint_that_is_broken_alone_is_asked_by_the_backoff_schedule() {
    timed(async || {
        let (fleet, issued) = three_long_lived_replicas().await;
        let load = fleet.load(APP, Duration::from_millis(60));

        until(issued + LONG_LIFE * 15 / 32).await;
        let from = Instant::now();
        let broken = Fault::new(FaultKind::Status(502)).on(Endpoint::Token);
        fleet.wechat.faults().add(broken);
        until(issued + LONG_LIFE * 25 / 32).await;
        let spent = asked_since(&fleet, from);
        fleet.wechat.faults().clear();
        let fetched = |call: &Call| call.at > issued;
        eventually("a new token", Duration::from_secs(3), async || {
            fleet.wechat.fetches(APP).last().is_some_and(fetched)
        })
        .await;
        let collected = load.stop().await;

        println!("{spent} fetches by the backoff schedule");
        collected.assert_flawless(&fleet.wechat);
        // The waits: 50 ms, then at random up to 100, 200, 400, 400, … within 4.5 s.
        assert!((6..50).contains(&spent), "{spent}");
        fleet.assert_in_order().await;
    });
}
