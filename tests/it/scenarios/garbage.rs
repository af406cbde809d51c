//! What WeChat answers is not what it documents, in all the ways that the simulator knows; and a thousand
//! replies come in any order.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::iter;
use wechat_simulator::{App, Endpoint, Fault, FaultKind, Garbage, Settings as WeChatSettings};

use crate::support::fleet::{Fleet, Kept, apps, eventually, wechat_with};
use crate::support::settings::{AppUnderTest, Settings};
use crate::support::timed::timed_in_a_crowd;

/// How many apps are not met by any garbage.
const HEALTHY: usize = 5;
const BACKOFF_MIN: Duration = Duration::from_millis(500);

/// Patient enough that nothing but garbage is taken for a lost reply.
fn slow_backoff(settings: Settings) -> Settings {
    let settings = Settings {
        timeout: Duration::from_secs(2),
        store_timeout: Duration::from_secs(2),
        ..settings
    };
    settings
        .refresh("lease", "7s")
        .refresh("overlap", "20s")
        .refresh("min_spacing", "21s")
        .refresh("backoff_min", "500ms")
        .refresh("backoff_max", "3s")
        .refresh("close_watch", "2s")
        .refresh("watch", "2s")
}

#[test]
fn no_kind_of_garbage_is_stored_or_served_and_healthy_apps_do_not_notice() {
    timed_in_a_crowd(async || {
        join(garbage_into(Kept::InRedis), garbage_into(Kept::Embedded)).await;
    });
}

/// One app a kind, and a few that are healthy; none of them has a token yet.
async fn garbage_into(kept: Kept) {
    let apps = apps(Garbage::ALL.len() + HEALTHY);
    let (bad, healthy) = apps.split_at(Garbage::ALL.len());
    let kind_of = |app: &AppUnderTest| {
        let number = bad.iter().position(|other| other.appid == app.appid);
        number.map(|number| Garbage::ALL[number])
    };
    let usable = |app: &AppUnderTest| kind_of(app).is_none_or(Garbage::is_usable);
    let wechat = WeChatSettings {
        token_life: Duration::from_secs(120),
        ..wechat_with(&apps)
    };
    let with_apps = |settings: Settings| slow_backoff(settings).apps(apps.clone());
    let mut fleet = Fleet::without_replicas(kept, wechat, with_apps).await;
    for app in bad {
        let garbage = kind_of(app).map(Fault::garbage).expect("a kind");
        let garbage = garbage.on(Endpoint::Token).for_app(&app.appid);
        fleet.wechat.faults().add(garbage);
    }

    let begun = Instant::now();
    fleet.add(1).await;
    for app in healthy {
        let bound = Duration::from_secs(10);
        fleet.caller(0).token_within(&app.appid, bound).await;
    }
    let again = |wechat: &wechat_simulator::Simulator| {
        bad.iter()
            .all(|app| usable(app) || wechat.count(&app.appid, Endpoint::Token) >= 1)
    };
    assert!(fleet.wechat.wait_for(Duration::from_secs(10), again).await);
    // Long enough for several attempts.
    tokio::time::sleep_until((begun + 8 * BACKOFF_MIN).into()).await;
    assert_served(&fleet, &apps, usable).await;

    let most = 1 + begun.elapsed().as_millis() / BACKOFF_MIN.as_millis();
    for app in bad {
        let (kind, calls) = (
            kind_of(app),
            fleet.wechat.count(&app.appid, Endpoint::Token),
        );
        if usable(app) {
            assert_eq!(calls, 1, "{kind:?} is understood");
        } else {
            assert!(
                (1..=most).contains(&(calls as u128)),
                "{kind:?}: {calls} of {most}"
            );
        }
    }
    for app in healthy {
        assert_eq!(fleet.wechat.count(&app.appid, Endpoint::Token), 1);
    }
    fleet.assert_in_order().await;

    // What is stored is what another broker finds there, with WeChat out of reach.
    fleet.wechat.pause_listening().await.expect("an outage");
    for replica in std::mem::take(&mut fleet.replicas) {
        replica.stop().await;
    }
    fleet.add(1).await;
    eventually("the store was read", Duration::from_secs(5), async || {
        let healthy = &healthy[0].appid;
        fleet.caller(0).token(healthy).await.status == 200
    })
    .await;
    assert_served(&fleet, &apps, usable).await;
}

