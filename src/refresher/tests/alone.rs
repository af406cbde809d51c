//! A stable token without the store.

use super::scene::{LIFE, Scene, away, error, granted};
use crate::domain::credential::Mode;
use crate::domain::history::What;
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;
use crate::domain::upstream_error::ErrorClass;
use crate::ports::{Clock as _, Fetched};
use crate::refresher::StepEnd;

/// A replica that serves token 1, to which the store does not answer.
async fn cut_off() -> Scene {
    let scene = Scene::new(Mode::Stable);
    scene.serves(1).await;
    scene.store.fails("read", away());
    scene.refresher.read(scene.id()).await;
    scene
}

#[tokio::test]
async fn what_is_fetched_is_served_for_its_life_and_offered_when_the_store_is_back() {
    let scene = cut_off().await;
    scene.upstream.issues(granted(2));
    let end = scene.refresher.refresh_alone(scene.id()).await;
    assert_eq!((end, scene.served()), (StepEnd::Done, Some(2)));
    let now = scene.clock.now();
    let of = scene.refresher.publisher.inspect(scene.id(), |replica| {
        let grant = replica.live(now).cloned();
        grant.map(|grant| (grant.life(), replica.expires(now)))
    });
    assert_eq!(of, Some((LIFE, Some(now.boot + LIFE))));
    assert_eq!(scene.happened()[0], (What::Unstored(Reason::Scheduled), 1));
    assert_eq!(scene.lines("fetched without the store"), 1);
}

#[tokio::test]
async fn a_refused_token_that_comes_back_the_same_is_asked_for_by_force() {
    let scene = cut_off().await;
    scene.upstream.refuses();
    scene.refresher.check_cut_off(scene.id()).await;
    assert_eq!(scene.served(), None);

    scene.upstream.issues(granted(1));
    scene.upstream.issues(granted(2));
    let end = scene.refresher.refresh_alone(scene.id()).await;
    assert_eq!((end, scene.served()), (StepEnd::Done, Some(2)));
    assert_eq!(scene.upstream.fetches(), [false, false, true]);
}

#[tokio::test]
async fn a_refused_token_that_force_does_not_replace_is_asked_for_later() {
    let scene = cut_off().await;
    scene.upstream.refuses();
    scene.refresher.check_cut_off(scene.id()).await;

    scene.upstream.issues(granted(1));
    scene.upstream.issues(granted(1));
    let end = scene.refresher.refresh_alone(scene.id()).await;
    assert!(matches!(end, StepEnd::Blocked(BlockedBy::NotRenewed, _)));
    assert_eq!(scene.served(), None);
}

#[tokio::test]
async fn what_upstream_says_is_kept_for_people_and_waited_for() {
    for (reply, by, what) in [
        (
            Fetched::Refused(error(-1)),
            BlockedBy::CoolingDown(ErrorClass::Busy),
            What::Refused(Reason::Scheduled, Box::new(error(-1))),
        ),
        (
            Fetched::NotSent(String::from("no route")),
            BlockedBy::UpstreamAway,
            What::NotSent(Reason::Scheduled),
        ),
    ] {
        let scene = cut_off().await;
        scene.upstream.issues(reply);
        let end = scene.refresher.refresh_alone(scene.id()).await;
        assert!(
            matches!(end, StepEnd::Blocked(blocked, _) if blocked == by),
            "{end:?}"
        );
        assert_eq!(scene.happened()[0], (what, 1));
        assert_eq!(scene.served(), Some(1));
    }
}
