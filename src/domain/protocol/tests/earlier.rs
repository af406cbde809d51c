//! Whose holders are remembered: every place where a stored grant gives way to another, or goes.

use super::*;

impl History {
    /// Refreshes, whatever there is to wait for.
    fn refresh(&mut self, value: &str) -> Grant {
        self.wait(6 * MINUTE);
        let memory = remembering(self.version(), false);
        let (begun, nonce) = self.ask(Reason::Forced, memory);
        let Begun::Granted(permit) = begun else {
            panic!("not granted: {begun:?}")
        };
        let attempt = Attempt {
            epoch: permit.epoch,
            nonce,
        };
        let stored = self.commit(attempt, value);
        assert!(matches!(stored, Committed::Stored { .. }), "{stored:?}");
        self.stored()
    }

    fn stored(&self) -> Grant {
        match &self.record.grant {
            Some(grant) => grant.clone(),
            None => panic!("nothing is stored"),
        }
    }

    fn remembers(&self, grants: &[&Grant]) {
        let remembered: Vec<_> = self.record.state.earlier.iter().collect();
        let expected: Vec<_> = grants
            .iter()
            .map(|grant| EarlierToken::from(*grant))
            .collect();
        assert_eq!(remembered, expected);
    }
}

#[test]
fn every_grant_that_was_replaced_is_remembered_until_it_would_have_expired() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    let second = history.refresh("second");
    let third = history.refresh("third");
    history.remembers(&[&second, &first]);
    // Two hours after the first: its entry goes with the next replacement.
    history.wait(2 * HOUR - 12 * MINUTE - SECOND);
    let fourth = history.refresh("fourth");
    assert_eq!(history.stored(), fourth);
    history.remembers(&[&third, &second]);
}

#[test]
fn a_ticket_makes_nobody_known() {
    let mut history = History::new(Mode::Token);
    history.rules.checkable = false;
    history.refresh("first");
    history.refresh("second");
    history.remembers(&[]);
}

#[test]
fn one_that_upstream_refused_is_remembered_once_it_is_replaced() {
    let (mut history, version) = History::fresh(Mode::Token);
    let first = history.stored();
    history.judge(version, Verdict::Refused, false);
    history.remembers(&[]);
    let attempt = history.lease(Reason::Repair);
    history.commit(attempt, "second");
    history.remembers(&[&first]);
}

#[test]
fn what_never_was_the_stored_grant_is_not_remembered() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let late = history.lease(Reason::Scheduled);
    history.wait(MINUTE);
    let first = history.stored();
    let second = history.lease(Reason::Repair);
    history.commit(second, "second");
    assert_eq!(history.commit(late, "late"), Committed::Late);
    history.remembers(&[&first]);
}

#[test]
fn a_commit_that_is_repeated_remembers_nothing_more() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    history.wait(HOUR);
    let attempt = history.lease(Reason::Scheduled);
    history.commit(attempt, "second");
    history.commit(attempt, "second");
    history.remembers(&[&first]);
}

#[test]
fn a_stable_token_that_came_back_the_same_is_still_the_current_one() {
    let (mut history, _) = History::fresh(Mode::Stable);
    let first = history.stored();
    history.wait(HOUR + 57 * MINUTE);
    let attempt = history.lease(Reason::Scheduled);
    history.commit(attempt, "first");
    history.remembers(&[]);
    let renewed = history.stored();
    assert!(renewed.expires_at > first.expires_at);
    history.wait(HOUR + 57 * MINUTE);
    let attempt = history.lease(Reason::Scheduled);
    history.commit(attempt, "second");
    history.remembers(&[&renewed]);
}

#[test]
fn a_token_that_comes_back_is_current_and_not_an_earlier_one() {
    let (mut history, _) = History::fresh(Mode::Token);
    let second = history.refresh("second");
    history.refresh("first");
    history.remembers(&[&second]);
}

#[test]
fn one_that_the_store_let_go_in_its_last_minute_is_not_remembered() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(2 * HOUR - MINUTE);
    let attempt = history.lease(Reason::Missing);
    history.commit(attempt, "second");
    history.remembers(&[]);
}

#[test]
fn what_a_replica_remembers_comes_back_with_what_it_puts_back() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    let second = history.refresh("second");
    let earlier = history.record.state.earlier.clone();
    history.record = Record::default();
    assert_eq!(
        history.put_back_with(&second, earlier),
        PutBackAnswer::Stored
    );
    history.remembers(&[&first]);
}

#[test]
fn one_that_gives_way_to_what_is_put_back_is_remembered() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    let newer = grant(Version(first.version.0 + 1), "newer", history.now);
    history.wait(SECOND);
    assert_eq!(history.put_back(&newer), PutBackAnswer::Stored);
    history.remembers(&[&first]);
}

#[test]
fn one_that_is_not_taken_back_was_handed_out_all_the_same() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    let second = history.refresh("second");
    let other = Grant {
        value: Secret::new("other"),
        digest: Digest::new([9; 32]),
        ..second.clone()
    };
    assert_eq!(history.put_back(&other), PutBackAnswer::Conflict);
    history.remembers(&[&other, &first]);
    history.record.state.earlier = EarlierTokens::default();
    assert_eq!(history.put_back(&first), PutBackAnswer::Superseded);
    history.remembers(&[&first]);
    history.record.state.earlier = EarlierTokens::default();
    history.judge(second.version, Verdict::Refused, false);
    assert_eq!(history.put_back(&second), PutBackAnswer::Dead);
    history.remembers(&[]);
    assert_eq!(history.put_back(&first), PutBackAnswer::Dead);
    history.remembers(&[&first]);
}

#[test]
fn suspicion_and_pauses_take_nobody_away() {
    let (mut history, _) = History::fresh(Mode::Token);
    let first = history.stored();
    history.refresh("second");
    let floor = Version(history.version().0 + 1);
    history
        .record
        .suspect(&Suspect { floor }, &history.rules, history.now);
    history
        .record
        .set_pause(&SetPause { paused: true }, history.now);
    history.remembers(&[&first]);
}
