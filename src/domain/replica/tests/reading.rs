//! What a replica makes of what it reads: whether it is believed, and which waits it ends.

use super::*;

#[test]
fn an_answer_is_stale_where_both_its_question_and_the_stores_time_are_older() {
    for (at, sent, taken) in [
        (99, 99, false),
        (99, 100, true),
        // A store that failed over to a machine whose clock is behind.
        (99, 101, true),
        (100, 99, true),
        (101, 99, true),
    ] {
        let mut replica = replica();
        replica.observe(record(grant(8, 0)), store_time(100), moment(100));
        replica.observe(record(grant(9, 0)), store_time(at), moment(sent));
        let expected = if taken { 9 } else { 8 };
        assert_eq!(
            served(&replica, 101),
            Some(Version(expected)),
            "{at} {sent}"
        );
    }
}

#[test]
fn a_stale_answer_does_not_say_that_the_store_is_back_nor_when_it_was_last_asked() {
    let mut replica = replica();
    let mut empty = record(grant(8, 0));
    empty.grant = None;
    replica.observe(empty.clone(), store_time(100), moment(100));
    let heard = replica.view(moment(101)).answer_until;
    replica.store_failed(StoreTrouble::Away, moment(101));
    replica.observe(empty, store_time(40), moment(40));
    let view = replica.view(moment(102));
    assert_eq!(view.trouble, Some(StoreTrouble::Away));
    assert!(view.answer_until.boot >= heard.boot, "{view:?}");
}

#[test]
fn another_secret_ends_the_wait_that_upstreams_refusal_of_the_old_one_was() {
    let refused = BlockedBy::CoolingDown(ErrorClass::BadSecret);
    for (by, still) in [(refused, false), (BlockedBy::Spacing, true)] {
        let mut replica = serving();
        replica.block(by, moment(60), HOUR);
        replica.secret_changed();
        assert_eq!(replica.blocked(moment(61)).is_some(), still, "{by:?}");
    }
}

#[test]
fn failures_in_a_row_are_counted_until_one_attempt_succeeds() {
    let mut replica = serving();
    assert_eq!((replica.count_failure(), replica.count_failure()), (1, 2));
    assert_eq!(replica.failures(), 2);
    replica.committed(grant(8, 60), moment(7260), moment(60));
    assert_eq!(replica.failures(), 0);
    assert_eq!(served(&replica, 60), Some(Version(8)));
    replica.committed(grant(6, 61), moment(7261), moment(61));
    assert_eq!(served(&replica, 61), Some(Version(8)), "never backwards");
}

#[test]
fn a_reading_never_lengthens_a_life_by_the_boot_clock_but_a_renewal_does() {
    let mut replica = serving();
    // The store's clock went slower than this machine's.
    replica.observe(record(grant(7, 0)), store_time(60), moment(70));
    let expires = replica.view(moment(70)).expires;
    assert_eq!(
        (expires.boot, expires.wall),
        (moment(7200).boot, moment(7210).wall)
    );
    let renewed = Grant {
        expires_at: store_time(9000),
        ..grant(7, 0)
    };
    replica.observe(record(renewed.clone()), store_time(80), moment(80));
    let view = replica.view(moment(80));
    assert_eq!(view.expires, moment(9000));
    assert_eq!(view.grant.as_ref(), Some(&renewed));
}

#[test]
fn the_text_of_a_token_that_was_read_again_is_kept_once() {
    let mut replica = serving();
    replica.observe(record(grant(7, 0)), store_time(1), moment(1));
    let held = replica.view(moment(1)).grant;
    let read = replica
        .record()
        .and_then(|(record, _)| record.grant.clone());
    let (Some(held), Some(read)) = (held, read) else {
        panic!("nothing held, or nothing read")
    };
    assert!(std::ptr::eq(held.value.expose(), read.value.expose()));
    let other = Grant {
        value: Secret::new("other"),
        digest: Digest::new([99; 32]),
        ..grant(7, 0)
    };
    replica.observe(record(other.clone()), store_time(2), moment(2));
    let read = replica
        .record()
        .and_then(|(record, _)| record.grant.as_ref());
    assert_eq!(read, Some(&other));
}

#[test]
fn a_pending_grant_is_held_above_the_floor_alone_and_the_same_stable_token_keeps_its_version() {
    let mut replica = serving();
    let same = Grant {
        version: Version(9),
        expires_at: store_time(9000),
        ..grant(7, 0)
    };
    replica.keep_pending(same, moment(9000), None, moment(60));
    assert_eq!(served(&replica, 8999), Some(Version(7)));
    replica.refused(Version(7), moment(60));
    for (version, held) in [(6, None), (7, None), (8, Some(Version(8)))] {
        let fetched = Grant {
            version: Version(version),
            ..grant(100, 60)
        };
        replica.keep_pending(fetched, moment(7260), None, moment(60));
        assert_eq!(served(&replica, 60), held, "{version}");
    }
}

#[test]
fn a_wait_for_upstream_ends_with_a_death_alone_and_one_for_the_store_with_any_change() {
    let died = |version| {
        let mut record = record(grant(7, 0));
        record.state.dead = Some(Dead {
            version: Version(version),
            epoch: Epoch(7),
            reported: false,
        });
        record
    };
    let mut suspect = record(grant(7, 0));
    suspect.state.suspect = Some(Epoch(7));
    for (before, after, upstream, store) in [
        (record(grant(7, 0)), record(grant(7, 0)), true, true),
        (record(grant(7, 0)), suspect, true, false),
        (record(grant(7, 0)), died(7), false, false),
        (died(7), died(7), true, true),
        (died(6), died(7), false, false),
        (died(7), record(grant(7, 0)), true, false),
    ] {
        for (by, still) in [
            (BlockedBy::UpstreamAway, upstream),
            (BlockedBy::Busy, store),
        ] {
            let mut replica = replica();
            replica.observe(before.clone(), store_time(0), moment(0));
            replica.block(by, moment(0), HOUR);
            replica.observe(after.clone(), store_time(1), moment(1));
            assert_eq!(
                replica.blocked(moment(1)).is_some(),
                still,
                "{by:?} {after:?}"
            );
        }
    }
}
