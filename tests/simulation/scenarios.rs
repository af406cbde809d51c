//! Named histories: one fault in or around a refresh, and the bounds that hold for it.
//!
//! Times since its death for which a token may be served: a caller of the replica that finds out sees it
//! until the next check and for one fetch, a caller of another replica until it hears of that.

use std::time::Duration;

use super::fault::Fault;
use super::history::{DAY, HOUR, History, MINUTE, Setup, for_each_seed, run, seeds};
use super::store::Link;
use super::upstream::Weather;
use super::world::Stage;

const SECOND: Duration = Duration::from_secs(1);

/// After anything unclear: the close watch, a second's checks and a fetch.
const CLOSE: Duration = Duration::from_secs(18);

/// A death that nobody could expect: the watch, checks and a fetch.
const WATCH: Duration = Duration::from_secs(65);

/// Runs a history for a few seeds: a script between a good start and a recovery.
pub(crate) fn scenario(
    name: &str,
    setup: Setup,
    dead_for: Duration,
    script: impl AsyncFn(&History),
) {
    for_each_seed(name, seeds(1), setup, async |history| {
        history.begin().await;
        history.elapse(10 * MINUTE).await;
        history
            .oracle
            .promise(|promise| promise.dead_for = dead_for);
        script(history).await;
        history.recovers_within(10 * MINUTE).await;
    });
}

fn fetches(history: &History) -> u64 {
    history.wechat.calls().0
}

/// The script may spend so many fetches at most.
pub(crate) async fn spends(history: &History, most: u64, script: impl Future<Output = ()>) {
    let before = fetches(history);
    script.await;
    let spent = fetches(history) - before;
    if spent > most {
        history.world.violation(format_args!(
            "{spent} fetches were spent, {most} are allowed"
        ));
    }
}

#[test]
fn a_healthy_day_costs_few_fetches_and_nobody_notices_anything() {
    let setup = Setup {
        most_fetches: 25,
        ..Setup::TOKEN
    };
    for_each_seed(
        "scenarios::a_healthy_day",
        seeds(1),
        setup,
        async |history| {
            history.begin().await;
            history.oracle.promise(|promise| promise.must_serve = true);
            let checks = history.wechat.calls().1;
            spends(history, 25, history.elapse(DAY)).await;
            let checks = history.wechat.calls().1 - checks;
            if checks > 24 * 61 {
                history
                    .world
                    .violation(format_args!("{checks} checks in a healthy day"));
            }
        },
    );
}

#[test]
fn a_crash_at_any_step_of_a_refresh_is_repaired() {
    for stage in Stage::ALL {
        scenario(
            "scenarios::a_crash_at",
            Setup::TOKEN,
            CLOSE,
            async |history| {
                let replica = history.world.reached(stage).await;
                history.nodes[replica].crash();
                spends(history, 2, history.elapse(15 * MINUTE)).await;
            },
        );
    }
}

#[test]
fn a_crash_of_a_lonely_replica_is_repaired_by_its_next_start() {
    for stage in [Stage::Leased, Stage::Issued, Stage::Stored] {
        let setup = Setup {
            replicas: 1,
            ..Setup::TOKEN
        };
        scenario(
            "scenarios::a_crash_of_a_lonely",
            setup,
            CLOSE,
            async |history| {
                let replica = history.world.reached(stage).await;
                history.nodes[replica].crash();
                history.elapse(10 * SECOND).await;
                history.nodes[replica].start();
                spends(history, 2, history.elapse(15 * MINUTE)).await;
            },
        );
    }
}

#[test]
fn a_holder_that_stalls_at_any_step_is_overtaken_and_repaired() {
    for stage in Stage::ALL {
        scenario(
            "scenarios::a_holder_that_stalls",
            Setup::TOKEN,
            CLOSE,
            async |history| {
                let replica = history.world.reached(stage).await;
                history.nodes[replica].stop();
                history.elapse(40 * SECOND).await;
                history.nodes[replica].go_on();
                history.elapse(10 * MINUTE).await;
            },
        );
    }
}

