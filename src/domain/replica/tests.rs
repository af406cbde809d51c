//! What one replica serves and plans, as histories of readings and events.

mod alike;
mod apart;
mod doubt;
mod memory;
mod planned;
mod reading;
mod tickets;
mod told;
mod watch;

use std::time::Duration;

use super::*;
use crate::domain::budget::Budget;
use crate::domain::credential::Mode;
use crate::domain::earlier::EarlierToken;
use crate::domain::epoch::{Epoch, Nonce};
use crate::domain::protocol::{Claim, Claimed, Permit, Reason};
use crate::domain::secret::{Digest, Secret};
use crate::domain::state::{Check, Dead, Intent, Lease, Pause, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The record in which the grant of all these tests was found dead.
fn found_dead() -> Record {
    let mut record = record(grant(7, 0));
    record.state.dead = Some(Dead {
        version: Version(7),
        epoch: Epoch(7),
        reported: false,
    });
    record
}

/// A check of the grant of all these tests, claimed at this second.
fn accepted_at(second: u64) -> Check {
    Check {
        version: Version(7),
        claimed_at: store_time(second),
        verdict: Some(Verdict::Accepted),
    }
}

fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: 360 * SECOND,
        lease: 20 * SECOND,
        reconcile: 30 * SECOND,
        watch: 60 * SECOND,
        close_watch: 15 * SECOND,
        overlap: 300 * SECOND,
        timeout: 5 * SECOND,
        backoff: (SECOND, 60 * SECOND),
        budget: Budget::for_limit(2000, 24 * HOUR),
        forced_budget: Budget::for_limit(20, 24 * HOUR),
    }
}

/// The store's time `at` seconds into the story.
fn store_time(at: u64) -> Timestamp {
    Timestamp::from_micros((1_700_000_000 + at) * 1_000_000)
}

/// This machine's time `at` seconds into the story.
fn moment(at: u64) -> Moment {
    Moment {
        boot: Duration::from_secs(500 + at),
        wall: Duration::from_secs(1_700_000_900 + at),
    }
}

fn grant(version: u64, issued: u64) -> Grant {
    Grant {
        version: Version(version),
        value: Secret::new(format!("token-{version}")),
        digest: Digest::new([u8::try_from(version % 256).unwrap_or(0); 32]),
        issued_at: store_time(issued),
        expires_at: store_time(issued + 7200),
    }
}

fn record(grant: Grant) -> Record {
    let mut record = Record::default();
    record.state.epoch = grant.version.into();
    record.state.version = grant.version;
    record.grant = Some(grant);
    record
}

fn replica() -> Replica {
    Replica::new(rules(Mode::Token), true, 1.0)
}

/// A replica that has read grant 7, issued at second 0.
fn serving() -> Replica {
    let mut replica = replica();
    replica.observe(record(grant(7, 0)), store_time(0), moment(0));
    replica
}

fn served(replica: &Replica, at: u64) -> Option<Version> {
    replica
        .view(moment(at))
        .servable(moment(at))
        .map(|(grant, _)| grant.version)
}

fn step(replica: &Replica, at: u64) -> Option<Step> {
    replica
        .next(moment(at))
        .filter(|plan| plan.at <= moment(at).boot)
        .map(|plan| plan.step)
}

#[test]
fn serves_what_it_read_until_its_last_second() {
    let replica = serving();
    assert_eq!(served(&replica, 0), Some(Version(7)));
    assert_eq!(served(&replica, 7199), Some(Version(7)));
    assert_eq!(served(&replica, 7200), None);
}

#[test]
fn a_credential_that_was_dropped_does_nothing_and_is_remembered_should_it_come_back() {
    let mut replica = serving();
    replica.note(What::TakenOver, moment(0));
    replica.retire();
    let view = replica.view(moment(1));
    assert!(replica.is_retired() && view.removed);
    assert_eq!(view.history.events().count(), 1);
    replica.observe(record(grant(9, 3600)), store_time(3600), moment(3600));
    assert_eq!(served(&replica, 3600), None);
    assert_eq!(replica.next(moment(3600)), None);
    assert_eq!(replica.floor(), Version(7));
    replica.govern(rules(Mode::Token));
    assert!(!replica.is_retired());
    replica.observe(record(grant(6, 3600)), store_time(3601), moment(3601));
    assert_eq!(served(&replica, 3601), None, "never backwards");
}

#[test]
fn is_due_at_half_the_life_and_its_share_of_the_jitter() {
    let mut replica = serving();
    replica.checked(moment(0), 9 * HOUR);
    let plan = replica.next(moment(1)).map(|plan| (plan.step, plan.at));
    let due = moment(3600 + 360).boot;
    assert_eq!(plan, Some((Step::Refresh(Reason::Scheduled), due)));
}

