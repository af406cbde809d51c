//! What is planned, and for when.

use super::*;

fn planned(replica: &Replica, now: u64) -> Option<(Step, Duration)> {
    let plan = replica.next(moment(now));
    plan.map(|plan| (plan.step, plan.at.saturating_sub(moment(0).boot)))
}

/// A replica whose only concern is the refresh: no check comes between.
fn unwatched(draw: f64, record: Record) -> Replica {
    let rules = Rules {
        watch: Duration::ZERO,
        ..rules(Mode::Token)
    };
    let mut replica = Replica::new(rules, true, draw);
    replica.observe(record, store_time(0), moment(0));
    replica
}

#[test]
fn each_replica_has_its_own_moment_after_half_the_life() {
    for (draw, due) in [(0.0, 3600), (0.5, 3780), (1.0, 3960)] {
        let replica = unwatched(draw, record(grant(7, 0)));
        let at = Duration::from_secs(due);
        let scheduled = Some((Step::Refresh(Reason::Scheduled), at));
        assert_eq!(planned(&replica, 1), scheduled);
    }
}

#[test]
fn what_comes_first_is_planned_a_check_or_the_refresh() {
    let mut replica = serving();
    for (checked, next) in [
        (3899, (Step::Watch, 3959)),
        (3900, (Step::Refresh(Reason::Scheduled), 3960)),
        (3901, (Step::Refresh(Reason::Scheduled), 3960)),
    ] {
        assert!(replica.noted(accepted_at(checked)));
        let at = Duration::from_secs(next.1);
        assert_eq!(planned(&replica, 3902), Some((next.0, at)), "{checked}");
    }
}

#[test]
fn an_attempt_that_does_not_come_back_is_looked_into_where_nothing_is_due_before() {
    for (lease_until, reason, at) in [
        (3000, Reason::Repair, 3002),
        (3598, Reason::Scheduled, 3600),
        (3700, Reason::Scheduled, 3600),
    ] {
        let mut leased = record(grant(7, 0));
        leased.state.lease = Some(Lease {
            nonce: Nonce(2),
            epoch: Epoch(9),
            until: store_time(lease_until),
        });
        leased.state.intent = Some(Intent {
            epoch: Epoch(9),
            begun_at: store_time(0),
            last_fetch_before: Timestamp::NEVER,
            issuer_before: Epoch(7),
            forced: false,
        });
        let replica = unwatched(0.0, leased);
        let looked_into = Some((Step::Refresh(reason), Duration::from_secs(at)));
        assert_eq!(planned(&replica, 1), looked_into, "{lease_until}");
    }
}

#[test]
fn what_is_wrong_with_the_stored_grant_is_the_reason_to_replace_it_at_once() {
    let died = |version, reported| {
        let mut record = record(grant(7, 0));
        record.state.dead = Some(Dead {
            version: Version(version),
            epoch: Epoch(7),
            reported,
        });
        record
    };
    let mut suspect = record(grant(7, 0));
    suspect.state.suspect = Some(Epoch(7));
    let mut gone = record(grant(7, 0));
    gone.grant = None;
    for (record, reason) in [
        (died(7, false), Some(Reason::Repair)),
        (died(7, true), Some(Reason::Report)),
        (died(8, true), Some(Reason::Report)),
        (suspect, Some(Reason::Repair)),
        (gone, Some(Reason::Missing)),
        (died(6, true), None),
    ] {
        let replica = unwatched(0.0, record);
        assert_eq!(step(&replica, 1), reason.map(Step::Refresh));
    }
    let mut behind = unwatched(0.0, record(grant(7, 0)));
    behind.refused(Version(7), moment(1));
    behind.observe(record(grant(6, 0)), store_time(2), moment(2));
    assert_eq!(step(&behind, 2), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn others_are_asked_by_whoever_shares_an_empty_store_and_never_served_a_grant() {
    let empty = Record::default();
    let mut used = Record::default();
    used.state.epoch = Epoch(7);
    let missing = Some(Step::Refresh(Reason::Missing));
    for (shared, record, expected) in [
        (true, &empty, Some(Step::Ask)),
        (false, &empty, missing),
        (true, &used, missing),
    ] {
        let mut replica = Replica::new(rules(Mode::Token), shared, 0.0);
        replica.observe(record.clone(), store_time(0), moment(0));
        assert_eq!(step(&replica, 0), expected);
    }
    let mut replica = serving();
    replica.refused(Version(7), moment(1));
    replica.observe(empty, store_time(2), moment(2));
    assert_eq!(step(&replica, 2), missing);
}

#[test]
fn cut_off_a_stable_token_is_checked_until_it_is_renewed_and_not_renewed_while_paused() {
    let cut_off = |record: Record| {
        let mut replica = Replica::new(rules(Mode::Stable), true, 0.0);
        replica.observe(record, store_time(0), moment(0));
        replica.store_failed(StoreTrouble::Away, moment(1));
        replica
    };
    let mut replica = cut_off(record(grant(7, 0)));
    assert_eq!(planned(&replica, 1), Some((Step::CheckCutOff, SECOND)));
    let renewed = Some((Step::RefreshAlone, 6905 * SECOND));
    replica.checked(moment(1), 2 * HOUR);
    assert_eq!(planned(&replica, 1), renewed);
    assert_eq!(planned(&replica, 6000), renewed);
    let mut paused = record(grant(7, 0));
    paused.state.pause = Pause {
        paused: true,
        changed_at: store_time(0),
    };
    let mut replica = cut_off(paused);
    replica.checked(moment(1), 2 * HOUR);
    let check = Some((Step::CheckCutOff, 7201 * SECOND));
    assert_eq!(planned(&replica, 1), check);
    assert_eq!(planned(&replica, 7200), None);
}

#[test]
fn a_store_that_forgot_a_pause_is_told_of_it_before_the_grant_goes_back() {
    let mut paused = record(grant(7, 0));
    paused.state.pause = Pause {
        paused: true,
        changed_at: store_time(0),
    };
    let mut replica = replica();
    replica.observe(paused.clone(), store_time(0), moment(0));
    replica.observe(Record::default(), store_time(10), moment(10));
    // Upstream would be asked about the grant first, and need not answer.
    let told = Some((Step::Refresh(Reason::Missing), 10 * SECOND));
    assert_eq!(planned(&replica, 10), told);
    let mut reminded = Record::default();
    reminded.state.epoch = paused.state.epoch;
    reminded.state.pause = paused.state.pause;
    replica.observe(reminded, store_time(11), moment(11));
    assert_eq!(planned(&replica, 11), Some((Step::Offer, 11 * SECOND)));
    replica.observe(paused, store_time(12), moment(12));
    assert_eq!(planned(&replica, 12), None);
}