/// No lease can close this: the holder looks at its lease, stands still for longer than the close watch, sends
/// all the same, and dies before it can tell. It looks like a foreign fetch, and is found like one.
#[test]
fn a_holder_that_stalls_before_sending_and_then_dies_is_found_by_the_watch() {
    let lives_through = |seed| {
        run(seed, Setup::TOKEN, async |history| {
            history.begin().await;
            history.oracle.callers(|callers| callers.reports = 0.0);
            history.oracle.promise(|promise| promise.dead_for = WATCH);
            let replica = history.world.reached(Stage::Sends).await;
            history.nodes[replica].stop();
            history.elapse(8 * MINUTE).await;
            history.nodes[replica].go_on();
            let sender = history.world.reached(Stage::Issued).await;
            history.nodes[sender].crash();
            history.elapse(10 * MINUTE).await;
        })
    };
    // How soon the next check comes is a matter of chance.
    let mut dead_for = Duration::ZERO;
    for outcome in (0..4).map(lives_through) {
        assert_eq!(outcome.violations, [""; 0]);
        dead_for = dead_for.max(outcome.figures.dead_for);
    }
    assert!(dead_for > CLOSE, "the watch was not needed: {dead_for:?}");
}

/// A request may come after it goes on and before its first check is answered; in one of these histories it does.
#[test]
fn while_the_only_replica_stands_still_nobody_finds_a_death() {
    let setup = Setup {
        replicas: 1,
        ..Setup::TOKEN
    };
    for_each_seed(
        "scenarios::while_the_only",
        40..50,
        setup,
        async |history| {
            history.begin().await;
            history.oracle.callers(|callers| callers.reports = 0.0);
            history.elapse(20 * MINUTE).await;
            history.oracle.promise(|promise| promise.dead_for = WATCH);
            history.wechat.foreign_fetch();
            Fault::Stop(0, 8 * MINUTE).strike(history).await;
            history.elapse(10 * MINUTE).await;
        },
    );
}

#[test]
fn a_fetch_whose_reply_is_lost_is_repaired() {
    for weather in [
        Weather::LosesReplies,
        Weather::Garbles,
        Weather::Lingers(15 * SECOND),
    ] {
        scenario(
            "scenarios::a_fetch_whose_reply",
            Setup::TOKEN,
            CLOSE,
            async |history| {
                history.world.reached(Stage::Asks).await;
                history.wechat.set_weather(weather);
                tokio::time::sleep(SECOND).await;
                history.wechat.set_weather(Weather::Fair);
                spends(history, 3, history.elapse(15 * MINUTE)).await;
            },
        );
    }
}

#[test]
fn a_commit_that_cannot_reach_the_store_keeps_its_grant() {
    for time in [5 * SECOND, 10 * MINUTE, 3 * HOUR] {
        // The other replicas hold the grant before, which dies; they find out, and repair.
        scenario(
            "scenarios::a_commit_that",
            Setup::TOKEN,
            CLOSE,
            async |history| {
                let replica = history.world.reached(Stage::Answered).await;
                history.store.set_link(replica, Link::Away);
                history.elapse(time).await;
            },
        );
    }
}

#[test]
fn a_store_that_loses_everything_is_told_again() {
    scenario(
        "scenarios::a_store_that_loses",
        Setup::TOKEN,
        CLOSE,
        async |history| {
            for _ in 0..3 {
                history.store.flush();
                spends(history, 1, history.elapse(7 * MINUTE)).await;
            }
        },
    );
    for stage in [Stage::Leased, Stage::Issued, Stage::Answered] {
        scenario(
            "scenarios::a_store_that_loses",
            Setup::TOKEN,
            CLOSE,
            async |history| {
                history.world.reached(stage).await;
                history.store.flush();
                spends(history, 3, history.elapse(15 * MINUTE)).await;
            },
        );
    }
}

#[test]
fn an_evicted_grant_is_put_back() {
    scenario(
        "scenarios::an_evicted_grant",
        Setup::TOKEN,
        CLOSE,
        async |history| {
            history.store.evict_grant();
            spends(history, 0, history.elapse(5 * MINUTE)).await;
        },
    );
}

