//! The single steps that scenes are made of.

use proptest::prelude::*;
use token_broker::domain::protocol::Reason;
use token_broker::domain::state::Verdict;

use super::history::{
    Ago, Deadline, Life, MINUTE, Remembered, Step, class, every, life, reason, remembered, verdict,
};

/// One step, or one of several.
pub(super) type Steps = BoxedStrategy<Step>;

/// Time goes to one of these deadlines, or to a microsecond beside it.
pub(super) fn to(deadlines: &[Deadline]) -> Steps {
    (prop::sample::select(deadlines.to_vec()), -1..2_i64)
        .prop_map(|(deadline, by)| Step::ToDeadline(deadline, by))
        .boxed()
}

pub(super) fn begin() -> Steps {
    (reason(), remembered())
        .prop_map(|(reason, memory)| Step::Begin(reason, memory, 1))
        .boxed()
}

pub(super) fn begin_with(version: Ago, live: bool) -> Steps {
    let begin = move |reason| Step::Begin(reason, Remembered::only(Some(version), live), 1);
    reason().prop_map(begin).boxed()
}

/// A begin that is likely to be granted.
pub(super) fn fetch() -> Steps {
    prop_oneof![forced(), repair()].boxed()
}

pub(super) fn forced() -> Steps {
    Just(Step::Begin(
        Reason::Forced,
        Remembered::only(Some(0), false),
        1,
    ))
    .boxed()
}

pub(super) fn repair() -> Steps {
    Just(Step::Begin(
        Reason::Repair,
        Remembered::only(None, false),
        1,
    ))
    .boxed()
}

pub(super) fn again() -> Steps {
    again_of(0)
}

pub(super) fn again_of(ago: Ago) -> Steps {
    remembered()
        .prop_map(move |memory| Step::BeginAgain(ago, memory))
        .boxed()
}

pub(super) fn commit() -> Steps {
    prop_oneof![5 => Just(0), 1 => Just(1)]
        .prop_flat_map(commit_of)
        .boxed()
}

pub(super) fn commit_of(ago: Ago) -> Steps {
    (0..4_u8, life())
        .prop_map(move |(token, life)| Step::Commit(ago, token, life))
        .boxed()
}

pub(super) fn commit_again() -> Steps {
    Just(Step::CommitAgain(0)).boxed()
}

/// The token that the latest attempt brings where nothing rotates.
pub(super) fn same() -> Steps {
    life().prop_map(|life| Step::Commit(0, 0, life)).boxed()
}

/// The same token with a long life.
pub(super) fn lasting() -> Steps {
    Just(Step::Commit(0, 0, Life::For(200 * MINUTE))).boxed()
}

pub(super) fn fail() -> Steps {
    fail_of(0)
}

pub(super) fn fail_of(ago: Ago) -> Steps {
    (class(), 0..10 * MINUTE)
        .prop_map(move |(class, cooldown)| Step::Fail(ago, class, cooldown))
        .boxed()
}

/// However the latest attempt ends.
pub(super) fn end() -> Steps {
    end_of(0)
}

pub(super) fn end_of(ago: Ago) -> Steps {
    prop_oneof![fail_of(ago), commit_of(ago), Just(Step::Release(ago))].boxed()
}

pub(super) fn claim() -> Steps {
    every().prop_map(|every| Step::Claim(0, every)).boxed()
}

pub(super) fn judge() -> Steps {
    (verdict(), any::<bool>())
        .prop_map(|(verdict, reported)| Step::Judge(0, verdict, reported))
        .boxed()
}

pub(super) fn reported() -> Steps {
    verdict()
        .prop_map(|verdict| Step::Judge(0, verdict, true))
        .boxed()
}

pub(super) fn dead() -> Steps {
    Just(Step::Judge(0, Verdict::Refused, false)).boxed()
}

pub(super) fn suspect(floor: Ago) -> Steps {
    Just(Step::Suspect(floor)).boxed()
}

pub(super) fn put_back() -> Steps {
    let with = prop_oneof![1 => Just(Remembered::only(None, false)), 2 => remembered()];
    with.prop_map(|memory| Step::PutBack(0, None, memory, 0))
        .boxed()
}

pub(super) fn back() -> Steps {
    (0..150 * MINUTE).prop_map(Step::Back).boxed()
}

pub(super) fn wait() -> Steps {
    (1..15_000_000_u64).prop_map(Step::Wait).boxed()
}

pub(super) fn wait_an_hour() -> Steps {
    Just(Step::Wait(60 * MINUTE)).boxed()
}
