//! Named histories of safeguards that stand behind another one: each fails where its own is taken out of the product
//! (`make ablate`), and the model has no history that misses it.

use std::time::Duration;

use super::history::{HOUR, MINUTE, Setup};
use super::scenarios::{scenario, spends};
use super::store::Link;
use super::upstream::Weather;
use super::world::Stage;

const ALONE: Setup = Setup {
    replicas: 1,
    ..Setup::TOKEN
};
const TWO: Setup = Setup {
    replicas: 2,
    ..Setup::TOKEN
};

/// Whoever takes over fetches once; the holder, whose lease is over when it goes on, does not fetch as well.
#[test]
fn nobody_fetches_under_a_lease_that_is_over() {
    scenario(
        "safeguards::nobody_fetches",
        Setup::TOKEN,
        Duration::ZERO,
        async |history| {
            let replica = history.world.reached(Stage::Leased).await;
            history.nodes[replica].stop();
            history.elapse(Duration::from_secs(40)).await;
            history.nodes[replica].go_on();
            spends(history, 0, history.elapse(10 * MINUTE)).await;
        },
    );
}

/// The token before dies after five minutes, and nobody else has the new one.
#[test]
fn a_token_that_cannot_be_stored_is_served_all_the_same() {
    scenario(
        "safeguards::a_token_that",
        ALONE,
        Duration::ZERO,
        async |history| {
            history.oracle.promise(|promise| promise.must_serve = true);
            let replica = history.world.reached(Stage::Answered).await;
            history.store.set_link(replica, Link::Away);
            history.elapse(HOUR / 2).await;
            history.store.set_link(replica, Link::Up);
        },
    );
}

/// Others may have replaced its token meanwhile, and the first request may come before it has asked anybody.
#[test]
fn a_replica_that_stood_still_answers_nothing_before_it_has_asked() {
    scenario(
        "safeguards::a_replica_that_stood",
        Setup::TOKEN,
        Duration::from_secs(1),
        async |history| {
            let node = &history.nodes[0];
            node.stop();
            history.elapse(HOUR / 2).await;
            node.go_on();
            let answer = node.broker().and_then(|(broker, id, _)| broker.at_once(id));
            if let Some(served) = answer {
                history.world.violation(format_args!(
                    "{} is from before it stood still",
                    served.grant.value.expose()
                ));
            }
        },
    );
}

/// The token is due, its holder crashed, and WeChat hangs: one more fetch gets no answer. From then on there is something
/// to repair, and only checks ask whether WeChat is back.
#[test]
fn a_repair_spends_nothing_while_wechat_does_not_answer() {
    scenario(
        "safeguards::a_repair_spends",
        Setup::TOKEN,
        Duration::from_secs(20),
        async |history| {
            let replica = history.world.reached(Stage::Issued).await;
            history.nodes[replica].crash();
            history.wechat.set_weather(Weather::Hangs);
            let back = history.world.now() + 20 * MINUTE;
            history
                .oracle
                .promise(|promise| promise.blind_until = back + MINUTE);
            spends(history, 1, history.elapse(20 * MINUTE)).await;
            history.wechat.set_weather(Weather::Fair);
        },
    );
}

/// Two fetches overlap, and nobody knows in which order they arrived. The commit that comes last does not end the doubt
/// that the late one before it raised, so that another token is there before this one dies.
#[test]
fn a_commit_does_not_clear_a_suspicion_that_is_as_new_as_itself() {
    scenario(
        "safeguards::a_commit_does_not",
        TWO,
        Duration::from_secs(20),
        async |history| {
            let first = history.world.reached(Stage::Sends).await;
            history.nodes[first].stop();
            let second = history.world.reached(Stage::Issued).await;
            history.nodes[second].stop();
            history.nodes[first].go_on();
            history.world.reached(Stage::Answered).await;
            history.elapse(Duration::from_millis(50)).await;
            history.nodes[second].go_on();
            history.elapse(MINUTE).await;
            let answer = history.nodes[second]
                .broker()
                .and_then(|(broker, id, _)| broker.at_once(id));
            let value = answer.map(|served| served.grant.value.expose().to_owned());
            if !value.is_some_and(|value| history.wechat.is_latest(&value)) {
                history
                    .world
                    .violation(format_args!("what is served is not WeChat's latest"));
            }
        },
    );
}
