//! Pausing an app: its tickets first, its access token last, which says for the app whether it is paused.

use super::scene::{Scene, away};
use crate::domain::replica::Replica;

fn paused(scene: &Scene) -> Vec<bool> {
    let publisher = &scene.refresher.publisher;
    let is_paused = |id| publisher.inspect(id, Replica::is_paused);
    scene.ids.iter().copied().map(is_paused).collect()
}

#[tokio::test]
async fn an_app_is_paused_and_resumed_with_its_tickets_and_known_to_be() {
    let scene = Scene::with_a_ticket();
    scene.serves(1).await;
    for pauses in [true, false] {
        let done = scene.refresher.set_pause(scene.id(), pauses).await;
        assert_eq!(done, Ok(()));
        assert_eq!(paused(&scene), [pauses, pauses]);
    }
}

#[tokio::test]
async fn where_the_store_does_not_answer_the_app_is_as_it_was() {
    let scene = Scene::with_a_ticket();
    scene.serves(1).await;
    scene.store.fails("set_pause", away());
    let done = scene.refresher.set_pause(scene.id(), true).await;
    assert_eq!(done, Err(away()));
    assert_eq!(scene.store.count("set_pause"), 1, "the token comes last");
    assert_eq!(paused(&scene), [false, false]);
}