#[test]
fn a_failover_that_loses_writes_is_repaired() {
    for stage in [Stage::Leased, Stage::Issued, Stage::Stored] {
        for (lost, shift) in [(1, -10_000), (12, -600_000), (4, 600_000)] {
            scenario(
                "scenarios::a_failover",
                Setup::TOKEN,
                CLOSE,
                async |history| {
                    history.world.reached(stage).await;
                    history.store.fail_over(lost, shift);
                    spends(history, 4, history.elapse(15 * MINUTE)).await;
                },
            );
        }
    }
}

#[test]
fn a_foreign_fetch_is_found_by_the_watch() {
    scenario(
        "scenarios::a_foreign_fetch",
        Setup::TOKEN,
        WATCH,
        async |history| {
            history.oracle.callers(|callers| callers.reports = 0.0);
            history.wechat.foreign_fetch();
            spends(history, 1, history.elapse(10 * MINUTE)).await;
            // Twice in the overlap: it dies at once.
            history.wechat.foreign_fetch();
            history.elapse(2 * MINUTE).await;
            history.wechat.foreign_fetch();
            history.elapse(10 * MINUTE).await;
        },
    );
}

#[test]
fn a_cold_start_under_five_hundred_callers_fetches_once() {
    for_each_seed(
        "scenarios::a_cold_start",
        0..4,
        Setup::TOKEN,
        async |history| {
            history.nodes.iter().for_each(|node| node.start());
            for call in 0..500 {
                let node = &history.nodes[call % 3];
                if let Some((broker, id, _)) = node.broker() {
                    let world = std::sync::Arc::clone(&history.world);
                    node.serve(async move {
                        if let Err(refusal) = broker.token(id).await {
                            world.violation(format_args!("a cold start refuses {refusal:?}"));
                        }
                    });
                }
            }
            spends(history, 1, history.elapse(MINUTE)).await;
            history.oracle.all_agree(&history.nodes);
        },
    );
}

#[test]
fn a_paused_app_is_not_fetched_until_it_is_resumed() {
    scenario(
        "scenarios::a_paused_app",
        Setup::TOKEN,
        Duration::ZERO,
        async |history| {
            let pause = async |paused| {
                if let Some((broker, id, _)) = history.nodes[0].broker()
                    && let Err(refusal) = broker.set_pause(id, paused).await
                {
                    history
                        .world
                        .violation(format_args!("not paused: {refusal}"));
                }
            };
            pause(true).await;
            history.nodes[1].start();
            spends(history, 0, history.elapse(3 * HOUR)).await;
            history.store.flush();
            spends(history, 0, history.elapse(10 * MINUTE)).await;
            pause(false).await;
        },
    );
}

#[test]
fn whatever_happens_a_daily_limit_of_twelve_is_kept() {
    let setup = Setup {
        daily_limit: 12,
        most_fetches: 12,
        ..Setup::TOKEN
    };
    for_each_seed(
        "scenarios::whatever_happens",
        0..2,
        setup,
        async |history| {
            history.begin().await;
            history.oracle.callers(|callers| callers.nuisance = 0.1);
            history.oracle.promise(|promise| {
                promise.dead_for = DAY;
                promise.refusals = false;
            });
            for round in 0..9 {
                history.elapse(2 * HOUR).await;
                history.nodes[round % 3].start();
                history.store.flush();
                history.elapse(2 * HOUR).await;
                history.wechat.foreign_fetch();
            }
        },
    );
}

#[test]
fn half_a_day_of_restarts_costs_no_more_than_a_healthy_one() {
    let setup = Setup {
        most_fetches: 25,
        ..Setup::TOKEN
    };
    for_each_seed(
        "scenarios::half_a_day_of_restarts",
        0..1,
        setup,
        async |history| {
            history.begin().await;
            for round in 0..24 * 3 {
                history.elapse(10 * MINUTE).await;
                history.nodes[round % 3].start();
            }
        },
    );
}
