//! Whether two replicas know the same.

use std::hash::{BuildHasher, RandomState};

use super::*;

#[test]
fn replicas_are_alike_that_know_the_same() {
    let hasher = RandomState::new();
    let print = |replica: &Replica| hasher.hash_one(replica);
    let after = |event: &dyn Fn(&mut Replica)| {
        let mut replica = serving();
        event(&mut replica);
        print(&replica)
    };
    let calm = after(&|_| ());
    assert_eq!(calm, print(&serving()));
    let another = Grant {
        digest: Digest::new([9; 32]),
        ..grant(7, 0)
    };
    let mut other = replica();
    other.observe(record(another), store_time(0), moment(0));
    for (what, other) in [
        ("nothing was read", print(&replica())),
        (
            "it was read later",
            after(&|it| {
                it.observe(record(grant(7, 0)), store_time(1), moment(1));
            }),
        ),
        ("another token was read", print(&other)),
        (
            "the store was away",
            after(&|it| it.store_failed(StoreTrouble::Away, moment(0))),
        ),
        (
            "it was told to wait",
            after(&|it| it.block(BlockedBy::Busy, moment(0), SECOND)),
        ),
        (
            "an attempt failed",
            after(&|it| {
                it.count_failure();
            }),
        ),
    ] {
        assert_ne!(other, calm, "{what}");
    }
    let noted = after(&|it| it.note(What::TakenOver, moment(0)));
    assert_eq!(noted, calm, "what is kept for people decides nothing");
}

#[test]
fn lets_go_of_waits_that_are_over_and_goes_on_as_before() {
    let hasher = RandomState::new();
    let print = |replica: &Replica| hasher.hash_one(replica);
    let mut replica = serving();
    replica.block(BlockedBy::Spacing, moment(10), 20 * SECOND);
    replica.checked(moment(10), 20 * SECOND);
    for (now, forgotten) in [(29, false), (30, false), (31, true)] {
        let (mut less, mut calm) = (replica.clone(), serving());
        less.forget_passed(moment(now));
        calm.forget_passed(moment(now));
        assert_eq!(less.blocked(moment(29)).is_some(), now < 30, "{now}");
        for at in now..now + 7200 {
            assert_eq!(
                less.next(moment(at)),
                replica.next(moment(at)),
                "{now} {at}"
            );
        }
        assert_eq!(print(&less) == print(&calm), forgotten, "{now}");
    }
}
