//! What a replica tells those who ask, and the words for it.

use super::*;

#[test]
fn what_it_holds_ends_by_the_boot_clock_and_goes_back_while_the_store_would_keep_it() {
    let replica = serving();
    assert_eq!(replica.expires(moment(60)), Some(moment(7200).boot));
    for (at, kept) in [(7139, true), (7140, false)] {
        assert_eq!(replica.put_back(moment(at)).is_some(), kept, "{at}");
        let memory = replica.memory(moment(at));
        assert_eq!((memory.version, memory.live), (Version(7), kept));
    }
    assert_eq!(replica.expires(moment(7200)), None);
}

#[test]
fn tells_people_what_it_read_and_what_happened() {
    let mut replica = replica();
    assert_eq!(replica.record(), None);
    let read = record(grant(7, 0));
    replica.observe(read.clone(), store_time(0), moment(0));
    assert_eq!(replica.record(), Some((&read, store_time(0))));
    replica.note(What::TakenOver, moment(1));
    let history = replica.view(moment(2)).history;
    let events: Vec<_> = history.events().map(|event| event.last).collect();
    assert_eq!(events, [moment(1).wall]);
}

#[test]
fn each_thing_that_it_waits_for_has_its_word() {
    let words = [
        (BlockedBy::Busy, "busy"),
        (BlockedBy::CoolingDown(ErrorClass::Busy), "cooldown"),
        (BlockedBy::Spacing, "spacing"),
        (BlockedBy::BudgetSpent, "budget_spent"),
        (BlockedBy::Paused, "paused"),
        (BlockedBy::Behind, "behind"),
        (BlockedBy::StoreAway, "store_away"),
        (BlockedBy::Unconfirmed, "unconfirmed"),
        (BlockedBy::LeaseTooShort, "lease_too_short"),
        (BlockedBy::UpstreamAway, "upstream_away"),
        (BlockedBy::NotRenewed, "not_renewed"),
        (BlockedBy::NoAccessToken, "no_access_token"),
    ];
    for (by, word) in words {
        assert_eq!(by.as_str(), word);
    }
}

#[test]
fn where_nothing_is_servable_it_says_why() {
    let refused = BlockedBy::CoolingDown;
    for (by, why) in [
        (refused(ErrorClass::Busy), WhyNot::UpstreamAway),
        (refused(ErrorClass::Unclear), WhyNot::UpstreamAway),
        (BlockedBy::UpstreamAway, WhyNot::UpstreamAway),
        (refused(ErrorClass::TokenRefused), WhyNot::Starting),
        (
            refused(ErrorClass::Forbidden),
            WhyNot::UpstreamRefuses(ErrorClass::Forbidden),
        ),
        (BlockedBy::BudgetSpent, WhyNot::BudgetSpent),
        (BlockedBy::Paused, WhyNot::Paused),
        (BlockedBy::StoreAway, WhyNot::StoreAway),
        (BlockedBy::Unconfirmed, WhyNot::StoreAway),
        (BlockedBy::Busy, WhyNot::Starting),
    ] {
        let mut replica = replica();
        replica.block(by, moment(0), HOUR);
        let view = replica.view(moment(1));
        assert_eq!(view.why_not, why, "{by:?}");
        assert_eq!(view.blocked, Some((by, moment(3600).boot)));
    }
    for (trouble, why) in [
        (StoreTrouble::Away, WhyNot::StoreAway),
        (StoreTrouble::Refused, WhyNot::StoreAway),
        (StoreTrouble::Foreign, WhyNot::StoreUnusable),
        (StoreTrouble::Unreadable, WhyNot::StoreUnusable),
    ] {
        let mut replica = replica();
        replica.store_failed(trouble, moment(0));
        let view = replica.view(moment(0));
        assert_eq!((view.why_not, view.trouble), (why, Some(trouble)));
    }
}

#[test]
fn whoever_gets_nothing_is_told_to_come_again_when_something_is_planned_or_after_an_interval() {
    let mut replica = replica();
    let retry_at = |replica: &Replica| replica.view(moment(1)).retry_at;
    assert_eq!(retry_at(&replica), moment(31).boot);
    replica.observe(Record::default(), store_time(0), moment(0));
    replica.asked(moment(1));
    assert_eq!(retry_at(&replica), moment(1).boot + ASK_WAIT);
}

#[test]
fn answers_are_given_for_two_intervals_after_the_latest_attempt_to_hear_of_the_grant() {
    let until = |replica: &Replica| {
        let view = replica.view(moment(100));
        (view.vouched_until, view.answer_until)
    };
    let mut replica = serving();
    replica.accepted(Version(6), moment(30));
    assert_eq!(until(&replica), (moment(60), moment(90)), "not of this one");
    replica.accepted(Version(7), moment(40));
    assert_eq!(until(&replica), (moment(100), moment(100)));
    replica.check_failed(moment(50));
    assert_eq!(until(&replica), (moment(100), moment(110)));
    replica.committed(grant(8, 60), moment(7260), moment(60));
    assert_eq!(until(&replica), (moment(120), moment(120)));
}

#[test]
fn an_attempt_that_ends_late_takes_nothing_back_of_what_a_later_one_said() {
    // Sent before the process stood still; meanwhile, by its clock, another was made.
    let late: [fn(&mut Replica); 4] = [
        |replica| replica.accepted(Version(7), moment(10)),
        |replica| replica.check_failed(moment(10)),
        |replica| replica.store_failed(StoreTrouble::Away, moment(10)),
        |replica| {
            // The store's clock went on by itself.
            replica.observe(record(grant(7, 0)), store_time(50), moment(10));
        },
    ];
    for end in late {
        let mut replica = serving();
        replica.accepted(Version(7), moment(40));
        end(&mut replica);
        let view = replica.view(moment(50));
        assert!(view.may_answer(moment(99)) && view.is_vouched(moment(99)));
        replica.check_failed(moment(60));
        end(&mut replica);
        assert!(replica.view(moment(61)).may_answer(moment(119)));
    }
}

#[test]
fn an_attempt_to_reach_a_store_that_is_away_is_over_with_the_check_of_what_can_be_checked() {
    let may_answer = |replica: &Replica| replica.view(moment(3600)).may_answer(moment(3600));
    let mut nothing = replica();
    nothing.store_failed(StoreTrouble::Away, moment(3600));
    assert!(may_answer(&nothing));
    let mut replica = serving();
    replica.store_failed(StoreTrouble::Away, moment(3600));
    assert!(!may_answer(&replica));
    replica.check_failed(moment(3600));
    assert!(may_answer(&replica));
}
