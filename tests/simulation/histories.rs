//! Random histories: several faults at a time, then peace.

use std::time::Duration;

use super::fault::Fault;
use super::history::{DAY, HOUR, History, MINUTE, Setup, for_each_seed, seeds};
use super::world::from_environment;

/// Nothing is worse than a foreign fetch that the watch finds, whose claim was held by a process that was
/// stopped or crashed, and whose repair another fault delayed for a lease.
const DEAD_AT_MOST: Duration = Duration::from_secs(180);

/// Suffers one fault after the other until the end.
async fn lane(history: &History, end: Duration) {
    while history.world.now() < end {
        let replicas = history.nodes.len();
        let (rest, fault) = history.world.dice(|dice| {
            let rest = dice.between(Duration::ZERO, 15 * MINUTE);
            (rest, Fault::any(dice, replicas, 90 * MINUTE))
        });
        tokio::time::sleep(rest).await;
        fault.strike(history).await;
    }
}

async fn suffer(history: &History, time: Duration) {
    history.begin().await;
    history
        .oracle
        .promise(|promise| promise.dead_for = DEAD_AT_MOST);
    let lanes = history.world.dice(|dice| dice.below(3)) + 1;
    let end = history.world.now() + time;
    let elapses = history.elapse(time);
    match lanes {
        1 => {
            tokio::join!(elapses, lane(history, end));
        }
        2 => {
            tokio::join!(elapses, lane(history, end), lane(history, end));
        }
        _ => {
            tokio::join!(
                elapses,
                lane(history, end),
                lane(history, end),
                lane(history, end)
            );
        }
    }
    history.recovers_within(20 * MINUTE).await;
}

fn time() -> Duration {
    from_environment("SIMULATION_DAYS")
        .map_or(4 * HOUR, |days| DAY * u32::try_from(days).unwrap_or(1))
}

#[test]
fn whatever_happens_to_a_token_the_promises_are_kept() {
    for_each_seed(
        "histories::whatever_happens_to_a_token",
        seeds(3),
        Setup::TOKEN,
        async |history| suffer(history, time()).await,
    );
}

#[test]
fn whatever_happens_to_a_stable_token_the_promises_are_kept() {
    for_each_seed(
        "histories::whatever_happens_to_a_stable_token",
        seeds(3),
        Setup::STABLE,
        async |history| suffer(history, time()).await,
    );
}