#[test]
fn reading_the_store_again_does_not_put_a_refresh_off() {
    let mut replica = serving();
    for at in (3500..=3960).step_by(20) {
        replica.checked(moment(at), 9 * HOUR);
        replica.observe(record(grant(7, 0)), store_time(at), moment(at));
    }
    assert_eq!(step(&replica, 3960), Some(Step::Refresh(Reason::Scheduled)));
}

#[test]
fn a_check_that_was_noted_puts_the_next_one_off_as_a_reading_of_it_does() {
    let (mut noted, mut read) = (serving(), serving());
    for replica in [&noted, &read] {
        assert_eq!(step(replica, 60), Some(Step::Watch));
    }
    assert!(noted.noted(accepted_at(60)));
    let mut checked = record(grant(7, 0));
    checked.state.check = accepted_at(60);
    read.observe(checked, store_time(61), moment(61));
    assert_eq!(noted.next(moment(61)), read.next(moment(61)));
    let check = |replica: &Replica| replica.record().map(|(record, _)| record.state.check);
    assert_eq!(check(&noted), check(&read));
    assert_eq!(step(&noted, 119), None);
    assert_eq!(step(&noted, 120), Some(Step::Watch));
}

#[test]
fn a_check_of_a_token_that_is_not_held_leaves_the_record_to_be_read() {
    let mut replica = serving();
    replica.refused(Version(7), moment(30));
    assert!(!replica.noted(accepted_at(60)));
}

#[test]
fn a_check_under_way_will_do_without_a_reading_and_one_that_found_it_dead_will_not() {
    let check = |verdict| Check {
        verdict,
        ..accepted_at(60)
    };
    let mut replica = serving();
    assert!(!replica.noted(check(Some(Verdict::Refused))));
    assert_eq!(step(&replica, 60), Some(Step::Watch));
    for told in [None, Some(Verdict::Inconclusive)] {
        let mut replica = replica.clone();
        assert!(replica.noted(check(told)));
        assert_eq!(step(&replica, 119), None, "{told:?}");
        assert_eq!(step(&replica, 120), Some(Step::Watch), "{told:?}");
    }
}

