//! What a refresh does with each answer of the store, and how often it asks for one.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{LIFE, MINUTE, SECOND, Scene, away, error, granted, token};
use crate::domain::credential::Mode;
use crate::domain::grant::Grant;
use crate::domain::history::What;
use crate::domain::protocol::Reason;
use crate::domain::replica::{BlockedBy, Step};
use crate::domain::upstream_error::ErrorClass;
use crate::ports::{Clock as _, Fetched, StoreError};
use crate::refresher::{EARLY, StepEnd};

fn refused() -> StoreError {
    StoreError::Refused(String::from("no memory"))
}

/// What blocks the step; what it waits for is told apart.
fn blocked(end: StepEnd) -> Option<BlockedBy> {
    match end {
        StepEnd::Blocked(by, _) => Some(by),
        StepEnd::Done => None,
    }
}

#[tokio::test]
async fn who_asks_a_moment_too_early_asks_again_soon() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    for reason in [Reason::Scheduled, Reason::Repair] {
        let end = scene.refresher.refresh(scene.id(), reason).await;
        assert_eq!(
            end,
            StepEnd::Blocked(BlockedBy::Spacing, EARLY),
            "{reason:?}"
        );
    }
    let end = scene.refresher.refresh(scene.id(), Reason::Missing).await;
    assert_eq!(end, StepEnd::Done);
}

#[tokio::test]
async fn who_finds_a_grant_that_is_new_to_it_takes_it_and_is_done() {
    let (scene, other) = (Scene::new(Mode::Token), Scene::new(Mode::Token));
    other.serves(1).await;
    let record = other.stored();
    scene.store.edit(&scene.subject(), |mine, _| *mine = record);
    let end = scene.refresher.refresh(scene.id(), Reason::Scheduled).await;
    assert_eq!((end, scene.served()), (StepEnd::Done, Some(1)));
}

