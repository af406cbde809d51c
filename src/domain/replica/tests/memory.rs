//! What a replica remembers of fetches, for a store that forgets them.

use super::*;
use crate::domain::time::micros;

/// A record whose grant 7 was followed, at second 3600, by an attempt that is under way.
fn attempting() -> Record {
    let mut attempting = record(grant(7, 0));
    let state = &mut attempting.state;
    (state.epoch, state.last_fetch) = (Epoch(8), store_time(3600));
    state.budget = store_time(9000);
    state.intent = Some(Intent {
        epoch: Epoch(8),
        begun_at: store_time(3600),
        last_fetch_before: store_time(0),
        issuer_before: Epoch(7),
        forced: false,
    });
    attempting
}

#[test]
fn an_attempt_that_was_undone_is_not_remembered() {
    let mut replica = serving();
    replica.observe(attempting(), store_time(3600), moment(3600));
    let memory = replica.memory(moment(3600));
    assert_eq!(memory.last_fetch, store_time(3600), "it may have issued");
    let refunded = store_time(9000) - rules(Mode::Token).budget.interval;
    let mut undone = record(grant(7, 0));
    (undone.state.epoch, undone.state.budget) = (Epoch(8), refunded);
    replica.observe(undone, store_time(3601), moment(3601));
    let memory = replica.memory(moment(3601));
    assert_eq!(
        (memory.last_fetch, memory.budget),
        (store_time(0), refunded)
    );
}

#[test]
fn an_attempt_whose_end_the_store_forgot_is_remembered() {
    // By the number, by the budget, and by the number where another replica has told of the budget.
    for (epoch, budget) in [
        (0, Timestamp::NEVER),
        (9, Timestamp::NEVER),
        (7, store_time(9000)),
    ] {
        let mut replica = serving();
        replica.observe(attempting(), store_time(3600), moment(3600));
        let mut forgotten = Record::default();
        (forgotten.state.epoch, forgotten.state.budget) = (Epoch(epoch), budget);
        replica.observe(forgotten, store_time(3601), moment(3601));
        let memory = replica.memory(moment(3601));
        assert_eq!(memory.last_fetch, store_time(3600));
        assert_eq!(memory.budget, store_time(9000));
    }
}

#[test]
fn the_furthest_of_all_that_was_seen_is_told_to_a_store_that_lost_it() {
    let mut replica = serving();
    let mut seen = record(grant(7, 0));
    seen.state.budget = store_time(9000);
    seen.state.forced_budget = store_time(9001);
    seen.state.last_fetch = store_time(1);
    seen.state.pause = Pause {
        paused: true,
        changed_at: store_time(2),
    };
    let told = Memory {
        version: Version(7),
        live: true,
        budget: store_time(9000),
        forced_budget: store_time(9001),
        last_fetch: store_time(1),
        pause: seen.state.pause,
    };
    replica.observe(seen, store_time(3), moment(3));
    replica.observe(Record::default(), store_time(4), moment(4));
    assert_eq!(replica.memory(moment(4)), told);
}

#[test]
fn a_forced_attempt_that_was_undone_is_given_back_to_both_budgets() {
    for forced in [false, true] {
        let mut replica = Replica::new(rules(Mode::Stable), true, 1.0);
        let mut forcing = attempting();
        forcing.state.forced_budget = store_time(9000);
        if let Some(intent) = &mut forcing.state.intent {
            intent.forced = forced;
        }
        replica.observe(forcing, store_time(3600), moment(3600));
        let spent = replica.memory(moment(3600));
        assert_eq!(spent.forced_budget, store_time(9000), "it may have issued");
        let rules = rules(Mode::Stable);
        let mut undone = record(grant(7, 0));
        undone.state.epoch = Epoch(8);
        undone.state.budget = rules.budget.refund(store_time(9000));
        let refunded = rules.forced_budget.refund(store_time(9000));
        undone.state.forced_budget = if forced { refunded } else { store_time(9000) };
        let expected = (undone.state.budget, undone.state.forced_budget);
        replica.observe(undone, store_time(3601), moment(3601));
        let memory = replica.memory(moment(3601));
        assert_eq!((memory.budget, memory.forced_budget), expected, "{forced}");
    }
}

