//! What a replica remembers of fetches, for a store that forgets them.

use super::*;

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
    for epoch in [0, 9] {
        let mut replica = serving();
        replica.observe(attempting(), store_time(3600), moment(3600));
        let mut forgotten = Record::default();
        forgotten.state.epoch = Epoch(epoch);
        replica.observe(forgotten, store_time(3601), moment(3601));
        let memory = replica.memory(moment(3601));
        assert_eq!(memory.last_fetch, store_time(3600));
        assert_eq!(memory.budget, store_time(9000));
    }
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
}
