//! What is read of the store, and what a part of it that is away means.

use super::scene::{LIFE, SECOND, Scene, away, granted};
use crate::domain::credential::Mode;
use crate::domain::history::What;
use crate::domain::protocol::Reason;
use crate::ports::StoreError;
use crate::refresher::{BATCH, STOOD_STILL};

#[tokio::test]
async fn what_another_replica_fetched_is_taken_over_once() {
    let scene = Scene::new(Mode::Token);
    let other = Scene::new(Mode::Token);
    other.serves(1).await;
    let record = other
        .store
        .edit(&other.subject(), |record, _| record.clone());
    scene.store.edit(&scene.subject(), |mine, _| *mine = record);

    scene.refresher.read(scene.id()).await;
    scene.refresher.read(scene.id()).await;

    assert_eq!(scene.happened(), [(What::TakenOver, 1)]);
}

#[tokio::test]
async fn an_empty_store_brings_nothing_to_take_over() {
    let scene = Scene::new(Mode::Token);
    scene.refresher.read(scene.id()).await;
    assert_eq!(scene.happened(), []);
}

#[tokio::test]
async fn a_part_of_the_store_that_is_away_is_away_for_all_that_is_read_at_once() {
    let scene = Scene::of(2, Mode::Token);
    for away_for in [0, 1] {
        let of = scene.refresher.publisher.subject(scene.ids[away_for]);
        scene.store.breaks(&of, Some(away()));
        assert!(!scene.refresher.read_many(&scene.ids).await);
        assert!(scene.is_to_look_again().await);
        scene.store.breaks(&of, None);
        assert!(scene.refresher.read_many(&scene.ids).await);
        assert!(!scene.is_to_look_again().await, "nothing is wrong any more");
    }
}

#[tokio::test]
async fn a_record_that_nobody_can_read_is_told_and_keeps_nobody_waiting() {
    let scene = Scene::new(Mode::Token);
    let damaged = StoreError::Unreadable(String::from("no number"));
    scene.store.breaks(&scene.subject(), Some(damaged));
    assert!(scene.refresher.read_many(&scene.ids).await);
    assert!(!scene.is_to_look_again().await);
    assert_eq!(scene.lines("the record of this app cannot be used"), 1);
}

#[tokio::test]
async fn one_batch_that_is_away_is_enough() {
    let scene = Scene::of(BATCH + 1, Mode::Token);
    scene.store.fails("read", away());
    assert!(!scene.refresher.read_in_batches(&scene.ids).await);
    assert_eq!(scene.store.count("read"), 2);
    assert!(scene.refresher.read_in_batches(&scene.ids).await);
}

#[tokio::test]
async fn a_request_that_waits_has_upstream_asked_only_where_nothing_else_tells_of_the_grant() {
    let scene = Scene::new(Mode::Token);
    scene.refresher.attend(scene.id()).await;
    assert_eq!(scene.upstream.checks(), 0, "there is no grant");

    scene.serves(1).await;
    scene.refresher.attend(scene.id()).await;
    assert_eq!(scene.upstream.checks(), 0, "the store tells of it");

    scene.clock.advance(LIFE / 4);
    scene.store.fails("read", away());
    scene.refresher.attend(scene.id()).await;
    assert_eq!(scene.upstream.checks(), 1);
}

#[tokio::test]
async fn a_reading_in_which_the_machine_stood_still_is_made_once_more() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    let almost = STOOD_STILL.saturating_sub(SECOND);
    for (takes, readings) in [(almost, 1), (STOOD_STILL, 2), (STOOD_STILL + SECOND, 2)] {
        let before = scene.store.count("read");
        scene.store.takes("read", takes);
        scene.refresher.read(scene.id()).await;
        assert_eq!(scene.store.count("read") - before, readings, "{takes:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_found_dead_is_kept_in_mind_for_people() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    scene.upstream.refuses();
    scene.refresher.watch(scene.id()).await;
    let died = What::Died { foreign: true };
    assert_eq!(
        scene.happened(),
        [(died, 1), (What::Refreshed(Reason::Missing), 1)]
    );
    assert_eq!(scene.counted("deaths_total"), 1.0);
    assert_eq!(scene.counted("foreign_invalidations_total"), 1.0);
    scene.upstream.issues(granted(2));
    scene.refresher.refresh(scene.id(), Reason::Repair).await;
    assert_eq!(scene.happened()[0].0, What::Refreshed(Reason::Repair));
}
