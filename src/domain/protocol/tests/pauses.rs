//! An app that an SRE has paused, and resumed.

use super::*;

/// An app that was fetched and then paused, and what a replica remembers of that.
fn paused() -> (History, Memory) {
    let (mut history, _) = History::fresh(Mode::Token);
    history
        .record
        .set_pause(&SetPause { paused: true }, history.now);
    let remembered = Memory {
        pause: history.record.state.pause,
        ..Memory::default()
    };
    (history, remembered)
}

#[test]
fn a_paused_app_is_not_fetched_and_the_newer_word_wins() {
    let (mut history, remembered) = paused();
    history.wait(HOUR);
    assert_eq!(history.begin(Reason::Scheduled), Begun::Paused);
    history.record = Record::default();
    assert_eq!(
        history.ask(Reason::Missing, remembered).0,
        Begun::Paused,
        "survives a flush"
    );
    history
        .record
        .set_pause(&SetPause { paused: false }, history.now);
    assert!(matches!(
        history.ask(Reason::Missing, remembered).0,
        Begun::Granted(_)
    ));
}

#[test]
fn of_two_words_about_a_pause_the_newer_is_taken_and_else_the_first() {
    let said = |paused, at| Pause {
        paused,
        changed_at: Timestamp::from_micros(at),
    };
    for (first, second, paused) in [(1, 2, false), (2, 2, true), (3, 2, true)] {
        let newer = said(true, first).newer(said(false, second));
        assert_eq!(newer.paused, paused, "{first} {second}");
    }
}

#[test]
fn whoever_resumes_an_app_ends_its_cooldown_but_gets_no_more_budget() {
    let mut history = History::new(Mode::Token);
    let mut fetches = 0;
    while let (Begun::Granted(permit), nonce) = history.ask(Reason::Missing, Memory::default()) {
        let attempt = Attempt {
            epoch: permit.epoch,
            nonce,
        };
        fetches += 1;
        assert!(fetches < 1800, "as many as a day has");
        history.fail(attempt, ErrorClass::BadSecret);
        let refused = history.begin(Reason::Missing);
        assert!(matches!(refused, Begun::CoolingDown { .. }), "{refused:?}");
        let resume = SetPause { paused: false };
        history.record.set_pause(&resume, history.now);
        assert_eq!(history.record.state.failures, 0);
    }
    assert!(fetches > 1);
    let spent = history.begin(Reason::Missing);
    assert!(matches!(spent, Begun::BudgetSpent { .. }), "{spent:?}");
}

#[test]
fn a_resume_after_a_failover_to_a_clock_that_is_behind_wins_over_memory() {
    let (mut history, remembered) = paused();
    history.now = history.now - HOUR;
    history.open();
    history
        .record
        .set_pause(&SetPause { paused: false }, history.now);
    history.wait(3 * HOUR);
    assert!(matches!(
        history.ask(Reason::Missing, remembered).0,
        Begun::Granted(_)
    ));
}
