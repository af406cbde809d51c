//! A token that this replica saw refused, and that the store takes for alive.

use super::*;

/// It found grant 7 dead while the store was away, in second 30, and will not check before second 60.
fn refused_while_cut_off(rules: Rules) -> Replica {
    let mut replica = Replica::new(rules, true, 1.0);
    replica.observe(record(grant(7, 0)), store_time(0), moment(0));
    replica.store_failed(StoreTrouble::Away, moment(30));
    replica.refused(Version(7), moment(30));
    replica.checked(moment(30), 30 * SECOND);
    replica
}

fn read_again(replica: &mut Replica, at: u64) {
    replica.observe(record(grant(7, 0)), store_time(at), moment(at));
}

#[test]
fn what_it_saw_refused_is_not_taken_from_the_store_again_but_checked_at_once() {
    let mut replica = refused_while_cut_off(rules(Mode::Token));
    read_again(&mut replica, 31);
    assert_eq!(served(&replica, 31), None);
    assert_eq!(step(&replica, 31), Some(Step::Watch));
    let others = replica.answered_by_checks_of(moment(31));
    assert_eq!(others, Duration::ZERO, "no earlier check answers");
}

#[test]
fn what_the_store_said_is_dead_is_not_taken_from_a_store_that_has_lost_the_word() {
    let mut replica = serving();
    replica.observe(found_dead(), store_time(30), moment(30));
    read_again(&mut replica, 31);
    assert_eq!(served(&replica, 31), None);
    assert_eq!(step(&replica, 31), Some(Step::Watch));
}

#[test]
fn it_is_checked_also_where_no_watch_is_kept() {
    let unwatched = Rules {
        watch: Duration::ZERO,
        ..rules(Mode::Token)
    };
    let mut replica = refused_while_cut_off(unwatched);
    read_again(&mut replica, 31);
    assert_eq!(step(&replica, 31), Some(Step::Watch));
}

#[test]
fn a_check_that_says_nothing_is_not_repeated_at_once() {
    let mut replica = refused_while_cut_off(rules(Mode::Token));
    read_again(&mut replica, 31);
    replica.checked(moment(31), 15 * SECOND);
    for at in 31..46 {
        read_again(&mut replica, at);
        assert_eq!((served(&replica, at), step(&replica, at)), (None, None));
    }
    assert_eq!(step(&replica, 46), Some(Step::Watch));
}

#[test]
fn once_accepted_it_is_served_again() {
    let mut replica = refused_while_cut_off(rules(Mode::Token));
    read_again(&mut replica, 31);
    replica.accepted(Version(7), moment(31));
    read_again(&mut replica, 32);
    assert_eq!(served(&replica, 32), Some(Version(7)));
    assert_eq!(replica.doubted(), None);
    let others = replica.answered_by_checks_of(moment(32));
    assert!(
        others > 50 * SECOND,
        "those of others do as well: {others:?}"
    );
}

#[test]
fn a_store_that_knows_of_the_death_is_believed_without_a_check() {
    let mut replica = refused_while_cut_off(rules(Mode::Token));
    let mut told = record(grant(7, 0));
    told.state.dead = Some(Dead {
        version: Version(7),
        epoch: Epoch(7),
        reported: false,
    });
    replica.observe(told, store_time(31), moment(31));
    assert_eq!(step(&replica, 31), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn its_successor_is_served_without_a_check() {
    let mut replica = refused_while_cut_off(rules(Mode::Token));
    replica.observe(record(grant(8, 31)), store_time(31), moment(31));
    assert_eq!(served(&replica, 31), Some(Version(8)));
}

#[test]
fn a_store_that_comes_back_with_older_data_does_not_revive_it() {
    let mut replica = serving();
    replica.refused(Version(7), moment(30));
    let mut told = record(grant(7, 0));
    told.state.dead = Some(Dead {
        version: Version(7),
        epoch: Epoch(7),
        reported: false,
    });
    replica.observe(told, store_time(31), moment(31));
    replica.checked(moment(31), HOUR);
    read_again(&mut replica, 32);
    assert_eq!(served(&replica, 32), None);
    assert_eq!(step(&replica, 32), Some(Step::Watch));
}

#[test]
fn a_stable_token_that_comes_back_the_same_after_it_was_refused_is_not_served() {
    let mut replica = refused_while_cut_off(rules(Mode::Stable));
    let same = Grant {
        version: Version(8),
        ..grant(7, 31)
    };
    replica.committed(same.clone(), moment(7200), moment(31));
    assert_eq!(served(&replica, 31), None);
    replica.observe(record(same), store_time(31), moment(31));
    assert_eq!(step(&replica, 31), Some(Step::Watch));
}