#[tokio::test]
async fn a_lease_that_one_machine_knows_of_is_given_back_as_long_as_there_is_time() {
    // A lease lives for 20 s: with more than two left to serve, somebody asks again later.
    for (left, fetched) in [(41, 1), (40, 2)] {
        let scene = Scene::new(Mode::Token);
        scene.serves(1).await;
        scene.clock.advance(LIFE - Duration::from_secs(left));
        scene.store.confirms(false);
        scene.upstream.issues(granted(2));
        let end = scene.refresher.refresh(scene.id(), Reason::Scheduled).await;
        assert_eq!(scene.upstream.fetches().len(), fetched, "{left} s are left");
        if fetched == 1 {
            assert_eq!(blocked(end), Some(BlockedBy::Unconfirmed));
            assert_eq!(scene.stored().state.lease, None);
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_under_a_lease_that_is_shorter_than_a_call() {
    // 20 s, of which a call may take 5.
    for (took, fetched) in [(15, 1), (16, 0)] {
        let scene = Scene::new(Mode::Token);
        scene.store.takes("begin", Duration::from_secs(took));
        scene.upstream.issues(granted(1));
        // The store's clock goes as fast as ours: a lease that was granted at the end of the call is whole.
        let begun = scene.refresher.refresh(scene.id(), Reason::Missing).await;
        assert_eq!(
            scene.upstream.fetches().len(),
            fetched,
            "begin took {took} s"
        );
        if fetched == 0 {
            assert_eq!(blocked(begun), Some(BlockedBy::LeaseTooShort));
            assert_eq!(scene.stored().state.lease, None);
        }
    }
}

#[tokio::test]
async fn each_change_is_sent_twice_where_the_store_is_away_and_once_where_it_refuses() {
    let of = |error: fn() -> StoreError, times: usize| {
        move |scene: &Scene, call| {
            (0..times).for_each(|_| scene.store.fails(call, error()));
        }
    };
    for (call, reply) in [
        ("begin", granted(1)),
        ("commit", granted(1)),
        ("fail", Fetched::Refused(error(-1))),
        ("release", Fetched::NotSent(String::from("no route"))),
    ] {
        for (fails, sent) in [
            (of(away, 0), 1),
            (of(away, 1), 2),
            (of(away, 2), 2),
            (of(refused, 1), 1),
        ] {
            let scene = Scene::new(Mode::Token);
            fails(&scene, call);
            scene.upstream.issues(reply.clone());
            scene.refresher.refresh(scene.id(), Reason::Missing).await;
            assert_eq!(scene.store.count(call), sent, "{call}");
        }
    }
}

#[tokio::test]
async fn what_came_too_late_to_be_stored_is_told_and_not_served() {
    let scene = Scene::new(Mode::Token);
    let (store, of) = (Arc::clone(&scene.store), scene.subject());
    scene.upstream.meanwhile(move || {
        store.edit(&of, |record, _| record.state.lease = None);
    });
    scene.upstream.issues(granted(1));
    let end = scene.refresher.refresh(scene.id(), Reason::Missing).await;
    assert_eq!((end, scene.served()), (StepEnd::Done, None));
    assert_eq!(scene.happened(), [(What::Overlapped, 1)]);
    assert_eq!(scene.lines("two fetches overlapped"), 1);
    assert_eq!(scene.counted("overlaps_detected_total"), 1.0);
}

#[tokio::test]
async fn what_cannot_be_stored_is_served_and_kept_to_be_offered() {
    let scene = Scene::new(Mode::Token);
    scene.store.fails("commit", refused());
    scene.upstream.issues(granted(1));
    let end = scene.refresher.refresh(scene.id(), Reason::Missing).await;
    assert_eq!(blocked(end), Some(BlockedBy::StoreAway));
    assert_eq!(scene.served(), Some(1));
    assert_eq!(scene.happened(), [(What::Unstored(Reason::Missing), 1)]);
    assert_eq!(scene.lines("the fetched token cannot be stored"), 1);
    assert_eq!(scene.counted("pending_total"), 1.0);
    assert!(scene.is_to_look_again().await);

    assert_eq!(scene.refresher.offer(scene.id()).await, StepEnd::Done);
    assert_eq!(scene.lines("the pending token is stored now"), 1);
    assert!(scene.stored().grant.is_some());
}

#[tokio::test]
async fn what_upstream_says_of_a_fetch_is_kept_for_people() {
    let unclear = Fetched::Ambiguous(String::from("no answer"));
    let not_sent = Fetched::NotSent(String::from("no route"));
    for (reply, by, what, line) in [
        (
            Fetched::Refused(error(-1)),
            BlockedBy::CoolingDown(ErrorClass::Busy),
            What::Refused(Reason::Missing, Box::new(error(-1))),
            "errmsg=\"no\"",
        ),
        (
            not_sent,
            BlockedBy::UpstreamAway,
            What::NotSent(Reason::Missing),
            "not fetched",
        ),
        (
            unclear,
            BlockedBy::CoolingDown(ErrorClass::Unclear),
            What::Unclear(Reason::Missing),
            "nobody knows whether",
        ),
    ] {
        let scene = Scene::new(Mode::Token);
        scene.upstream.issues(reply);
        let end = scene.refresher.refresh(scene.id(), Reason::Missing).await;
        assert_eq!(blocked(end), Some(by));
        assert_eq!(scene.happened(), [(what, 1)]);
        assert_eq!(scene.lines(line), 1, "{line}");
    }
}

/// Token 1 again, with a little less of a life than the first has left three minutes before its end.
fn shorter() -> Fetched {
    let (value, digest) = token(1);
    let life = MINUTE * 3 - SECOND;
    Fetched::Granted {
        value,
        digest,
        life,
    }
}

#[tokio::test]
async fn of_two_expiries_of_a_stable_token_the_later_one_is_served_by() {
    let scene = Scene::new(Mode::Stable);
    scene.serves(1).await;
    scene.clock.advance(LIFE - MINUTE * 3);
    scene.upstream.issues(shorter());
    // The reading would tell as well.
    scene.store.fails("read", away());
    scene.refresher.refresh(scene.id(), Reason::Scheduled).await;
    let now = scene.clock.now();
    let publisher = &scene.refresher.publisher;
    let served = publisher.inspect(scene.id(), |replica| replica.live(now).cloned());
    let expiry = |grant: Option<Grant>| grant.map(|grant| grant.expires_at);
    assert_eq!(expiry(served), expiry(scene.stored().grant));
}

#[tokio::test]
async fn a_stable_token_that_is_due_and_comes_back_the_same_is_asked_for_again_later() {
    let scene = Scene::new(Mode::Stable);
    scene.serves(1).await;
    scene.clock.advance(LIFE - MINUTE * 3);
    scene.upstream.issues(shorter());
    let end = scene.refresher.refresh(scene.id(), Reason::Scheduled).await;
    assert_eq!(blocked(end), Some(BlockedBy::NotRenewed));
    assert_eq!(scene.happened()[0], (What::NotRenewed, 1));
    assert_eq!(scene.lines("has not renewed the stable token yet"), 1);

    scene.clock.advance(MINUTE);
    scene.upstream.issues(granted(1));
    let end = scene.refresher.refresh(scene.id(), Reason::Scheduled).await;
    assert_eq!(end, StepEnd::Done, "it lives for two hours again");
}

#[tokio::test]
async fn what_a_fetch_spent_is_remembered_where_the_store_cannot_be_read_any_more() {
    for (reply, spends, issues) in [
        (granted(1), true, true),
        (Fetched::Refused(error(-1)), true, false),
        (Fetched::Ambiguous(String::from("no answer")), true, true),
        (Fetched::NotSent(String::from("no route")), false, false),
    ] {
        let scene = Scene::new(Mode::Token);
        let memory = || {
            let now = scene.clock.now();
            let publisher = &scene.refresher.publisher;
            publisher.inspect(scene.id(), |replica| replica.memory(now))
        };
        let before = memory();
        scene.store.fails("commit", refused());
        scene.store.fails("read", away());
        scene.upstream.issues(reply.clone());
        scene.refresher.refresh(scene.id(), Reason::Missing).await;
        let after = memory();
        assert_eq!(after.budget > before.budget, spends, "{reply:?}");
        assert_eq!(after.last_fetch > before.last_fetch, issues, "{reply:?}");
    }
}

#[tokio::test]
async fn a_span_says_of_a_refresh_how_it_ended_and_there_is_none_of_a_look() {
    let scene = Scene::new(Mode::Token);
    let refresh = Step::Refresh(Reason::Missing);
    scene
        .upstream
        .issues(Fetched::NotSent(String::from("no route")));
    scene.refresher.step(scene.id(), refresh).await;
    assert_eq!(scene.lines("outcome=\"upstream_away\""), 1);
    assert!(scene.lines("fetch{") > 0 && scene.lines("outcome=\"not_sent\"") > 0);

    scene.upstream.issues(Fetched::Refused(error(-1)));
    scene.refresher.step(scene.id(), refresh).await;
    assert!(scene.lines("errcode=-1}") > 0, "the fetch's own span");
    scene.clock.advance(MINUTE);

    scene.upstream.issues(granted(1));
    scene.refresher.step(scene.id(), refresh).await;
    let version = scene.stored().state.version;
    let done = format!("version={} outcome=\"done\"", version.0);
    assert_eq!(scene.lines(&done), 1, "{done}");

    let before = scene.lines("refresh{");
    scene.refresher.step(scene.id(), Step::Watch).await;
    assert_eq!(scene.lines("refresh{"), before);
}
