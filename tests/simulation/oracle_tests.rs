//! The simulation itself: it repeats, and its oracle notices what is broken on purpose.

use std::time::Duration;

use super::history::{HOUR, History, MINUTE, Outcome, Setup, run};
use super::store::{Link, Mischief};
use super::upstream::Weather;
use super::world::Stage;

/// A history in which a holder stalls at `stage`, with a store that breaks the protocol or keeps it.
fn stalled(mischief: Option<Mischief>, stage: Stage, setup: Setup) -> Outcome {
    run(1, setup, async |history| {
        if let Some(mischief) = mischief {
            history.store.set_mischief(mischief);
        }
        stall(history, stage).await;
    })
}

async fn stall(history: &History, stage: Stage) {
    history.begin().await;
    history.oracle.callers(|callers| callers.reports = 0.0);
    history
        .oracle
        .promise(|promise| promise.dead_for = Duration::from_secs(18));
    let replica = history.world.reached(stage).await;
    history.nodes[replica].stop();
    history.elapse(2 * MINUTE).await;
    history.nodes[replica].go_on();
    history.elapse(2 * HOUR).await;
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let [one, two] = [1, 1].map(|_| stalled(None, Stage::Issued, Setup::TOKEN));
    assert!(one.violations.is_empty(), "{:?}", one.violations);
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_eq!(
        (one.fetches, one.checks, one.store_calls, one.lasted),
        (two.fetches, two.checks, two.store_calls, two.lasted)
    );
}

#[test]
fn the_oracle_notices_a_store_that_takes_no_second_look() {
    let setup = Setup {
        most_fetches: 5,
        ..Setup::TOKEN
    };
    let outcome = stalled(Some(Mischief::NoSecondLook), Stage::Asks, setup);
    assert!(!outcome.violations.is_empty());
}

#[test]
fn the_oracle_notices_a_store_that_takes_late_commits() {
    let outcome = stalled(Some(Mischief::LateCommits), Stage::Answered, Setup::TOKEN);
    assert!(!outcome.violations.is_empty());
}

#[test]
fn the_oracle_notices_a_store_that_forgets_intents() {
    let crashed = |mischief: Option<Mischief>| {
        run(1, Setup::TOKEN, async |history| {
            history.begin().await;
            if let Some(mischief) = mischief {
                history.store.set_mischief(mischief);
            }
            history.elapse(10 * MINUTE).await;
            crash_in_a_forced_refresh(history).await;
        })
    };
    assert_eq!(crashed(None).violations, [""; 0]);
    assert!(
        !crashed(Some(Mischief::ForgetsIntents))
            .violations
            .is_empty()
    );
}

/// Nothing is due, so that only the intent tells of the token that was issued.
async fn crash_in_a_forced_refresh(history: &History) {
    history.oracle.callers(|callers| callers.reports = 0.0);
    history
        .oracle
        .promise(|promise| promise.dead_for = Duration::from_secs(18));
    let node = &history.nodes[0];
    if let Some((broker, id, _)) = node.broker() {
        node.serve(async move {
            let _ = broker.refresh(id).await;
        });
    }
    history.world.reached(Stage::Issued).await;
    node.crash();
    history.elapse(20 * MINUTE).await;
}

#[test]
fn the_oracle_notices_a_store_that_forgets_what_was_spent() {
    let setup = Setup {
        daily_limit: 12,
        most_fetches: 12,
        ..Setup::TOKEN
    };
    let outcome = run(1, setup, async |history| {
        history.store.set_mischief(Mischief::ForgetsBudget);
        history.begin().await;
        history.oracle.callers(|callers| callers.nuisance = 0.2);
        history.elapse(10 * HOUR).await;
    });
    assert!(!outcome.violations.is_empty());
}

#[test]
fn the_oracle_notices_a_store_that_repeats_epochs() {
    let outcome = stalled(Some(Mischief::RepeatsEpochs), Stage::Asks, Setup::TOKEN);
    assert!(!outcome.violations.is_empty());
}

/// A replica that comes while WeChat is away, and has nothing but the store to serve from.
#[test]
fn the_oracle_notices_a_replica_that_is_not_given_what_the_store_has() {
    let started = |mischief: Option<Mischief>| {
        run(1, Setup::TOKEN, async |history| {
            history.begin().await;
            if let Some(mischief) = mischief {
                history.store.set_mischief(mischief);
            }
            history.nodes[1].crash();
            history.wechat.set_weather(Weather::Down);
            history.nodes[1].start();
            history.elapse(2 * MINUTE).await;
        })
    };
    assert_eq!(started(None).violations, [""; 0]);
    let noticed = started(Some(Mischief::HidesGrants)).violations;
    let says = "refuses although the store has a living token";
    assert!(noticed.iter().any(|it| it.contains(says)), "{noticed:?}");
}

/// A token that somebody else's fetch killed, which the watch finds and a broken store does not believe.
#[test]
fn the_oracle_notices_a_store_that_ignores_deaths() {
    let killed = |mischief: Option<Mischief>| {
        run(1, Setup::TOKEN, async |history| {
            history.begin().await;
            if let Some(mischief) = mischief {
                history.store.set_mischief(mischief);
            }
            history.oracle.callers(|callers| callers.reports = 0.0);
            history
                .oracle
                .promise(|promise| promise.dead_for = Duration::from_secs(65));
            history.wechat.foreign_fetch();
            history.elapse(20 * MINUTE).await;
        })
    };
    assert_eq!(killed(None).violations, [""; 0]);
    assert!(!killed(Some(Mischief::IgnoresDeaths)).violations.is_empty());
}

/// No broker can know better where both of a machine's clocks lose the same hours and nobody can be asked:
/// the oracle does.
#[test]
fn the_oracle_notices_clocks_that_lose_time_together() {
    let outcome = run(1, Setup::TOKEN, async |history| {
        history.begin().await;
        history.store.set_all_links(Link::Away);
        history.wechat.set_weather(Weather::Down);
        history.elapse(MINUTE).await;
        for node in &history.nodes {
            node.clock.step_wall(-10_800_000);
            node.clock.stopped_for(3 * HOUR);
        }
        history.elapse(3 * HOUR).await;
    });
    assert!(!outcome.violations.is_empty());
}
