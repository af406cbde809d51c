//! A store that lost its data, or its latest: put-backs, memory, versions above the stored one.

use super::*;

#[test]
fn a_store_that_lost_its_data_is_told_to_wait_for_the_grant() {
    let (mut history, version) = History::fresh(Mode::Token);
    let held = history
        .record
        .grant
        .clone()
        .unwrap_or_else(|| panic!("nothing stored"));
    history.record = Record::default();
    assert_eq!(
        history.ask(Reason::Missing, remembering(version, true)).0,
        Begun::Behind
    );
    assert_eq!(history.put_back(&held), PutBackAnswer::Stored);
    assert_eq!(history.version(), version);
    assert!(history.record.state.close_watch_until > history.now);
    assert_eq!(history.put_back(&held), PutBackAnswer::Stored, "repeated");
}

#[test]
fn a_replica_that_remembers_the_budget_gives_it_back_to_an_empty_store() {
    let mut history = History::new(Mode::Token);
    let spent = history.now + history.rules.budget.interval * history.rules.budget.burst;
    let memory = Memory {
        budget: spent,
        ..Memory::default()
    };
    assert!(matches!(
        history.ask(Reason::Missing, memory).0,
        Begun::BudgetSpent { .. }
    ));
}

#[test]
fn a_put_back_never_replaces_something_newer_or_dead() {
    let (mut history, old) = History::fresh(Mode::Token);
    let held = history
        .record
        .grant
        .clone()
        .unwrap_or_else(|| panic!("nothing stored"));
    history.wait(HOUR);
    let attempt = history.lease(Reason::Scheduled);
    history.commit(attempt, "second");
    assert_eq!(history.put_back(&held), PutBackAnswer::Superseded);
    history.judge(history.version(), Verdict::Refused, false);
    assert_eq!(history.put_back(&held), PutBackAnswer::Dead);
    assert_ne!(history.version(), old);
}

#[test]
fn a_commit_below_a_version_that_was_put_back_meanwhile_is_late() {
    let (mut history, _) = History::fresh(Mode::Token);
    let lost = grant(Version(history.now.as_micros() + 9), "lost", history.now);
    // A failover to a clock that is behind: the next epoch lies below a version that exists.
    history.judge(history.version(), Verdict::Refused, false);
    let attempt = history.lease(Reason::Repair);
    assert!(Version::fetched_under(attempt.epoch) < lost.version);
    assert_eq!(history.put_back(&lost), PutBackAnswer::Stored);
    assert_eq!(history.commit(attempt, "below"), Committed::Late);
    assert_eq!(history.version(), lost.version);
    assert_eq!(history.record.state.suspect, Some(lost.version.into()));
    assert_eq!(history.record.state.lease, None, "its attempt is over");
}

#[test]
fn a_commit_under_a_version_that_was_put_back_with_another_token_is_late() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.judge(history.version(), Verdict::Refused, false);
    let attempt = history.lease(Reason::Repair);
    // A failover to a clock that is behind handed out, to the microsecond, an epoch that was used before.
    let twice = Version::fetched_under(attempt.epoch);
    let lost = grant(twice, "lost", history.now);
    assert_eq!(history.put_back(&lost), PutBackAnswer::Stored);
    assert_eq!(history.commit(attempt, "new"), Committed::Late);
    assert_eq!(history.record.grant.as_ref(), Some(&lost));
    assert_eq!(history.record.state.suspect, Some(twice.into()));
    assert_eq!(history.record.state.lease, None, "its attempt is over");
}

#[test]
fn a_commit_of_what_was_put_back_meanwhile_is_stored() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.judge(history.version(), Verdict::Refused, false);
    let attempt = history.lease(Reason::Repair);
    // It was stored and lost, and whoever had read it puts it back before its fetcher asks again.
    let held = history.grant(attempt, "new");
    assert_eq!(history.put_back(&held), PutBackAnswer::Stored);
    let stored = history.commit(attempt, "new");
    assert!(matches!(stored, Committed::Stored { .. }), "{stored:?}");
    assert_eq!(history.record.state.suspect, None);
}

#[test]
fn a_commit_of_the_very_version_that_was_told_of_is_stored() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    history.record.state.version = Version::fetched_under(attempt.epoch);
    let stored = history.commit(attempt, "t");
    assert!(matches!(stored, Committed::Stored { .. }), "{stored:?}");
}

#[test]
fn another_token_under_the_same_version_makes_it_suspect() {
    let (mut history, version) = History::fresh(Mode::Token);
    let other = grant(version, "other", history.now);
    assert_eq!(history.put_back(&other), PutBackAnswer::Conflict);
    assert_eq!(history.record.state.suspect, Some(version.into()));
}

#[test]
fn a_floor_above_the_stored_version_makes_it_suspect() {
    let (mut history, version) = History::fresh(Mode::Token);
    let floor = Version(version.0 + 1_000_000);
    let (begun, _) = history.ask(Reason::Repair, remembering(floor, false));
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    assert!(permit.epoch > floor.into());
    assert_eq!(history.record.state.suspect, Some(floor.into()));
}

#[test]
fn what_the_store_would_not_keep_is_not_put_back() {
    let mut history = History::new(Mode::Token);
    let issued_at = history.now;
    let held = grant(Version(issued_at.as_micros()), "held", issued_at);
    history.wait(2 * HOUR - MINUTE);
    assert_eq!(history.put_back(&held), PutBackAnswer::Superseded);
    history.now = history.now - SECOND;
    assert_eq!(history.put_back(&held), PutBackAnswer::Stored);
}

#[test]
fn what_is_put_back_below_a_version_that_was_served_is_suspect() {
    for (above, suspect) in [(0, false), (1, true)] {
        let mut history = History::new(Mode::Token);
        let held = grant(Version(history.now.as_micros()), "held", history.now);
        history.record.state.version = Version(held.version.0 + above);
        assert_eq!(history.put_back(&held), PutBackAnswer::Stored);
        assert_eq!(history.record.state.suspect.is_some(), suspect);
    }
}

#[test]
fn what_upstream_refused_is_not_waited_for() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.judge(version, Verdict::Refused, false);
    history.record.grant = None;
    let (begun, _) = history.ask(Reason::Missing, remembering(version, true));
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
    let newer = Version(version.0 + 1);
    let (begun, _) = history.ask(Reason::Missing, remembering(newer, true));
    assert_eq!(begun, Begun::Behind);
}
