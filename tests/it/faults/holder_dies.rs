//! `kill -9` of the fetching process at each step of a refresh. Each test kills twenty attempts: four fleets
//! side by side, five apps each, at slightly different moments.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::rig::{REPAIR_MOMENT, Rig, SOON};
use crate::support::proxy::Hold;
use crate::support::timed::timed_in_a_crowd;

const FLEETS: usize = 4;
const APPS: usize = 5;

/// A lease of 2.5 s has to run out, and somebody to notice. It must not take until the token that a lost
/// fetch replaced dies, 8 s after that: whoever waits for this repairs what callers have met.
const REPAIRED_WITHIN: Duration = Duration::from_secs(6);

/// At which step it dies.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The lease was given, and the answer never came.
    BeginUnanswered,
    /// The request is on its way; WeChat has not acted.
    RequestSent,
    /// WeChat has acted; the reply never came.
    UpstreamActed,
    /// The reply was read; the commit never left.
    ReplyRead,
    /// The commit was stored; its answer never came, so nothing was published.
    Committed,
}

impl Step {
    /// How many fetches at most one killed attempt may cost beside the first token's.
    fn most_fetches(self) -> usize {
        match self {
            // The attempt issued nothing.
            Self::BeginUnanswered | Self::RequestSent => 2,
            // The attempt's own, and two at most to repair it.
            Self::UpstreamActed | Self::ReplyRead | Self::Committed => 3,
        }
    }
}

async fn kill_at(step: Step, fleet: usize) {
    let mut rig = Rig::start(fleet, APPS).await;
    let witness = rig.witness.caller().await;
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let watch = rig.watch_witness().await;
    let counted = rig.fetches();
    match step {
        Step::BeginUnanswered => rig.proxy.hold("begin", Hold::Reply),
        Step::ReplyRead => rig.proxy.hold("commit", Hold::Request),
        Step::Committed => rig.proxy.hold("commit", Hold::Reply),
        Step::RequestSent | Step::UpstreamActed => {
            for app in &rig.apps {
                let acts = matches!(step, Step::UpstreamActed);
                let hang = Fault::new(FaultKind::Hang { acts }).on(Endpoint::Token);
                rig.wechat.faults().add(hang.for_app(&app.appid).once());
            }
        }
    }
    let calls = rig.wechat.calls().len();

    rig.make_holder_fetch().await;
    match step {
        Step::BeginUnanswered | Step::ReplyRead | Step::Committed => {
            rig.proxy.held(APPS, SOON).await;
        }
        Step::RequestSent | Step::UpstreamActed => {
            let arrived = |wechat: &wechat_simulator::Simulator| {
                let since = wechat.calls().into_iter().skip(calls);
                since
                    .filter(|call| call.endpoint == Endpoint::Token)
                    .count()
                    >= APPS
            };
            assert!(rig.wechat.wait_for(SOON, arrived).await, "all are fetched");
        }
    }
    tokio::time::sleep(Duration::from_millis(7 * fleet as u64)).await;
    rig.holder.kill();
    let killed = Instant::now();

    rig.newer(&witness, &before).await;
    let took = killed.elapsed();
    assert!(took < REPAIRED_WITHIN, "{step:?}: repaired after {took:?}");
    let mut most = 0;
    for (app, (before, after)) in rig.apps.iter().zip(counted.iter().zip(rig.fetches())) {
        let cost = after - before;
        most = most.max(cost);
        assert!(
            cost <= step.most_fetches(),
            "{step:?} {}: {cost} fetches",
            app.appid
        );
    }
    let dead = watch.judge(&rig.wechat, REPAIR_MOMENT).await;
    println!("{step:?}: at most {most} fetches, after {took:?}, dead for {dead:?}");
}

async fn kill_twenty_at(step: Step) {
    join_all((0..FLEETS).map(|fleet| kill_at(step, fleet))).await;
}

#[test]
fn a_holder_killed_before_begin_was_answered_is_replaced() {
    timed_in_a_crowd(async || {
        kill_twenty_at(Step::BeginUnanswered).await;
    });
}

#[test]
fn a_holder_killed_before_wechat_acted_is_replaced() {
    timed_in_a_crowd(async || {
        kill_twenty_at(Step::RequestSent).await;
    });
}

#[test]
fn a_holder_killed_after_wechat_acted_is_repaired() {
    timed_in_a_crowd(async || {
        kill_twenty_at(Step::UpstreamActed).await;
    });
}

#[test]
fn a_holder_killed_before_its_commit_left_is_repaired() {
    timed_in_a_crowd(async || {
        kill_twenty_at(Step::ReplyRead).await;
    });
}

#[test]
fn a_holder_killed_before_it_published_what_it_committed_is_not_missed() {
    timed_in_a_crowd(async || {
        kill_twenty_at(Step::Committed).await;
    });
}
