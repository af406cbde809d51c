//! Apart from the store, or from WeChat too, and with what the store does not have.

use super::*;

#[test]
fn an_empty_store_gets_the_grant_back() {
    let mut replica = serving();
    replica.observe(Record::default(), store_time(60), moment(60));
    assert_eq!(served(&replica, 60), Some(Version(7)));
    assert_eq!(step(&replica, 60), Some(Step::Offer));
}

#[test]
fn a_store_that_lost_its_data_is_told_of_the_tokens_before_too() {
    let mut replica = replica();
    let mut replaced = record(grant(2, 100));
    let before = EarlierToken::from(&grant(1, 0));
    replaced.state.earlier = EarlierTokens::of(vec![before]);
    replica.observe(replaced, store_time(100), moment(100));
    replica.observe(Record::default(), store_time(101), moment(101));
    let put_back = replica.put_back(moment(101));
    let earlier = put_back.map(|it| it.earlier.iter().collect::<Vec<_>>());
    assert_eq!(earlier, Some(vec![before]));
}

#[test]
fn a_replica_that_knows_nothing_asks_the_others_before_it_fetches() {
    let mut replica = replica();
    assert_eq!(replica.next(moment(0)), None, "the store was not read yet");
    replica.observe(Record::default(), store_time(0), moment(0));
    assert_eq!(step(&replica, 0), Some(Step::Ask));
    replica.asked(moment(0));
    assert_eq!(step(&replica, 0), None);
    assert_eq!(step(&replica, 1), Some(Step::Refresh(Reason::Missing)));
}

#[test]
fn cut_off_it_checks_at_once_and_then_every_interval() {
    let mut replica = serving();
    replica.store_failed(StoreTrouble::Away, moment(30));
    assert_eq!(step(&replica, 30), Some(Step::CheckCutOff));
    replica.accepted(Version(7), moment(30));
    replica.checked(moment(30), 30 * SECOND);
    replica.store_failed(StoreTrouble::Away, moment(31));
    assert_eq!(step(&replica, 59), None);
    assert_eq!(step(&replica, 60), Some(Step::CheckCutOff));
    assert!(replica.view(moment(60)).is_vouched(moment(60)));
}

#[test]
fn cut_off_nobody_fetches_in_token_mode() {
    let mut replica = serving();
    replica.store_failed(StoreTrouble::Away, moment(30));
    replica.refused(Version(7), moment(31));
    assert_eq!(replica.next(moment(32)), None);
}

#[test]
fn both_away_it_serves_to_expiry_unvouched() {
    let mut replica = serving();
    for at in (30..7200).step_by(30) {
        replica.store_failed(StoreTrouble::Away, moment(at));
        replica.check_failed(moment(at));
        let view = replica.view(moment(at));
        assert!(view.may_answer(moment(at)) && served(&replica, at).is_some());
        assert_eq!(view.is_vouched(moment(at)), at < 60, "{at}");
    }
}

#[test]
fn after_a_long_sleep_it_does_not_answer_before_it_tried() {
    let mut replica = serving();
    let slept = moment(3600);
    assert!(!replica.view(slept).may_answer(slept));
    replica.observe(record(grant(7, 0)), store_time(3600), slept);
    assert!(replica.view(slept).may_answer(slept));
}

#[test]
fn a_pending_grant_is_served_and_offered_until_it_is_stored() {
    let mut replica = serving();
    let attempt = Attempt {
        epoch: Epoch(9),
        nonce: Nonce(1),
    };
    replica.keep_pending(
        grant(9, 3600),
        moment(3600 + 7200),
        Some(attempt),
        moment(3600),
    );
    replica.store_failed(StoreTrouble::Away, moment(3600));
    assert_eq!(served(&replica, 3600), Some(Version(9)));
    replica.observe(record(grant(7, 0)), store_time(3630), moment(3630));
    assert_eq!(step(&replica, 3630), Some(Step::Offer));
    assert_eq!(replica.pending().map(|(attempt, _)| attempt), Some(attempt));
    replica.observe(record(grant(9, 3600)), store_time(3640), moment(3640));
    assert_eq!(replica.pending(), None);
}

#[test]
fn a_pending_grant_is_committed_again_once_and_then_put_back() {
    let mut replica = serving();
    let attempt = Attempt {
        epoch: Epoch(9),
        nonce: Nonce(1),
    };
    replica.keep_pending(grant(9, 3600), moment(10_800), Some(attempt), moment(3600));
    // The store takes it, and keeps the same value under its earlier version.
    replica.pending_is_settled();
    replica.observe(record(grant(7, 0)), store_time(3630), moment(3630));
    assert_eq!(replica.pending(), None);
    assert_eq!(step(&replica, 3630), Some(Step::Offer));
}

#[test]
fn what_is_put_back_lives_no_longer_than_this_machines_clocks_say() {
    // Fetched without the store, by a wall clock that was ahead of the store's, and by one that was far ahead.
    for (issued, told) in [(3000, 3000), (4000, 3601)] {
        let mut replica = Replica::new(rules(Mode::Stable), true, 0.0);
        replica.keep_pending(grant(7, issued), moment(7200), None, moment(0));
        replica.observe(Record::default(), store_time(3600), moment(3600));
        let grant = replica
            .put_back(moment(3601))
            .map(|put_back| put_back.grant);
        let times = grant.map(|grant| (grant.issued_at, grant.expires_at));
        assert_eq!(times, Some((store_time(told), store_time(7200))));
    }
}
