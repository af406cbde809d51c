//! Scenes of a record's history: what takes several steps to come about, and would be rare if each were drawn by itself.
//! Each leads to a place where the protocol's answer hangs on one comparison.

use proptest::prelude::*;
use proptest::strategy::Union;
use token_broker::domain::protocol::Reason;
use token_broker::domain::state::Verdict;

use super::history::{
    Ago, Deadline, Life, MINUTE, Remembered, Step, class, every, life, reason, remembered, verdict,
};

type Steps = BoxedStrategy<Step>;

const DUE: [Deadline; 2] = [Deadline::Due, Deadline::Spacing];

/// Any of them.
pub(super) fn scene() -> impl Strategy<Value = Vec<Step>> {
    let all = [
        what_is_due(),
        leases_that_end(),
        leases_that_are_overtaken(),
        what_comes_late(),
        what_was_begun_before_a_loss(),
        floors(),
        forced_fetches(),
        budgets(),
        clocks_that_are_behind(),
        checks(),
        what_is_put_back(),
        cooldowns_and_pauses(),
    ];
    Union::new(all.into_iter().flatten().map(Strategy::boxed))
}

type Scenes = Vec<Vec<Steps>>;

fn what_is_due() -> Scenes {
    let last = [Deadline::Kept, Deadline::Due];
    vec![
        // Refreshed, and looked at when it is about to go.
        vec![to(&DUE), begin(), commit(), to(&last), begin()],
        vec![
            to(&DUE),
            begin(),
            commit(),
            to(&last),
            fetch(),
            commit_again(),
        ],
        vec![fetch(), commit(), to(&[Deadline::Spacing]), forced()],
        vec![
            fetch(),
            commit(),
            to(&[Deadline::Forgotten]),
            fetch(),
            end(),
            fetch(),
            commit(),
        ],
    ]
}

fn leases_that_end() -> Scenes {
    let until = || to(&[Deadline::Lease]);
    vec![
        // At the very moment when its holder asks again, or another does.
        vec![begin(), until(), again(), begin(), commit()],
        vec![fetch(), until(), fetch(), commit_of(1), commit()],
        // Others have asked meanwhile, who remember a later fetch.
        vec![fetch(), wait(), begin(), end()],
        // When a report is judged.
        vec![fetch(), commit(), to(&DUE), fetch(), until(), reported()],
    ]
}

fn leases_that_are_overtaken() -> Scenes {
    vec![
        // Found dead while a lease is held: its holder may commit after all.
        vec![
            begin(),
            commit(),
            to(&DUE),
            begin(),
            judge(),
            begin(),
            commit(),
            commit(),
        ],
        vec![
            fetch(),
            commit(),
            to(&DUE),
            fetch(),
            dead(),
            fetch(),
            fetch(),
            end(),
            commit_of(1),
        ],
    ]
}

/// An attempt that is not the latest any more: its lease had run out, and another fetch was begun.
fn what_comes_late() -> Scenes {
    let late = |why, then| {
        let begun = vec![fetch(), commit(), why, fetch(), to(&[Deadline::Lease])];
        [begun, vec![fetch()], then].concat()
    };
    vec![
        late(to(&DUE), vec![commit_of(1), commit()]),
        late(dead(), vec![commit_of(1), begin()]),
        late(to(&DUE), vec![fail(), commit_of(1)]),
        // The store never took its grant, or took one since; it is put back.
        late(dead(), vec![commit_of(1), put_back()]),
    ]
}

fn what_was_begun_before_a_loss() -> Scenes {
    let loss = || Just(Step::Loss).boxed();
    vec![
        vec![fetch(), loss(), end()],
        vec![fetch(), loss(), commit()],
        // The same epoch is handed out twice.
        vec![fetch(), loss(), fetch(), end_of(1), begin()],
        vec![fetch(), loss(), fetch(), suspect(2), commit_of(1), begin()],
        vec![fetch(), loss(), fetch(), commit_of(1), commit()],
        vec![loss(), begin_with(3, true), fetch()],
        vec![fetch(), commit(), loss(), put_back(), begin()],
        vec![
            fetch(),
            commit(),
            loss(),
            begin(),
            put_back(),
            commit_again(),
        ],
    ]
}

