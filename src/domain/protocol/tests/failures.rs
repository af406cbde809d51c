//! Fetches that fail: cooldowns, and outcomes that nobody knows.

use super::*;

#[test]
fn a_definite_error_cools_down_for_that_secret_only() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    history.fail(attempt, ErrorClass::BadSecret);
    assert!(matches!(
        history.begin(Reason::Missing),
        Begun::CoolingDown {
            class: ErrorClass::BadSecret,
            ..
        }
    ));
    assert_eq!(history.record.state.suspect, None, "no grant was issued");
    let mended = Fingerprint::new(8);
    let begun = history.ask_again(Reason::Missing, Memory::default(), Nonce(50), mended);
    assert!(matches!(begun, Begun::Granted(_)));
}

#[test]
fn no_cooldown_lasts_for_ever() {
    let mut history = History::new(Mode::Token);
    let attempt = history.lease(Reason::Missing);
    history.fail(attempt, ErrorClass::Forbidden);
    history.wait(MINUTE);
    assert!(matches!(history.begin(Reason::Missing), Begun::Granted(_)));
}

#[test]
fn an_unclear_outcome_makes_the_credential_suspect() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let attempt = history.lease(Reason::Scheduled);
    history.fail(attempt, ErrorClass::Unclear);
    assert_eq!(history.record.state.suspect, Some(attempt.epoch));
    assert!(matches!(
        history.begin(Reason::Repair),
        Begun::CoolingDown {
            class: ErrorClass::Unclear,
            ..
        }
    ));
    history.wait(MINUTE);
    assert!(
        matches!(history.begin(Reason::Repair), Begun::Granted(_)),
        "spacing lifted"
    );
}

#[test]
fn an_old_attempts_failure_touches_nothing_of_the_current_one() {
    let mut history = History::new(Mode::Token);
    let old = history.lease(Reason::Missing);
    history.wait(history.rules.lease);
    let current = history.lease(Reason::Missing);
    history.fail(old, ErrorClass::BadSecret);
    assert_eq!(history.record.state.cooldown, None);
    assert_eq!(
        history.record.state.lease.map(|lease| lease.epoch),
        Some(current.epoch)
    );
}
