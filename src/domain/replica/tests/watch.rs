//! When the stored token is checked.

use super::*;

/// Where `phase` says, with grant 7 of second 0, which was last checked at `checked`.
fn watching(phase: f64, checked: Option<u64>, close_until: u64) -> Replica {
    let mut replica = Replica::new(rules(Mode::Token), true, 0.0).in_phase(phase);
    let mut record = record(grant(7, 0));
    record.state.close_watch_until = store_time(close_until);
    if let Some(at) = checked {
        record.state.check = accepted_at(at);
    }
    replica.observe(record, store_time(0), moment(0));
    replica
}

/// When it is checked next, as known at `now`, and how far apart checks are then.
fn next_check(replica: &Replica, now: u64) -> (Duration, Duration) {
    let plan = replica.next(moment(now));
    assert_eq!(plan.map(|plan| plan.step), Some(Step::Watch));
    let at = plan.map(|plan| plan.at - moment(0).boot);
    (at.unwrap_or_default(), interval(replica, moment(now)))
}

/// How far apart checks are, by which of them answers instead of one.
fn interval(replica: &Replica, now: Moment) -> Duration {
    replica.answered_by_checks_of(now) / 98 * 100
}

#[test]
fn each_credential_has_its_own_moment_for_the_first_check_of_a_token() {
    for (phase, part) in [(0.0, 4), (0.25, 3), (0.75, 1)] {
        let first = 15 * SECOND * part;
        assert_eq!(next_check(&watching(phase, None, 0), 1), (first, first));
        // Within the close watch as well.
        let first = 15 * SECOND * part / 4;
        assert_eq!(next_check(&watching(phase, None, 100), 1), (first, first));
    }
}

#[test]
fn from_then_on_a_check_follows_the_one_before_after_watch() {
    for phase in [0.0, 0.25, 0.75] {
        let replica = watching(phase, Some(20), 0);
        assert_eq!(next_check(&replica, 21), (80 * SECOND, 60 * SECOND));
    }
}

#[test]
fn watched_closely_all_are_checked_as_often() {
    for phase in [0.0, 0.75] {
        let replica = watching(phase, Some(20), 100);
        assert_eq!(next_check(&replica, 21), (35 * SECOND, 15 * SECOND));
    }
}

#[test]
fn what_was_watched_closely_goes_apart_again() {
    // A check at its very end is one after it.
    let replica = watching(0.25, Some(100), 100);
    assert_eq!(next_check(&replica, 101), (160 * SECOND, 60 * SECOND));
    for (phase, next) in [(0.0, 60), (0.25, 45), (0.75, 15)] {
        let replica = watching(phase, Some(95), 100);
        let next = Duration::from_secs(next);
        assert_eq!(next_check(&replica, 101), (95 * SECOND + next, next));
    }
    // By its own close watch, after the store came back, as by the stored one.
    let mut replica = watching(0.5, Some(0), 0);
    replica.reconnected(moment(2));
    let lasts = rules(Mode::Token).close_watch_lasts();
    let end = moment(2).boot + lasts;
    let close = Moment {
        boot: end - SECOND,
        ..moment(0)
    };
    let later = Moment {
        boot: end + SECOND,
        ..moment(0)
    };
    assert_eq!(interval(&replica, close), 15 * SECOND);
    assert_eq!(interval(&replica, later), 30 * SECOND);
    assert_eq!(later.boot, moment(383).boot);
    // Whether the store was read before its end or after it.
    for read_at in [0, 400] {
        for (checked, every) in [(370, 30), (390, 60)] {
            let mut replica = replica.clone();
            replica.observe(record(grant(7, 0)), store_time(read_at), moment(read_at));
            assert!(replica.noted(accepted_at(checked)));
            let apart = interval(&replica, moment(400));
            assert_eq!(apart, every * SECOND, "{read_at} {checked}");
        }
    }
}

#[test]
fn where_no_watch_is_kept_nothing_is_checked_but_closely() {
    let unwatched = Rules {
        watch: Duration::ZERO,
        ..rules(Mode::Token)
    };
    let mut replica = watching(0.5, Some(20), 100);
    replica.govern(Arc::new(unwatched));
    assert_eq!(next_check(&replica, 21), (35 * SECOND, 15 * SECOND));
    let plan = replica.next(moment(101));
    assert_eq!(
        plan.map(|plan| plan.step),
        Some(Step::Refresh(Reason::Scheduled))
    );
}

#[test]
fn whoever_asks_a_moment_early_is_not_answered_by_the_check_before() {
    let mut record = record(grant(7, 0));
    let every = watching(0.0, Some(0), 0).answered_by_checks_of(moment(1));
    let claim = |every| Claim {
        version: Version(7),
        every,
    };
    let first = record.claim_check(&claim(every), store_time(100));
    let at = |millis| store_time(160) - Duration::from_millis(millis);
    let long_before = record.clone().claim_check(&claim(every), at(2000));
    let just_before = record.claim_check(&claim(every), at(500));
    assert_eq!((first, just_before), (Claimed::Yours, Claimed::Yours));
    assert!(
        matches!(long_before, Claimed::Checked(_)),
        "{long_before:?}"
    );
}

#[test]
fn checks_are_close_together_until_both_close_watches_are_over_and_where_there_is_no_other_watch() {
    let apart = |replica: &Replica, at| replica.watch_every(moment(at)).as_secs();
    let stored = watching(0.0, None, 100);
    let mut own = replica();
    own.reconnected(moment(0));
    let mut unwatched = replica();
    for (at, by_stored, by_own) in [(99, 15, 15), (100, 60, 15), (379, 60, 15), (380, 60, 60)] {
        assert_eq!((apart(&stored, at), apart(&own, at)), (by_stored, by_own));
    }
    let others = [99, 100].map(|at| interval(&stored, moment(at)).as_secs());
    assert_eq!(others, [15, 60]);
    let mut read = serving();
    read.reconnected(moment(0));
    let others = [379, 380].map(|at| interval(&read, moment(at)).as_secs());
    assert_eq!(others, [15, 60]);
    unwatched.govern(Rules {
        watch: Duration::ZERO,
        ..rules(Mode::Token)
    });
    assert_eq!(apart(&unwatched, 1000), 15);
    assert_eq!(interval(&unwatched, moment(1000)), 15 * SECOND);
}
