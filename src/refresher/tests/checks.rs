//! What follows a check.

use std::time::Duration;

use super::scene::{SECOND, Scene, away, error, token};
use crate::domain::credential::Mode;
use crate::ports::{Checked, Clock as _};
use crate::refresher::{Report, ReportVerdict};

fn report(number: u8) -> Report {
    Report {
        token: token(number).1,
        seen: None,
    }
}

#[tokio::test]
async fn a_check_that_the_store_took_note_of_needs_no_reading_and_any_other_does() {
    let refused = || Checked::Refused(error(40001));
    for (answers, judges, reads) in [
        (vec![Checked::Accepted], true, 0),
        (vec![Checked::Accepted], false, 1),
        (vec![refused(), refused()], true, 1),
        (vec![Checked::Away(String::from("no answer"))], true, 1),
    ] {
        let scene = Scene::new(Mode::Token);
        scene.serves(1).await;
        let before = scene.store.count("read");
        if !judges {
            scene.store.fails("judge", away());
        }
        scene.upstream.judges(answers.clone());
        scene.refresher.watch(scene.id()).await;
        assert_eq!(
            scene.store.count("read") - before,
            reads,
            "{answers:?} {judges}"
        );
    }
}

/// The store's word on the app's dead token: whether it was reported.
fn reported(scene: &Scene) -> Option<bool> {
    scene.stored().state.dead.map(|dead| dead.reported)
}

#[tokio::test]
async fn the_store_knows_whether_somebody_reported_what_was_found_dead() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    scene.upstream.refuses();
    scene.refresher.watch(scene.id()).await;
    assert_eq!(reported(&scene), Some(false));

    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    scene.upstream.refuses();
    let verdict = scene.refresher.report(scene.id(), report(1)).await;
    assert_eq!(verdict, ReportVerdict::Refused);
    assert_eq!(reported(&scene), Some(true));
    assert_eq!(scene.served(), None);
}

#[tokio::test]
async fn an_accepted_token_is_vouched_for_from_the_check_on_and_no_other_answer_vouches() {
    let inconclusive = Checked::Away(String::from("no answer"));
    for (answer, later) in [
        (Checked::Accepted, SECOND * 20),
        (inconclusive, Duration::ZERO),
    ] {
        let scene = Scene::new(Mode::Token);
        scene.serves(1).await;
        let vouched_until = || {
            let now = scene.clock.now();
            let publisher = &scene.refresher.publisher;
            publisher.inspect(scene.id(), |replica| replica.view(now).vouched_until.boot)
        };
        let before = vouched_until();
        scene.clock.advance(SECOND * 20);
        // A reading would vouch as well.
        scene.store.fails("read", away());
        scene.upstream.judges([answer]);
        scene.refresher.watch(scene.id()).await;
        assert_eq!(vouched_until(), before + later);
    }
}