/// What another replica has served lies at the epoch that is handed out, or above.
fn floors() -> Scenes {
    let floor = || (0..4_usize).prop_map(Step::Suspect).boxed();
    vec![
        vec![fetch(), floor(), commit(), begin()],
        vec![
            fetch(),
            suspect(1),
            to(&[Deadline::Lease]),
            fetch(),
            commit_of(1),
        ],
        vec![
            fetch(),
            commit(),
            dead(),
            to(&[Deadline::Kept]),
            begin_with(0, true),
        ],
        vec![
            fetch(),
            commit(),
            to(&[Deadline::Kept]),
            begin_with(0, false),
        ],
    ]
}

/// A stable token that was refused comes back the same: the next fetch is forced, and given back or failed at times.
fn forced_fetches() -> Scenes {
    let edge = || to(&[Deadline::ForcedBudget]);
    vec![
        vec![
            begin(),
            same(),
            judge(),
            begin(),
            same(),
            begin(),
            end(),
            begin(),
            same(),
        ],
        vec![
            fetch(),
            lasting(),
            dead(),
            wait_an_hour(),
            repair(),
            same(),
            repair(),
            same(),
            repair(),
            same(),
            repair(),
            edge(),
            repair(),
            end(),
            back(),
            begin(),
        ],
        vec![
            fetch(),
            lasting(),
            dead(),
            repair(),
            same(),
            repair(),
            end(),
            edge(),
            repair(),
            commit(),
        ],
        vec![
            fetch(),
            fail(),
            to(&[Deadline::Cooldown]),
            fetch(),
            same(),
            to(&DUE),
            fetch(),
            fail(),
            to(&[Deadline::Cooldown]),
            fetch(),
            same(),
        ],
    ]
}

fn budgets() -> Scenes {
    let edge = || to(&[Deadline::Budget, Deadline::Reserve]);
    vec![
        vec![
            fetch(),
            commit(),
            dead(),
            fetch(),
            commit(),
            dead(),
            fetch(),
            commit(),
            dead(),
            fetch(),
            commit(),
            dead(),
            edge(),
            fetch(),
            edge(),
            fetch(),
        ],
        vec![fetch(), end(), fetch(), end(), edge(), fetch()],
        vec![
            fetch(),
            Just(Step::Release(0)).boxed(),
            fetch(),
            commit(),
            dead(),
            fetch(),
            Just(Step::Release(0)).boxed(),
        ],
    ]
}

/// The store fails over to a machine whose clock is behind.
fn clocks_that_are_behind() -> Scenes {
    let a_little = || (1..40_000_000_u64).prop_map(Step::Back).boxed();
    let paused = || Just(Step::Pause(true)).boxed();
    vec![
        // A lease is open again whose intent is gone already.
        vec![
            fetch(),
            paused(),
            to(&[Deadline::Lease]),
            fetch(),
            a_little(),
            again_of(1),
            end_of(0),
        ],
        vec![
            fetch(),
            commit(),
            to(&DUE),
            fetch(),
            back(),
            begin(),
            commit(),
        ],
        vec![fetch(), lasting(), to(&DUE), back(), fetch(), same()],
        vec![fetch(), commit(), claim(), back(), claim(), judge()],
        vec![fetch(), back(), fetch(), commit(), commit()],
    ]
}

fn checks() -> Scenes {
    let free = || to(&[Deadline::Check]);
    vec![
        vec![claim(), judge(), free(), claim()],
        vec![claim(), free(), claim()],
        vec![
            fetch(),
            commit(),
            claim(),
            judge(),
            free(),
            claim(),
            judge(),
        ],
    ]
}

fn what_is_put_back() -> Scenes {
    vec![
        // At the last moment.
        vec![fetch(), commit(), to(&[Deadline::Kept]), put_back()],
        vec![
            fetch(),
            commit(),
            to(&[Deadline::Kept]),
            Just(Step::Loss).boxed(),
            put_back(),
            begin(),
        ],
        // Put back where nobody remembers a fetch, and wanted.
        vec![
            fetch(),
            commit(),
            Just(Step::Loss).boxed(),
            put_back(),
            forced(),
        ],
    ]
}