#[test]
fn never_serves_a_lower_version_again() {
    let mut replica = serving();
    replica.observe(record(grant(6, 0)), store_time(1), moment(1));
    assert_eq!(served(&replica, 1), Some(Version(7)));
    replica.refused(Version(7), moment(2));
    replica.observe(record(grant(6, 0)), store_time(3), moment(3));
    assert_eq!(served(&replica, 3), None, "the floor stays");
    assert_eq!(step(&replica, 3), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn takes_over_what_another_replica_fetched() {
    let mut replica = serving();
    replica.observe(record(grant(9, 3600)), store_time(3600), moment(3600));
    assert_eq!(served(&replica, 3600), Some(Version(9)));
}

#[test]
fn stops_serving_what_the_store_says_is_dead_and_repairs_it() {
    let mut replica = serving();
    assert_eq!(
        replica.observe(found_dead(), store_time(60), moment(60)),
        Some(Version(7))
    );
    assert_eq!(served(&replica, 60), None);
    assert_eq!(step(&replica, 60), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn a_suspect_is_served_and_due_now() {
    let mut replica = serving();
    let mut suspect = record(grant(7, 0));
    suspect.state.suspect = Some(Epoch(7));
    replica.observe(suspect, store_time(60), moment(60));
    assert_eq!(served(&replica, 60), Some(Version(7)));
    assert_eq!(step(&replica, 60), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn an_intent_whose_holder_is_gone_is_looked_into_though_nothing_is_due() {
    let mut replica = serving();
    let mut leased = record(grant(7, 0));
    leased.state.lease = Some(Lease {
        nonce: Nonce(2),
        epoch: Epoch(9),
        until: store_time(80),
    });
    leased.state.intent = Some(Intent {
        epoch: Epoch(9),
        begun_at: store_time(60),
        last_fetch_before: Timestamp::NEVER,
        issuer_before: Epoch(7),
        forced: false,
    });
    leased.state.check = Check {
        version: Version(7),
        claimed_at: store_time(60),
        verdict: None,
    };
    replica.observe(leased.clone(), store_time(61), moment(61));
    let looked_into = Some(Plan {
        at: moment(82).boot,
        step: Step::Refresh(Reason::Repair),
    });
    assert_eq!(replica.next(moment(61)), looked_into);
    leased.state.lease = None;
    replica.observe(leased, store_time(70), moment(70));
    assert_eq!(replica.next(moment(70)), looked_into);
}

#[test]
fn another_token_under_its_version_is_told_once_and_then_repaired() {
    let mut replica = serving();
    let mut other = record(Grant {
        digest: Digest::new([99; 32]),
        ..grant(7, 0)
    });
    replica.observe(other.clone(), store_time(30), moment(30));
    assert_eq!(step(&replica, 30), Some(Step::Suspect));
    other.state.suspect = Some(Epoch(7));
    replica.observe(other, store_time(31), moment(31));
    assert_eq!(step(&replica, 31), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn paused_it_neither_fetches_nor_watches() {
    let mut replica = serving();
    let mut paused = record(grant(7, 0));
    paused.state.pause = Pause {
        paused: true,
        changed_at: store_time(60),
    };
    replica.observe(paused, store_time(60), moment(60));
    assert_eq!(replica.next(moment(7000)), None);
    assert_eq!(served(&replica, 7000), Some(Version(7)));
    assert_eq!(replica.view(moment(7300)).why_not, WhyNot::Paused);
    assert!(replica.is_paused() && !serving().is_paused());
}

#[test]
fn a_store_that_forgot_the_pause_is_told() {
    let mut replica = serving();
    let mut paused = record(grant(7, 0));
    paused.state.pause = Pause {
        paused: true,
        changed_at: store_time(60),
    };
    replica.observe(paused.clone(), store_time(60), moment(60));
    replica.observe(Record::default(), store_time(7300), moment(7300));
    let tell = Some(Step::Refresh(Reason::Missing));
    assert_eq!(step(&replica, 7300), tell);
    assert!(replica.memory(moment(7300)).pause.paused);
    replica.observe(paused, store_time(7301), moment(7301));
    assert_eq!(replica.next(moment(7301)), None);
}

#[test]
fn spacing_is_not_waited_for_once_the_grant_is_gone() {
    let mut replica = serving();
    replica.checked(moment(7000), HOUR);
    replica.block(BlockedBy::Spacing, moment(7000), HOUR);
    let mut gone = record(grant(7, 0));
    gone.grant = None;
    assert_eq!(step(&replica, 7150), None);
    replica.observe(gone, store_time(7150), moment(7150));
    assert_eq!(step(&replica, 7150), Some(Step::Refresh(Reason::Missing)));
}

#[test]
fn a_stale_answer_of_the_store_changes_nothing() {
    let mut replica = serving();
    replica.observe(record(grant(9, 3600)), store_time(3601), moment(3601));
    replica.observe(record(grant(7, 0)), store_time(3600), moment(3600));
    assert_ne!(step(&replica, 3601), Some(Step::Offer));
}

#[test]
fn waits_where_it_was_told_to_until_something_changes() {
    let mut replica = serving();
    let mut suspect = record(grant(7, 0));
    suspect.state.suspect = Some(Epoch(7));
    replica.observe(suspect.clone(), store_time(60), moment(60));
    replica.block(BlockedBy::Busy, moment(60), 20 * SECOND);
    replica.checked(moment(60), HOUR);
    assert_eq!(step(&replica, 61), None);
    suspect.state.dead = Some(Dead {
        version: Version(7),
        epoch: Epoch(7),
        reported: false,
    });
    replica.observe(suspect, store_time(62), moment(62));
    assert_eq!(step(&replica, 62), Some(Step::Refresh(Reason::Repair)));
}

#[test]
fn waits_for_nothing_once_the_stored_grant_has_run_out() {
    let mut replica = serving();
    replica.block(BlockedBy::Spacing, moment(7000), 360 * SECOND);
    for (at, by) in [(7359, Some(BlockedBy::Spacing)), (7360, None)] {
        assert_eq!(replica.blocked(moment(at)).map(|it| it.by), by, "{at}");
    }
    let mut gone = record(grant(7, 0));
    gone.grant = None;
    replica.observe(gone, store_time(7141), moment(7141));
    assert_eq!(step(&replica, 7141), Some(Step::Refresh(Reason::Missing)));
}

#[test]
fn a_stable_token_is_fetched_alone_while_the_store_is_away() {
    let mut replica = Replica::new(rules(Mode::Stable), true, 0.0);
    replica.store_failed(StoreTrouble::Away, moment(0));
    assert_eq!(step(&replica, 0), Some(Step::RefreshAlone));
    let version = replica.begin_alone(false, moment(0));
    assert!(version.is_ok_and(|version| version.0 >= 1_700_000_900_000_000));
    replica.keep_pending(grant(7, 0), moment(7200), None, moment(0));
    replica.checked(moment(0), HOUR);
    assert_eq!(step(&replica, 6000), Some(Step::CheckCutOff));
    replica.checked(moment(6000), HOUR);
    assert_eq!(step(&replica, 7000), Some(Step::RefreshAlone));
}
