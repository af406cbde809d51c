//! Stable tokens: nothing rotates, and the same token may come back.

use super::*;

#[test]
fn a_stable_token_that_comes_back_the_same_keeps_its_version_and_the_later_expiry() {
    let (mut history, version) = History::fresh(Mode::Stable);
    let expires = history.record.grant.as_ref().map(|grant| grant.expires_at);
    history.wait(2 * HOUR - 200 * SECOND);
    let attempt = history.lease(Reason::Scheduled);
    assert!(
        matches!(history.commit(attempt, "first"), Committed::Stored { version: kept, .. } if kept == version)
    );
    assert!(history.record.grant.as_ref().map(|grant| grant.expires_at) > expires);
    let (begun, nonce) = history.ask(Reason::Forced, remembering(version, true));
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    let attempt = Attempt {
        epoch: permit.epoch,
        nonce,
    };
    assert!(
        matches!(history.commit(attempt, "second"), Committed::Stored { version: new, .. } if new > version)
    );
}

#[test]
fn a_refused_stable_token_is_forced_only_once_it_came_back_the_same() {
    let (mut history, version) = History::fresh(Mode::Stable);
    history.judge(version, Verdict::Refused, false);
    let (begun, nonce) = history.ask(Reason::Repair, Memory::default());
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    assert!(!permit.force);
    history.commit(
        Attempt {
            epoch: permit.epoch,
            nonce,
        },
        "first",
    );
    assert_eq!(history.record.servable(), None, "it stays dead");
    let (begun, nonce) = history.ask(Reason::Repair, Memory::default());
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    assert!(permit.force);
    history.commit(
        Attempt {
            epoch: permit.epoch,
            nonce,
        },
        "second",
    );
    assert!(history.record.servable().is_some());
    assert!(!history.record.state.force);
}

#[test]
fn a_stable_credential_is_never_suspect_and_never_spaced() {
    let (mut history, _) = History::fresh(Mode::Stable);
    let memory = remembering(history.version(), true);
    let attempt = match history.ask(Reason::Forced, memory) {
        (Begun::Granted(permit), nonce) => Attempt {
            epoch: permit.epoch,
            nonce,
        },
        (other, _) => panic!("{other:?}"),
    };
    history.fail(attempt, ErrorClass::Unclear);
    assert_eq!(history.record.state.suspect, None);
}

/// A replica asks that has served a higher version than the stored one: after a failover to a clock that is
/// behind, or from the time when it asked without the store.
fn ask_from_above(history: &mut History) -> (Attempt, Version) {
    let served = Version(history.version().0 + 1_000_000);
    let (begun, nonce) = history.ask(Reason::Repair, remembering(served, false));
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    let epoch = permit.epoch;
    (Attempt { epoch, nonce }, served)
}

#[test]
fn a_stable_token_stored_below_a_version_that_was_served_is_published_above_it() {
    let (mut history, _) = History::fresh(Mode::Stable);
    let (attempt, served) = ask_from_above(&mut history);
    history.commit(attempt, "first");
    assert!(history.version() > served, "the same token");
    assert!(matches!(history.begin(Reason::Scheduled), Begun::Fresh(_)));

    let (attempt, served) = ask_from_above(&mut history);
    history.commit(attempt, "second");
    assert!(history.version() > served, "another token");
}

#[test]
fn a_refused_stable_token_stays_dead_also_where_a_higher_version_was_served() {
    let (mut history, version) = History::fresh(Mode::Stable);
    history.judge(version, Verdict::Refused, false);
    let (attempt, _) = ask_from_above(&mut history);
    history.commit(attempt, "first");
    assert_eq!(history.record.servable(), None);
    assert!(history.record.state.force);
}

#[test]
fn a_late_stable_token_is_taken_where_it_outlives_what_is_stored_or_that_is_dead() {
    let nothing = |_: &mut History| {};
    let other_commits = |history: &mut History| {
        let quick = history.lease(Reason::Repair);
        history.commit(quick, "quick");
    };
    let raised: fn(&mut History) = |history| {
        let epoch = history.record.state.epoch;
        history.record.state.version = Version::fetched_under(epoch);
    };
    let (refused, accepted) = (Verdict::Refused, Verdict::Accepted);
    for (verdict, left, meanwhile, taken) in [
        (accepted, 199, nothing as fn(&mut History), false),
        (accepted, 200, nothing, false),
        (accepted, 201, nothing, true),
        (refused, 199, nothing, true),
        (accepted, 201, raised, false),
        (accepted, 9000, other_commits, false),
    ] {
        let (mut history, version) = History::fresh(Mode::Stable);
        history.wait(2 * HOUR - 200 * SECOND);
        history.judge(version, verdict, false);
        let issued_at = history.now;
        let slow = history.lease(Reason::Repair);
        history.wait(history.rules.lease);
        meanwhile(&mut history);
        // Its lease is another's by now.
        history.begin(Reason::Repair);
        let grant = Grant {
            expires_at: issued_at + left * SECOND,
            ..grant(Version::fetched_under(slow.epoch), "slow", issued_at)
        };
        let attempt = slow;
        let commit = Commit { attempt, grant };
        let rules = history.rules.clone();
        let answer = history.record.commit(&commit, &rules, history.now);
        let stored = matches!(answer, Committed::Stored { .. });
        assert_eq!(stored, taken, "{verdict:?} {left}");
    }
}

#[test]
fn a_stable_tokens_death_after_an_unclear_fetch_of_ours_is_not_foreign() {
    let (mut history, version) = History::fresh(Mode::Stable);
    history.wait(2 * HOUR - 200 * SECOND);
    let attempt = history.lease(Reason::Scheduled);
    history.fail(attempt, ErrorClass::Unclear);
    let judged = history.judge(version, Verdict::Refused, false);
    assert_eq!(judged, Judged::Dead { foreign: false });
}

#[test]
fn a_stable_token_is_due_a_little_within_upstreams_window_or_at_half_of_a_short_life() {
    let rules = rules(Mode::Stable);
    let issued_at = Timestamp::from_micros(1_700_000_000_000_000);
    for (life, due) in [(7200, 6905), (590, 295), (100, 50)] {
        let grant = Grant {
            expires_at: issued_at + life * SECOND,
            ..grant(Version(1), "t", issued_at)
        };
        assert_eq!(rules.due_at(&grant), issued_at + due * SECOND, "{life}");
    }
}