#[test]
fn alone_it_keeps_to_both_budgets_and_above_all_that_it_served() {
    let mut replica = Replica::new(rules(Mode::Stable), true, 1.0);
    let mut spend = |force, at| {
        let fetches = (0..1000).map(|_| replica.begin_alone(force, at));
        fetches.map_while(Result::ok).count()
    };
    let rules = rules(Mode::Stable);
    let forced = usize::try_from(rules.forced_budget.burst).unwrap_or(0);
    let all = usize::try_from(rules.budget.burst).unwrap_or(0);
    assert_eq!(spend(true, moment(0)), forced);
    assert_eq!(spend(false, moment(0)), all - forced);
    let Err(wait) = replica.begin_alone(false, moment(0)) else {
        panic!("more than the budget")
    };
    let early = wait - Duration::from_micros(1);
    assert!(replica.begin_alone(false, moment(0).after(early)).is_err());
    let then = moment(0).after(wait);
    let version = Version(micros(then.wall));
    assert_eq!(replica.begin_alone(false, then), Ok(version));
    let above = Version(2_000_000_000_000_000);
    replica.observe(record(grant(above.0, 0)), store_time(1), moment(1));
    let next = Version(above.0 + 1);
    assert_eq!(replica.begin_alone(false, then.after(HOUR)), Ok(next));
}

#[test]
fn a_credential_that_was_dropped_forgets_nothing_that_was_spent() {
    let mut replica = serving();
    let mut spent = record(grant(7, 0));
    spent.state.budget = store_time(9000);
    replica.observe(spent, store_time(1), moment(1));
    replica.retire();
    assert_eq!(replica.memory(moment(2)).budget, store_time(9000));

    let mut replica = serving();
    replica.observe(attempting(), store_time(3600), moment(3600));
    replica.retire();
    assert_eq!(replica.memory(moment(3600)).last_fetch, store_time(3600));
    // An answer that was on its way: the store has lost it all.
    replica.observe(Record::default(), store_time(3601), moment(3601));
    assert_eq!(replica.memory(moment(3601)).budget, store_time(9000));
}

#[test]
fn what_its_own_fetch_cost_outlives_a_store_that_loses_it_at_that_very_moment() {
    let permit = Permit {
        epoch: Epoch(9),
        begun_at: store_time(3600),
        valid_for: 20 * SECOND,
        failures: 0,
        force: false,
    };
    let mut replica = serving();
    let before = replica.memory(moment(3600));
    let charged = replica.charged(&permit);
    assert_eq!(
        replica.memory(moment(3600)),
        before,
        "nothing was sent so far"
    );
    replica.spent(charged, false);
    let refused = replica.memory(moment(3601));
    assert_eq!(
        refused.budget,
        rules(Mode::Token)
            .budget
            .charge(before.budget, store_time(3600))
    );
    assert_eq!(refused.last_fetch, before.last_fetch, "it issued nothing");
    replica.spent(charged, true);
    assert_eq!(
        replica.memory(moment(3601)).last_fetch,
        store_time(3600),
        "it may have issued a grant"
    );
    replica.observe(Record::default(), store_time(3602), moment(3602));
    assert_eq!(replica.memory(moment(3602)).budget, refused.budget);
    let forced = Permit {
        force: true,
        ..permit
    };
    let budgets = [permit, forced].map(|permit| replica.charged(&permit).forced_budget);
    let rules = rules(Mode::Token);
    let charged = rules
        .forced_budget
        .charge(before.forced_budget, store_time(3600));
    assert_eq!(budgets, [before.forced_budget, charged]);
}
