//! Words that come when they are not expected any more: a commit after its lease, WeChat's reply after its
//! time-out, and WeChat's *deed* after its replacement, so that upstream saw two fetches in the other order.

use std::time::{Duration, Instant};

use wechat_simulator::{Endpoint, Fault, FaultKind, Simulator};

use super::rig::{REPAIR_MOMENT, Rig, SOON};
use crate::support::broker::Caller;
use crate::support::fleet::{eventually, sample};
use crate::support::proxy::Hold;
use crate::support::timed::timed;

/// The three wait far more than they work: side by side.
#[test]
fn whatever_comes_late_is_detected_and_repaired() {
    timed(async || {
        tokio::join!(
            a_holder_stopped_with_its_commit_on_the_way_counts_an_overlap(),
            a_reply_after_its_time_out_costs_one_repair(),
            a_fetch_that_wechat_acts_on_after_its_replacement_is_found_out(),
        );
    });
}

async fn fault_on_holder(rig: &Rig, kind: FaultKind) {
    let fault = Fault::new(kind).on(Endpoint::Token);
    let app = rig.apps[0].appid.clone();
    rig.wechat.faults().add(fault.for_app(&app).once());
    rig.make_holder_fetch().await;
}

async fn both_serve_the_same(rig: &Rig, one: &Caller, other: &Caller) {
    eventually("both serve the same", SOON, async || {
        rig.versions(one).await == rig.versions(other).await
    })
    .await;
}

async fn is_suspect(rig: &Rig) -> bool {
    let metrics = rig.witness.metrics().await;
    sample(&metrics, "token_broker_grant_suspect", &[]) != 0.0
}

async fn a_holder_stopped_with_its_commit_on_the_way_counts_an_overlap() {
    let rig = Rig::start(110, 1).await;
    let (holder, witness) = (rig.holder.caller().await, rig.witness.caller().await);
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let watch = rig.watch_witness().await;
    let fetched = rig.fetches()[0];
    rig.proxy.hold("commit", Hold::Request);
    rig.make_holder_fetch().await;
    rig.proxy.held(1, SOON).await;
    rig.holder.pause();
    rig.newer(&witness, &before).await;
    let overtaking = rig.versions(&witness).await;
    // Only now does Redis get the commit; its holder wakes up to the answer.
    rig.proxy.let_go();
    rig.holder.resume();
    let woken = rig.watch(holder.clone());

    // Nobody knows which of the two WeChat saw last: a third one ends the doubt.
    rig.newer(&witness, &overtaking).await;
    rig.newer(&holder, &overtaking).await;
    both_serve_the_same(&rig, &holder, &witness).await;
    let metrics = rig.holder.metrics().await;
    let overlaps = sample(&metrics, "token_broker_overlaps_detected_total", &[]);
    assert_eq!(overlaps, 1.0, "{}", rig.holder.log());
    eventually("nothing is suspect any more", SOON, async || {
        !is_suspect(&rig).await
    })
    .await;
    let cost = rig.fetches()[0] - fetched;
    assert!((3..=4).contains(&cost), "{cost} fetches");
    let dead = watch.judge(&rig.wechat, REPAIR_MOMENT).await;
    // What it held when it was stopped died meanwhile: it must hear from the store before it answers.
    let woken = woken.judge(&rig.wechat, REPAIR_MOMENT).await;
    println!("overlap: {cost} fetches, dead for {dead:?} at the witness, {woken:?} at the holder");
}

async fn a_reply_after_its_time_out_costs_one_repair() {
    let rig = Rig::start(111, 1).await;
    let (holder, witness) = (rig.holder.caller().await, rig.witness.caller().await);
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let watch = rig.watch_witness().await;
    let fetched = rig.fetches()[0];
    fault_on_holder(&rig, FaultKind::ActThenDelay(Duration::from_secs(2))).await;
    rig.newer(&witness, &before).await;
    both_serve_the_same(&rig, &holder, &witness).await;
    let cost = rig.fetches()[0] - fetched;
    assert_eq!(cost, 2, "the lost one and its repair");
    let dead = watch.judge(&rig.wechat, REPAIR_MOMENT).await;
    println!("late reply: {cost} fetches, dead for {dead:?}");
}

/// The dangerous order: the repair is fetched first, and the lost fetch, done after it, takes its place. The
/// repair's token dies when the overlap is over, with nobody having been told.
async fn a_fetch_that_wechat_acts_on_after_its_replacement_is_found_out() {
    let rig = Rig::start(112, 1).await;
    let app = rig.apps[0].appid.clone();
    let (holder, witness) = (rig.holder.caller().await, rig.witness.caller().await);
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let watches = [rig.watch(holder.clone()), rig.watch(witness.clone())];
    let fetched = rig.fetches()[0];
    fault_on_holder(&rig, FaultKind::DelayThenAct(Duration::from_millis(2800))).await;
    rig.newer(&witness, &before).await;
    let repaired = rig.versions(&witness).await;
    let repair = witness.token_within(&app, SOON).await.token();
    let superseded = |wechat: &Simulator| wechat.current(&app).is_some_and(|now| now != repair);
    assert!(rig.wechat.wait_for(SOON, superseded).await);
    assert_eq!(
        rig.fetches()[0] - fetched,
        2,
        "the repair, then the lost one"
    );
    let dies_at = rig.wechat.issued(&repair).expect("it was issued").dies_at;
    tokio::time::sleep(dies_at.saturating_duration_since(Instant::now())).await;

    rig.newer(&witness, &repaired).await;
    both_serve_the_same(&rig, &holder, &witness).await;
    let cost = rig.fetches()[0] - fetched;
    assert!(cost <= 4, "{cost} fetches");
    for watch in watches {
        // The close watch looks every 150 ms; then it is replaced.
        let bound = Duration::from_millis(150) + REPAIR_MOMENT;
        let dead = watch.judge(&rig.wechat, bound).await;
        println!("inverted order: {cost} fetches, dead for {dead:?}");
    }
}