/// Those that should be are served with their own token, and the others are refused.
async fn assert_served(
    fleet: &Fleet,
    apps: &[AppUnderTest],
    usable: impl Fn(&AppUnderTest) -> bool,
) {
    let caller = fleet.caller(0);
    let replies = iter(apps.iter().map(async |app| {
        if usable(app) {
            let bound = Duration::from_secs(5);
            caller.token_within(&app.appid, bound).await
        } else {
            caller.token(&app.appid).await
        }
    }));
    let replies: Vec<_> = replies.buffered(apps.len()).collect().await;
    for (app, reply) in apps.iter().zip(replies) {
        if usable(app) {
            assert_eq!(reply.status, 200, "{}: {reply:?}", app.appid);
            let owner = fleet.wechat.belongs_to(&reply.token());
            assert_eq!(owner.as_ref(), Some(&app.appid));
        } else {
            assert_eq!(reply.status, 503, "{}: {reply:?}", app.appid);
        }
    }
}

#[test]
fn a_thousand_apps_fetched_at_once_never_get_each_others_token() {
    timed_in_a_crowd(async || {
        let apps = apps(1000);
        let wechat = WeChatSettings {
            token_life: Duration::from_secs(600),
            apps: apps
                .iter()
                .map(|app| App::new(&app.appid, &app.secret))
                .collect(),
            ..WeChatSettings::default()
        };
        let tune = |settings: Settings| {
            let settings = settings.apps(apps.clone());
            let settings = Settings {
                timeout: Duration::from_secs(2),
                store_timeout: Duration::from_secs(2),
                ..settings
            };
            // As rarely as in production: what is tried here is many fetches, not many readings.
            settings
                .refresh("lease", "10s")
                .refresh("overlap", "60s")
                .refresh("min_spacing", "61s")
                .refresh("reconcile", "10s")
                .refresh("watch", "0s")
                .refresh("close_watch", "60s")
        };
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, tune).await;
        for (number, app) in apps.iter().enumerate() {
            // Every tenth reply is lost; the others come after 0 to 150 ms, in no order.
            let delay = Duration::from_millis(u64::try_from(number * 7919 % 151).expect("small"));
            let kind = if number % 10 == 0 {
                FaultKind::ActThenCut
            } else {
                FaultKind::ActThenDelay(delay)
            };
            let fault = Fault::new(kind).on(Endpoint::Token).for_app(&app.appid);
            fleet.wechat.faults().add(fault.once());
        }

        let begun = Instant::now();
        fleet.add(2).await;
        let callers = [fleet.caller(0), fleet.caller(1)];
        let asked = iter(apps.iter().enumerate().map(|(number, app)| {
            let caller = &callers[number % 2];
            let reply = caller.token_within(&app.appid, Duration::from_secs(60));
            async move { (&app.appid, reply.await) }
        }));
        let replies: Vec<_> = asked.buffer_unordered(200).collect().await;
        let took = begun.elapsed();

        for (appid, reply) in &replies {
            let token = reply.token();
            assert_eq!(fleet.wechat.belongs_to(&token).as_ref(), Some(*appid));
            assert!(fleet.wechat.was_valid(appid, &token, reply.answered_at));
        }
        let most = apps
            .iter()
            .map(|app| fleet.wechat.count(&app.appid, Endpoint::Token))
            .max();
        println!(
            "{} apps in {took:?}, at most {most:?} fetches each",
            replies.len()
        );
        assert_eq!(replies.len(), 1000);
        assert!(most <= Some(3), "{most:?}");
        fleet.assert_in_order().await;
    });
}
