//! Nothing goes wrong, for a long time.

use std::time::Duration;

use wechat_simulator::{Endpoint, Settings as WeChatSettings, Simulator};

use crate::support::fleet::{APP, Fleet, Kept, apps, wechat_with};
use crate::support::settings::Settings;
use crate::support::timed::timed;

const LIFE: Duration = Duration::from_secs(4);
const LIVES: usize = 50;

/// Refreshes every 2 s: every duration is as long as the one above it in the configuration's rules allows.
fn short_lives(settings: Settings) -> Settings {
    Settings {
        timeout: Duration::from_millis(250),
        store_timeout: Duration::from_millis(200),
        ..settings
    }
    .refresh("overlap", "1950ms")
    .refresh("min_spacing", "1950ms")
    .refresh("caller_cache", "0s")
    .refresh("lease", "700ms")
    .refresh("reconcile", "250ms")
    .refresh("jitter", "0.05")
}

#[test]
fn fifty_lives_pass_without_a_dead_token_or_a_refusal() {
    timed(async || {
        let apps = apps(1);
        let wechat = WeChatSettings {
            token_life: LIFE,
            overlap: Duration::from_millis(1950),
            ..wechat_with(&apps)
        };
        let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, short_lives).await;
        fleet.add(3).await;
        fleet
            .caller(0)
            .token_within(APP, Duration::from_secs(5))
            .await;

        let load = fleet.load(APP, Duration::from_millis(40));
        let lived = |wechat: &Simulator| wechat.fetches(APP).len() > LIVES;
        let bound = LIFE * u32::try_from(LIVES).expect("few");
        assert!(fleet.wechat.wait_for(bound, lived).await);
        let collected = load.stop().await;

        collected.assert_flawless(&fleet.wechat);
        let fetches = fleet.wechat.fetches(APP);
        let lasted = fetches[LIVES].at.duration_since(fetches[0].at);
        for pair in fetches.windows(2) {
            let apart = pair[1].at.duration_since(pair[0].at);
            // Half a life and at most its jitter, from one begin to the next; the rest is the machine's.
            assert!(apart > LIFE / 2 - Duration::from_millis(250), "{apart:?}");
            assert!(apart < LIFE * 3 / 4, "{apart:?}");
        }
        assert_eq!(fleet.wechat.max_fetches_at_once(APP), 1);
        // One check every `watch`, 500 ms, whatever the number of replicas; the store was empty at first, so
        // for a while it was one every 150 ms.
        let checks = fleet.wechat.count(APP, Endpoint::ApiDomainIp);
        let watches = lasted.as_millis() / 500 + (1950 + 700 + 4 * 150) / 150;
        assert!(
            (watches / 2..=watches + 4).contains(&(checks as u128)),
            "{checks} checks, {watches} watches"
        );
        fleet.assert_in_order().await;
        let asked = collected.all().count();
        println!("{LIVES} lives in {lasted:?}: {asked} replies, {checks} checks");
    });
}

#[test]
fn a_refresh_is_due_at_half_the_life_and_its_jitter_however_often_the_store_is_read() {
    timed(async || {
        let apps = apps(12);
        let often = |settings: Settings| {
            settings
                .refresh("jitter", "0.5")
                .refresh("reconcile", "100ms")
        };
        let fleet = Fleet::serving(1, &apps, often).await;

        let life = crate::support::settings::LIFE;
        for app in &apps {
            let again = |wechat: &Simulator| wechat.fetches(&app.appid).len() > 1;
            assert!(fleet.wechat.wait_for(life, again).await);
            let fetches = fleet.wechat.fetches(&app.appid);
            let age = fetches[1].at.duration_since(fetches[0].at);
            let due =
                life / 2 - Duration::from_millis(250)..life * 3 / 4 + Duration::from_millis(600);
            assert!(due.contains(&age), "{}: {age:?}", app.appid);
        }
        fleet.assert_in_order().await;
    });
}
