//! A holder that does not die: it stalls past its lease, or its words arrive late or not at all.

use std::time::Duration;

use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::rig::{REPAIR_MOMENT, Rig, SOON};
use crate::support::fleet::{eventually, sample};
use crate::support::proxy::Hold;
use crate::support::timed::timed;

#[test]
fn a_holder_stopped_past_its_lease_is_overtaken_and_its_late_fetch_repaired() {
    timed(async || {
        let rig = Rig::start(100, 1).await;
        let app = rig.apps[0].appid.clone();
        let witness = rig.witness.caller().await;
        let before = rig.versions(&witness).await;
        rig.spaced().await;
        let watch = rig.watch_witness().await;
        // WeChat acts at once and answers late: meanwhile the holder is stopped.
        let late = Fault::new(FaultKind::ActThenDelay(Duration::from_millis(150)));
        rig.wechat
            .faults()
            .add(late.on(Endpoint::Token).for_app(&app).once());
        let fetched = rig.fetches()[0];
        rig.make_holder_fetch().await;
        let acted = |wechat: &wechat_simulator::Simulator| wechat.fetches(&app).len() > fetched;
        assert!(rig.wechat.wait_for(SOON, acted).await);
        rig.holder.pause();
        rig.newer(&witness, &before).await;
        rig.holder.resume();

        let holder = rig.holder.caller().await;
        rig.newer(&holder, &before).await;
        let current = rig.versions(&witness).await;
        eventually("both serve the same", SOON, async || {
            rig.versions(&holder).await == rig.versions(&witness).await
        })
        .await;
        assert!(rig.versions(&witness).await >= current);
        // The lost one, the overtaking one, and the repair of what came late.
        assert!(rig.fetches()[0] - fetched <= 4, "{:?}", rig.fetches());
        watch.judge(&rig.wechat, REPAIR_MOMENT).await;
    });
}

#[test]
fn a_commit_that_arrives_after_another_fetch_gives_way_to_it() {
    timed(async || {
        let rig = Rig::start(101, 1).await;
        let witness = rig.witness.caller().await;
        let before = rig.versions(&witness).await;
        rig.spaced().await;
        let watch = rig.watch_witness().await;
        rig.proxy.hold("commit", Hold::Request);
        rig.make_holder_fetch().await;
        rig.proxy.held(1, SOON).await;
        rig.newer(&witness, &before).await;
        rig.proxy.let_go();

        eventually("the holder takes the newer over", SOON, async || {
            let holder = rig.holder.caller().await;
            rig.versions(&holder).await == rig.versions(&witness).await
        })
        .await;
        watch.judge(&rig.wechat, REPAIR_MOMENT).await;
        let metrics = rig.holder.metrics().await;
        assert_eq!(sample(&metrics, "token_broker_pending_total", &[]), 1.0);
        assert_eq!(sample(&metrics, "token_broker_panics_total", &[]), 0.0);
    });
}

#[test]
fn a_lost_answer_to_begin_is_asked_for_again_and_charged_once() {
    timed(async || {
        let rig = Rig::start(102, 1).await;
        let holder = rig.holder.caller().await;
        let before = rig.versions(&holder).await;
        rig.spaced().await;
        let fetched = rig.fetches()[0];
        let charged = async || {
            let metrics = rig.witness.metrics().await;
            sample(&metrics, "token_broker_budget_used", &[])
        };
        let used = charged().await;
        rig.proxy.hold("begin", Hold::Reply);
        rig.make_holder_fetch().await;
        // The second is the question asked again: the first answer never came.
        rig.proxy.held(2, SOON).await;
        rig.proxy.let_go();
        rig.newer(&holder, &before).await;
        let witness = rig.witness.caller().await;
        rig.newer(&witness, &before).await;
        assert_eq!(rig.fetches()[0] - fetched, 1);
        assert_eq!(charged().await - used, 1.0);
    });
}

#[test]
fn a_reply_that_is_lost_after_wechat_acted_is_repaired() {
    timed(async || {
        let rig = Rig::start(103, 1).await;
        let app = rig.apps[0].appid.clone();
        let witness = rig.witness.caller().await;
        let before = rig.versions(&witness).await;
        rig.spaced().await;
        let watch = rig.watch_witness().await;
        let cut = Fault::new(FaultKind::ActThenCut).on(Endpoint::Token);
        rig.wechat.faults().add(cut.for_app(&app).once());
        let fetched = rig.fetches()[0];
        rig.make_holder_fetch().await;
        rig.newer(&witness, &before).await;
        assert!(rig.fetches()[0] - fetched <= 3, "{:?}", rig.fetches());
        watch.judge(&rig.wechat, REPAIR_MOMENT).await;
    });
}

#[test]
fn a_commit_that_cannot_reach_the_store_is_served_and_stored_later() {
    timed(async || {
        let rig = Rig::start(104, 1).await;
        let holder = rig.holder.caller().await;
        let before = rig.versions(&holder).await;
        rig.spaced().await;
        rig.proxy.hold("commit", Hold::Request);
        rig.make_holder_fetch().await;
        rig.newer(&holder, &before).await;
        let pending = rig.versions(&holder).await;
        rig.proxy.let_go();
        let witness = rig.witness.caller().await;
        rig.newer(&witness, &before).await;
        assert!(rig.versions(&witness).await >= pending);
    });
}
