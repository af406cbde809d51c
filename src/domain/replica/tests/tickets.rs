//! What cannot be checked: never asked about, never put back, replaced where it may be dead.

use super::*;

/// A replica that has read ticket 7, issued at second 0.
fn serving_ticket() -> Replica {
    let rules = Rules {
        checkable: false,
        ..rules(Mode::Token)
    };
    let mut replica = Replica::new(rules, true, 0.0);
    replica.observe(record(grant(7, 0)), store_time(0), moment(0));
    replica
}

#[test]
fn a_ticket_is_never_checked_and_is_due_at_half_its_life() {
    let mut replica = serving_ticket();
    let mut closely = record(grant(7, 0));
    closely.state.close_watch_until = store_time(9 * 3600);
    replica.observe(closely, store_time(1), moment(1));
    let plan = replica.next(moment(1)).map(|plan| (plan.step, plan.at));
    assert_eq!(
        plan,
        Some((Step::Refresh(Reason::Scheduled), moment(3600).boot))
    );
}

#[test]
fn a_ticket_that_may_be_dead_is_served_and_replaced_at_once() {
    let mut replica = serving_ticket();
    let mut suspect = record(grant(7, 0));
    suspect.state.suspect = Some(Epoch(8));
    replica.observe(suspect, store_time(60), moment(60));
    assert_eq!(served(&replica, 60), Some(Version(7)));
    assert_eq!(step(&replica, 60), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn a_ticket_that_the_store_lost_is_served_and_replaced_not_put_back() {
    let mut replica = serving_ticket();
    replica.observe(Record::default(), store_time(60), moment(60));
    assert_eq!(served(&replica, 60), Some(Version(7)));
    assert_eq!(step(&replica, 60), Some(Step::Refresh(Reason::Missing)));
    assert!(replica.put_back(moment(60)).is_none());
    let memory = replica.memory(moment(60));
    assert!(!memory.live, "else the store would wait for it");
    assert_eq!(memory.version, Version(7), "above what is stored: suspect");
}

#[test]
fn nobody_is_asked_for_a_ticket() {
    let rules = Rules {
        checkable: false,
        ..rules(Mode::Token)
    };
    let mut replica = Replica::new(rules, true, 0.0);
    replica.observe(Record::default(), store_time(0), moment(0));
    assert_eq!(step(&replica, 0), Some(Step::Refresh(Reason::Missing)));
}

#[test]
fn a_ticket_that_could_not_be_stored_is_committed_again_and_then_replaced() {
    let mut replica = serving_ticket();
    let attempt = Attempt {
        epoch: Epoch(9),
        nonce: Nonce(1),
    };
    replica.keep_pending(grant(9, 3600), moment(10_800), Some(attempt), moment(3600));
    assert_eq!(served(&replica, 3600), Some(Version(9)));
    assert_eq!(step(&replica, 3600), Some(Step::Offer));
    replica.pending_is_settled();
    let mut late = record(grant(7, 0));
    late.state.suspect = Some(Epoch(9));
    replica.observe(late, store_time(3601), moment(3601));
    assert_eq!(step(&replica, 3601), Some(Step::Refresh(Reason::Repair)));
    assert_eq!(served(&replica, 3601), Some(Version(9)));
}

#[test]
fn cut_off_a_ticket_is_served_to_its_end_and_nothing_is_asked() {
    let mut replica = serving_ticket();
    for at in (30..7199).step_by(30) {
        replica.store_failed(StoreTrouble::Away, moment(at));
        let view = replica.view(moment(at));
        assert!(view.may_answer(moment(at)), "{at}: no check is waited for");
        assert_eq!(replica.next(moment(at)), None);
    }
    assert_eq!(served(&replica, 7199), Some(Version(7)));
    assert!(!replica.view(moment(7199)).is_vouched(moment(7199)));
}

#[test]
fn a_ticket_waits_for_its_access_token_and_no_longer() {
    let mut replica = serving_ticket();
    replica.block(BlockedBy::NoAccessToken, moment(3600), 30 * SECOND);
    assert_eq!(step(&replica, 3610), None);
    replica.access_token_came();
    assert_eq!(step(&replica, 3610), Some(Step::Refresh(Reason::Scheduled)));
    replica.block(BlockedBy::Busy, moment(3610), 30 * SECOND);
    replica.access_token_came();
    assert_eq!(step(&replica, 3611), None, "another wait goes on");
}
