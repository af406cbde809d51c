//! Named histories: outages of store and upstream, errors, and machines that sleep.

use std::time::Duration;

use super::history::{HOUR, MINUTE, Setup, for_each_seed, seeds};
use super::scenarios::{scenario, spends};
use super::store::Link;
use super::upstream::Weather;
use super::world::Stage;

const SECOND: Duration = Duration::from_secs(1);

/// What an outage may cost in fetches that bring nothing, an hour: the slowest backoff, of each replica.
const IN_VAIN: u64 = 3 * 200;

#[test]
fn replies_that_are_lost_for_an_hour_cost_no_more_than_the_backoff() {
    for weather in [Weather::LosesReplies, Weather::Garbles] {
        scenario(
            "outages::replies_that_are_lost",
            Setup::TOKEN,
            HOUR,
            async |history| {
                history.wechat.set_weather(weather);
                spends(history, 250, history.elapse(90 * MINUTE)).await;
            },
        );
    }
}

#[test]
fn upstream_away_for_just_under_half_a_life_is_not_noticed() {
    scenario(
        "outages::upstream_away_for",
        Setup::TOKEN,
        Duration::ZERO,
        async |history| {
            history.world.reached(Stage::Stored).await;
            history.elapse(HOUR).await;
            history.oracle.promise(|promise| promise.must_serve = true);
            history.wechat.set_weather(Weather::Down);
            spends(history, 0, history.elapse(58 * MINUTE)).await;
        },
    );
}

#[test]
fn an_outage_of_three_hours_refuses_only_what_has_expired() {
    for (upstream, store) in [(true, false), (false, true), (true, true)] {
        scenario(
            "outages::an_outage",
            Setup::TOKEN,
            Duration::ZERO,
            async |history| {
                if upstream {
                    history.wechat.set_weather(Weather::Down);
                }
                if store {
                    history.store.set_all_links(Link::Away);
                }
                spends(history, 0, history.elapse(3 * HOUR)).await;
            },
        );
    }
}

#[test]
fn an_upstream_that_hangs_costs_no_more_than_the_backoff() {
    scenario(
        "outages::an_upstream_that",
        Setup::TOKEN,
        4 * HOUR,
        async |history| {
            history.wechat.set_weather(Weather::Hangs);
            spends(history, 400, history.elapse(3 * HOUR)).await;
        },
    );
}

#[test]
fn a_replica_cut_off_from_the_store_finds_out_by_itself() {
    // It checks once a reconcile interval, and drops its grant when the others have replaced it.
    scenario(
        "outages::a_replica_cut_off",
        Setup::TOKEN,
        35 * SECOND,
        async |history| {
            history.store.set_link(0, Link::Away);
            history.elapse(3 * HOUR).await;
        },
    );
}

#[test]
fn a_replica_that_stands_still_in_a_check_makes_the_next_at_once() {
    // Cut off from the store, it may answer for a minute after it last asked anybody. WeChat hangs when it goes on.
    let setup = Setup {
        replicas: 1,
        ..Setup::TOKEN
    };
    for moment in 0..10 {
        scenario(
            "outages::a_replica_that_stands",
            setup,
            Duration::ZERO,
            async |history| {
                history.store.set_link(0, Link::Away);
                history.wechat.set_weather(Weather::Hangs);
                history.elapse(MINUTE + moment * 3 * SECOND).await;
                history.nodes[0].stop();
                history.elapse(48 * SECOND).await;
                history.nodes[0].go_on();
                history.elapse(MINUTE).await;
            },
        );
    }
}

#[test]
fn a_token_that_was_over_by_a_replicas_own_clocks_is_found_dead_soon_after_the_store_is_back() {
    // Nothing was left to be checked when a foreign fetch killed it, and whoever finds that cannot tell the others.
    for_each_seed(
        "outages::a_token_that_was_over",
        seeds(6),
        Setup::TOKEN,
        async |history| {
            history.begin().await;
            history.oracle.callers(|callers| callers.reports = 0.0);
            history
                .oracle
                .promise(|promise| promise.dead_for = 20 * SECOND);
            history.elapse(10 * MINUTE).await;
            history.store.set_all_links(Link::Away);
            history.nodes[0].clock.step_wall(2 * 3_600_000);
            history.wechat.foreign_fetch();
            history.elapse(10 * MINUTE).await;
            history.store.lose_signals(1.0);
            history.store.set_all_links(Link::Up);
            history.elapse(MINUTE).await;
            history.recovers_within(10 * MINUTE).await;
        },
    );
}