fn cooldowns_and_pauses() -> Scenes {
    let pause = || any::<bool>().prop_map(Step::Pause).boxed();
    vec![
        vec![
            begin(),
            fail(),
            to(&[Deadline::Cooldown]),
            begin(),
            commit(),
        ],
        vec![
            begin(),
            commit(),
            to(&DUE),
            begin(),
            fail(),
            judge(),
            begin(),
        ],
        vec![
            fetch(),
            commit(),
            to(&DUE),
            fetch(),
            fail(),
            reported(),
            begin(),
        ],
        // Two words at one time, and one that is remembered.
        vec![pause(), pause(), begin(), begin()],
        vec![fetch(), fail(), pause(), fetch()],
    ]
}

/// Time goes to one of these deadlines, or to a microsecond beside it.
pub(super) fn to(deadlines: &[Deadline]) -> Steps {
    (prop::sample::select(deadlines.to_vec()), -1..2_i64)
        .prop_map(|(deadline, by)| Step::ToDeadline(deadline, by))
        .boxed()
}

fn begin() -> Steps {
    (reason(), remembered())
        .prop_map(|(reason, memory)| Step::Begin(reason, memory, 1))
        .boxed()
}

fn begin_with(version: Ago, live: bool) -> Steps {
    let begin = move |reason| Step::Begin(reason, Remembered::only(Some(version), live), 1);
    reason().prop_map(begin).boxed()
}

/// A begin that is likely to be granted.
fn fetch() -> Steps {
    prop_oneof![forced(), repair()].boxed()
}

fn forced() -> Steps {
    Just(Step::Begin(
        Reason::Forced,
        Remembered::only(Some(0), false),
        1,
    ))
    .boxed()
}

fn repair() -> Steps {
    Just(Step::Begin(
        Reason::Repair,
        Remembered::only(None, false),
        1,
    ))
    .boxed()
}

fn again() -> Steps {
    again_of(0)
}

fn again_of(ago: Ago) -> Steps {
    remembered()
        .prop_map(move |memory| Step::BeginAgain(ago, memory))
        .boxed()
}

fn commit() -> Steps {
    prop_oneof![5 => Just(0), 1 => Just(1)]
        .prop_flat_map(commit_of)
        .boxed()
}

fn commit_of(ago: Ago) -> Steps {
    (0..4_u8, life())
        .prop_map(move |(token, life)| Step::Commit(ago, token, life))
        .boxed()
}

fn commit_again() -> Steps {
    Just(Step::CommitAgain(0)).boxed()
}

/// The token that the latest attempt brings where nothing rotates.
fn same() -> Steps {
    life().prop_map(|life| Step::Commit(0, 0, life)).boxed()
}

/// The same token with a long life.
fn lasting() -> Steps {
    Just(Step::Commit(0, 0, Life::For(200 * MINUTE))).boxed()
}

fn fail() -> Steps {
    fail_of(0)
}

fn fail_of(ago: Ago) -> Steps {
    (class(), 0..10 * MINUTE)
        .prop_map(move |(class, cooldown)| Step::Fail(ago, class, cooldown))
        .boxed()
}

/// However the latest attempt ends.
fn end() -> Steps {
    end_of(0)
}

fn end_of(ago: Ago) -> Steps {
    prop_oneof![fail_of(ago), commit_of(ago), Just(Step::Release(ago))].boxed()
}

fn claim() -> Steps {
    every().prop_map(|every| Step::Claim(0, every)).boxed()
}

fn judge() -> Steps {
    (verdict(), any::<bool>())
        .prop_map(|(verdict, reported)| Step::Judge(0, verdict, reported))
        .boxed()
}

fn reported() -> Steps {
    verdict()
        .prop_map(|verdict| Step::Judge(0, verdict, true))
        .boxed()
}

fn dead() -> Steps {
    Just(Step::Judge(0, Verdict::Refused, false)).boxed()
}

fn suspect(floor: Ago) -> Steps {
    Just(Step::Suspect(floor)).boxed()
}

fn put_back() -> Steps {
    let with = prop_oneof![1 => Just(Remembered::only(None, false)), 2 => remembered()];
    with.prop_map(|memory| Step::PutBack(0, None, memory, 0))
        .boxed()
}

fn back() -> Steps {
    (0..150 * MINUTE).prop_map(Step::Back).boxed()
}

fn wait() -> Steps {
    (1..15_000_000_u64).prop_map(Step::Wait).boxed()
}

fn wait_an_hour() -> Steps {
    Just(Step::Wait(60 * MINUTE)).boxed()
}
