//! Who may fetch, and whose commit is taken.

use super::*;

#[test]
fn only_one_of_two_that_begin_may_fetch() {
    let mut history = History::new(Mode::Token);
    let first = history.lease(Reason::Missing);
    let Begun::Busy { until } = history.begin(Reason::Missing) else {
        panic!("not busy")
    };
    assert_eq!(until.since(history.now), history.rules.lease);
    assert!(matches!(
        history.commit(first, "t"),
        Committed::Stored { .. }
    ));
    assert!(
        matches!(history.begin(Reason::Missing), Begun::Fresh(_)),
        "the second look"
    );
}

#[test]
fn asked_again_with_the_same_nonce_begin_answers_the_same() {
    let mut history = History::new(Mode::Token);
    let (first, nonce) = history.ask(Reason::Missing, Memory::default());
    history.wait(SECOND);
    let budget = history.record.state.budget;
    assert_eq!(
        history.ask_again(Reason::Missing, Memory::default(), nonce, SECRET),
        first
    );
    assert_eq!(history.record.state.budget, budget, "charged once");
}

#[test]
fn asked_again_once_the_lease_is_over_begin_hands_out_another() {
    let mut history = History::new(Mode::Token);
    let first = history.lease(Reason::Missing);
    history.wait(history.rules.lease);
    let memory = Memory::default();
    let begun = history.ask_again(Reason::Missing, memory, first.nonce, SECRET);
    assert!(
        matches!(begun, Begun::Granted(permit) if permit.epoch > first.epoch),
        "{begun:?}"
    );
}

#[test]
fn asked_again_commit_answers_the_same() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    let first = history.commit(attempt, "t");
    history.wait(SECOND);
    assert_eq!(history.commit(attempt, "t"), first);
    assert_eq!(history.record.state.suspect, None);
}

#[test]
fn epochs_grow_by_the_clock_even_where_the_store_lost_the_latest() {
    let mut history = History::new(Mode::Token);
    let lost = history.lease(Reason::Missing);
    history.record = Record::default();
    history.wait(Duration::from_micros(1));
    assert!(history.lease(Reason::Missing).epoch > lost.epoch);
}

#[test]
fn epochs_grow_by_memory_where_the_stores_clock_is_behind() {
    let mut history = History::new(Mode::Token);
    let seen = Version(history.now.as_micros() + 5_000_000);
    let (begun, _) = history.ask(Reason::Missing, remembering(seen, false));
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    assert!(permit.epoch > seen.into());
}

#[test]
fn a_lease_that_ran_out_leaves_a_suspect_behind() {
    let (mut history, first) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let lost = history.lease(Reason::Scheduled);
    history.wait(history.rules.lease);
    let repair = history.lease(Reason::Repair);
    assert_eq!(history.record.state.suspect, Some(lost.epoch));
    assert!(history.record.state.close_watch_until > history.now + 300 * SECOND);
    assert_eq!(history.version(), first, "served meanwhile");
    history.commit(repair, "second");
    assert_eq!(history.record.state.suspect, None);
}

#[test]
fn a_commit_after_the_lease_ran_out_is_taken_while_nobody_else_began() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    history.wait(HOUR);
    assert!(matches!(
        history.commit(attempt, "t"),
        Committed::Stored { .. }
    ));
}

#[test]
fn a_commit_after_somebody_else_began_is_late_and_makes_the_newest_suspect() {
    let mut history = History::new(Mode::Token);
    let slow = history.lease(Reason::Missing);
    history.wait(history.rules.lease);
    let quick = history.lease(Reason::Missing);
    history.commit(quick, "quick");
    assert_eq!(history.commit(slow, "slow"), Committed::Late);
    assert_eq!(history.version(), Version::fetched_under(quick.epoch));
    assert_eq!(history.record.state.suspect, Some(quick.epoch));
    let repair = history.lease(Reason::Repair);
    history.commit(repair, "repaired");
    assert_eq!(history.record.state.suspect, None);
}

#[test]
fn a_suspect_is_cleared_only_by_a_higher_epoch() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    history
        .record
        .suspect(&Suspect { floor: Version(0) }, &history.rules, history.now);
    history.commit(attempt, "t");
    assert_eq!(history.record.state.suspect, Some(attempt.epoch));
}

#[test]
fn the_same_epoch_under_another_nonce_is_not_the_same_attempt() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    let other = Attempt {
        nonce: Nonce(999),
        ..attempt
    };
    history.record.release(&other, &history.rules);
    assert!(history.record.state.lease.is_some());
    assert_eq!(history.commit(other, "t"), Committed::Late);
    let above = Version(attempt.epoch.0 + 1);
    history.record.state.version = above;
    assert_eq!(history.commit(other, "t"), Committed::Late);
    assert!(history.record.state.lease.is_some(), "below, too");
}

#[test]
fn a_released_lease_costs_nothing() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let before = history.record.state.clone();
    let attempt = history.lease(Reason::Scheduled);
    history.record.release(&attempt, &history.rules.clone());
    let after = &history.record.state;
    assert_eq!(after.last_fetch, before.last_fetch);
    assert_eq!(after.issuer, before.issuer);
    assert_eq!(after.used, before.used);
    assert_eq!(after.intent, None);
    assert!(
        matches!(history.begin(Reason::Scheduled), Begun::Granted(_)),
        "spacing not counted"
    );
}
