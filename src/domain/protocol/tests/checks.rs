//! Checks, and what follows where one finds the grant dead.

use super::*;
use crate::domain::state::Check;

#[test]
fn a_death_without_a_fetch_of_ours_is_foreign() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(HOUR);
    assert_eq!(
        history.judge(version, Verdict::Refused, false),
        Judged::Dead { foreign: true }
    );
    assert_eq!(
        history.judge(version, Verdict::Refused, false),
        Judged::Ignored,
        "counted once"
    );
}

#[test]
fn a_death_after_an_unclear_fetch_of_ours_is_not_foreign() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let attempt = history.lease(Reason::Scheduled);
    history.fail(attempt, ErrorClass::Unclear);
    assert_eq!(
        history.judge(version, Verdict::Refused, false),
        Judged::Dead { foreign: false }
    );
}

#[test]
fn a_death_is_repaired_at_once_even_while_somebody_holds_the_lease() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let stuck = history.lease(Reason::Scheduled);
    history.judge(version, Verdict::Refused, false);
    let repair = history.lease(Reason::Repair);
    assert!(repair.epoch > stuck.epoch);
    assert!(
        matches!(history.begin(Reason::Repair), Begun::Busy { .. }),
        "the new lease is respected"
    );
    history.commit(repair, "second");
    assert_eq!(history.commit(stuck, "stuck"), Committed::Late);
}

#[test]
fn a_reports_verdict_does_not_count_while_somebody_fetches() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(HOUR);
    history.lease(Reason::Scheduled);
    assert_eq!(
        history.judge(version, Verdict::Refused, true),
        Judged::Ignored
    );
}

#[test]
fn one_check_answers_everybody_for_a_while() {
    let (mut history, version) = History::fresh(Mode::Token);
    let claim = Claim {
        version,
        every: 15 * SECOND,
    };
    let checked = |verdict| Check {
        version,
        claimed_at: history.now,
        verdict,
    };
    let (under_way, accepted) = (checked(None), checked(Some(Verdict::Accepted)));
    assert_eq!(
        history.record.claim_check(&claim, history.now),
        Claimed::Yours
    );
    history.wait(SECOND);
    assert_eq!(
        history.record.claim_check(&claim, history.now),
        Claimed::Checked(under_way)
    );
    history.judge(version, Verdict::Accepted, true);
    assert_eq!(
        history.record.claim_check(&claim, history.now),
        Claimed::Checked(accepted)
    );
    history.wait(14 * SECOND);
    assert_eq!(
        history.record.claim_check(&claim, history.now),
        Claimed::Yours
    );
    let other = Claim {
        version: Version(1),
        ..claim
    };
    assert_eq!(
        history.record.claim_check(&other, history.now),
        Claimed::NotCurrent
    );
}

#[test]
fn a_reports_verdict_counts_again_from_the_end_of_the_lease_on() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(HOUR);
    history.lease(Reason::Scheduled);
    history.wait(history.rules.lease - Duration::from_micros(1));
    let judged = history.judge(version, Verdict::Refused, true);
    assert_eq!(judged, Judged::Ignored);
    history.wait(Duration::from_micros(1));
    let judged = history.judge(version, Verdict::Refused, true);
    assert!(matches!(judged, Judged::Dead { .. }), "{judged:?}");
}
