//! A report that waits for what another replica's check says.

use std::time::Duration;

use super::scene::{SECOND, Scene, away, token};
use crate::domain::credential::Mode;
use crate::domain::protocol::Record;
use crate::domain::state::{Check, Verdict};
use crate::ports::Clock as _;
use crate::refresher::{Report, ReportVerdict};

/// Another replica's check of the served token ends so, if at all.
fn another_checks(scene: &Scene, verdict: Option<Verdict>) {
    scene.store.edit(&scene.subject(), |record, at| {
        let version = record.state.version;
        record.state.check = Check {
            version,
            claimed_at: at,
            verdict,
        };
    });
}

async fn reports(scene: &Scene) -> ReportVerdict {
    let report = Report {
        token: token(1).1,
        seen: None,
    };
    scene.refresher.report(scene.id(), report).await
}

#[tokio::test(start_paused = true)]
async fn a_report_waits_for_another_replicas_check_as_long_as_two_may_take() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    let bound = scene.subject().rules.timeout * 2;
    for (waits, verdict) in [
        (bound - SECOND, ReportVerdict::StillValid),
        (bound, ReportVerdict::Inconclusive),
    ] {
        another_checks(&scene, None);
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            scene.clock.advance(waits);
            another_checks(&scene, None);
            tokio::time::sleep(Duration::from_millis(100)).await;
            another_checks(&scene, Some(Verdict::Accepted));
        };
        let (said, ()) = tokio::join!(reports(&scene), meanwhile);
        assert_eq!(said, verdict, "{waits:?}");
    }
    assert_eq!(scene.upstream.checks(), 0);
}

#[tokio::test]
async fn a_report_of_another_token_than_is_served_costs_no_check() {
    let scene = Scene::new(Mode::Token);
    scene.serves(2).await;
    assert_eq!(reports(&scene).await, ReportVerdict::Stale);
    assert_eq!(scene.store.count("claim"), 0);
}

#[tokio::test]
async fn a_report_of_a_token_that_the_store_does_not_have_says_what_is_served_by_then() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    scene
        .store
        .edit(&scene.subject(), |record, _| *record = Record::default());
    assert_eq!(reports(&scene).await, ReportVerdict::Inconclusive);
    assert_eq!(
        scene.served(),
        Some(1),
        "until it is put back, and checked for that"
    );

    let other = Scene::new(Mode::Token);
    other.clock.advance(SECOND);
    other.serves(2).await;
    let newer = other.stored();
    scene
        .store
        .edit(&scene.subject(), |record, _| *record = newer);
    assert_eq!(reports(&scene).await, ReportVerdict::Stale);
    assert_eq!(scene.served(), Some(2));
}

#[tokio::test]
async fn a_report_is_looked_into_without_the_store_where_that_is_away() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    scene.store.fails("claim", away());
    assert_eq!(reports(&scene).await, ReportVerdict::StillValid);
    assert_eq!(scene.upstream.checks(), 1);
    assert!(scene.is_to_look_again().await);
}

#[tokio::test]
async fn one_check_answers_many_reports_but_none_of_a_refusal_that_was_seen_after_it() {
    let scene = Scene::new(Mode::Token);
    scene.serves(1).await;
    for _ in 0..3 {
        assert_eq!(reports(&scene).await, ReportVerdict::StillValid);
        scene.clock.advance(SECOND);
    }
    assert_eq!(scene.upstream.checks(), 1);

    let seen = Report {
        token: token(1).1,
        seen: Some(scene.clock.now()),
    };
    let verdict = scene.refresher.report(scene.id(), seen).await;
    assert_eq!(verdict, ReportVerdict::StillValid);
    assert_eq!(scene.upstream.checks(), 2);
}
