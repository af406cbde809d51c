//! Scenes of a record's history: what takes several steps to come about, and would be rare if each were drawn by itself.
//! Each leads to a place where the protocol's answer hangs on one comparison.

use proptest::prelude::*;
use proptest::strategy::Union;

use super::history::{Deadline, Step};
use super::steps::{
    Steps, again, again_of, back, begin, begin_with, claim, commit, commit_again, commit_of, dead,
    end, end_of, fail, fetch, forced, judge, lasting, put_back, repair, reported, same, suspect,
    to, wait, wait_an_hour,
};

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
        vec![fetch(), commit(), loss(), fetch(), put_back(), commit()],
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
        // A stable token comes back the same after a failure.
        vec![
            fetch(),
            same(),
            to(&DUE),
            fetch(),
            fail(),
            to(&[Deadline::Cooldown]),
            wait(),
            fetch(),
            same(),
        ],
        // Two words at one time, and one that is remembered.
        vec![pause(), pause(), begin(), begin()],
        vec![fetch(), fail(), pause(), fetch()],
    ]
}