#[test]
fn a_reading_that_gets_no_answer_is_made_again_within_a_second() {
    // The second replica comes while the first fetches, and hears nothing when it is told that there is a token:
    // neither then, nor when requests ask. What it planned itself is due when the lease ends.
    for_each_seed(
        "outages::a_reading_that",
        seeds(4),
        Setup::TOKEN,
        async |history| {
            history.nodes[0].start();
            history.world.reached(Stage::Sends).await;
            history.nodes[1].start();
            history.elapse(Duration::from_millis(50)).await;
            history.store.set_link(1, Link::LosesReplies(1.0));
            history.elapse(3 * SECOND).await;
            history.store.set_link(1, Link::Up);
            history.elapse(2 * SECOND).await;
            history.oracle.all_agree(&history.nodes);
            history.elapse(5 * MINUTE).await;
        },
    );
}

#[test]
fn errors_that_need_a_person_are_asked_again_slowly() {
    for (code, hourly) in [
        (40001, 1),
        (45009, 1),
        (40164, 12),
        (40243, 6),
        (45011, 60),
        (-1, 120),
    ] {
        scenario(
            "outages::errors_that_need",
            Setup::TOKEN,
            Duration::ZERO,
            async |history| {
                history.wechat.set_weather(Weather::Errs(code));
                let rate = hourly * 2 + 4;
                spends(history, rate, history.elapse(2 * HOUR)).await;
                history.wechat.set_weather(Weather::Fair);
                history.elapse(70 * MINUTE).await;
            },
        );
    }
}

#[test]
fn lost_signals_and_unconfirmed_leases_only_delay() {
    scenario(
        "outages::lost_signals",
        Setup::TOKEN,
        Duration::ZERO,
        async |history| {
            history.oracle.promise(|promise| promise.must_serve = true);
            history.store.lose_signals(1.0);
            spends(history, 3, history.elapse(150 * MINUTE)).await;
            history.store.lose_signals(0.0);
            history.store.set_unconfirmed(true);
            spends(history, IN_VAIN, history.elapse(150 * MINUTE)).await;
        },
    );
}

#[test]
fn a_wall_clock_that_steps_costs_nothing_but_a_look() {
    for (millis, link) in [
        (-3_600_000, Link::Up),
        (3_600_000, Link::Up),
        (900_000, Link::Away),
    ] {
        scenario(
            "outages::a_wall_clock",
            Setup::TOKEN,
            Duration::ZERO,
            async |history| {
                history.store.set_link(0, link);
                history.elapse(MINUTE).await;
                history.oracle.promise(|promise| promise.must_serve = true);
                history.nodes[0].clock.step_wall(millis);
                spends(history, 0, history.elapse(5 * MINUTE)).await;
                history.oracle.promise(|promise| promise.must_serve = false);
            },
        );
    }
}

#[test]
fn a_machine_that_slept_answers_nothing_from_before_it_slept() {
    scenario(
        "outages::a_machine_that_slept",
        Setup::TOKEN,
        SECOND,
        async |history| {
            for minutes in [2, 70, 180] {
                history.nodes[0].stop();
                history.elapse(minutes * MINUTE).await;
                history.nodes[0].wake().await;
            }
            // Stopped by a hypervisor: boot time stands still too.
            history.nodes[0].stop();
            history.elapse(70 * MINUTE).await;
            history.nodes[0].clock.stopped_for(70 * MINUTE);
            history.nodes[0].wake().await;
            // All of them at once.
            for minutes in [2, 70, 180] {
                history.world.skip(minutes * MINUTE);
                history.elapse(10 * MINUTE).await;
            }
        },
    );
}
