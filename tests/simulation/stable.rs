//! Named histories of stable tokens, which do not rotate.

use std::time::Duration;

use super::history::{HOUR, History, MINUTE, Setup, for_each_seed, seeds};
use super::store::Link;
use super::upstream::Weather;
use super::world::Stage;

/// A death that nobody could expect: the watch, checks, and two fetches.
const WATCH: Duration = Duration::from_secs(70);

fn scenario(name: &str, dead_for: Duration, script: impl AsyncFn(&History)) {
    let name = format!("stable::{name}");
    for_each_seed(&name, seeds(1), Setup::STABLE, async |history| {
        history.begin().await;
        history.elapse(10 * MINUTE).await;
        history
            .oracle
            .promise(|promise| promise.dead_for = dead_for);
        script(history).await;
        history.recovers_within(10 * MINUTE).await;
    });
}

#[test]
fn half_a_healthy_day_of_a_stable_token_goes_unnoticed() {
    let setup = Setup {
        most_fetches: 25,
        ..Setup::STABLE
    };
    for_each_seed(
        "stable::half_a_healthy_day",
        seeds(1),
        setup,
        async |history| {
            history.begin().await;
            history.oracle.promise(|promise| promise.must_serve = true);
            history.elapse(12 * HOUR).await;
        },
    );
}

#[test]
fn a_stable_token_that_somebody_forces_is_replaced() {
    scenario("a_stable_token_that", WATCH, async |history| {
        history.wechat.foreign_fetch();
        history.elapse(10 * MINUTE).await;
    });
}

#[test]
fn a_stable_token_outlives_the_store() {
    scenario("a_stable_token_outlives", Duration::ZERO, async |history| {
        history.store.set_all_links(Link::Away);
        history.elapse(5 * HOUR).await;
    });
}

#[test]
fn a_stable_token_outlives_outages_of_upstream_that_are_shorter() {
    for weather in [Weather::Down, Weather::Hangs, Weather::LosesReplies] {
        scenario("a_stable_token_outlives", Duration::ZERO, async |history| {
            history.wechat.set_weather(weather);
            history.elapse(90 * MINUTE).await;
        });
    }
}

#[test]
fn a_stable_token_survives_crashes_stalls_and_lost_stores() {
    for stage in [Stage::Leased, Stage::Issued, Stage::Stored] {
        scenario("a_stable_token_survives", Duration::ZERO, async |history| {
            let replica = history.world.reached(stage).await;
            history.nodes[replica].crash();
            history.elapse(15 * MINUTE).await;
            history.nodes[replica].start();
            let replica = history.world.reached(stage).await;
            history.nodes[replica].stop();
            history.elapse(MINUTE).await;
            history.nodes[replica].go_on();
            history.world.reached(stage).await;
            history.store.fail_over(4, -10_000);
            history.elapse(10 * MINUTE).await;
            history.store.flush();
            history.elapse(10 * MINUTE).await;
        });
    }
}

#[test]
fn a_replica_does_not_go_back_from_a_stable_token_that_somebody_ended() {
    scenario("a_replica_does_not_go_back", WATCH, async |history| {
        let replica = history.world.reached(Stage::Issued).await;
        history.nodes[replica].stop();
        history.wechat.foreign_fetch();
        history.wechat.set_weather(Weather::Errs(45011));
        history.store.set_link(replica, Link::Away);
        history.nodes[replica].go_on();
        history.elapse(2 * MINUTE).await;
        history.store.set_link(replica, Link::Up);
        history.wechat.set_weather(Weather::Fair);
    });
}
