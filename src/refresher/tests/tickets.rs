//! Tickets: what upstream says of the access token that one was asked for with, and what cannot be checked.

use super::scene::{Scene, away, error, granted};
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;
use crate::domain::upstream_error::ErrorClass;
use crate::ports::{Checked, Fetched};
use crate::refresher::StepEnd;

#[tokio::test]
async fn an_access_token_that_upstream_refuses_for_a_ticket_is_checked_and_no_other_error_has_it_checked()
 {
    for (code, class, checks) in [
        (40001, ErrorClass::TokenRefused, 2),
        (-1, ErrorClass::Busy, 0),
    ] {
        let scene = Scene::with_a_ticket();
        scene.serves(1).await;
        scene.upstream.issues(Fetched::Refused(error(code)));
        scene.upstream.refuses();
        let of = scene.refresher.publisher.credential(scene.ids[1]).kind;
        assert_eq!(error(code).class_for(of), class);
        scene.refresher.refresh(scene.ids[1], Reason::Missing).await;
        assert_eq!(scene.upstream.checks(), checks, "{code}");
        assert_eq!(scene.served(), (checks == 0).then_some(1));
    }
}

#[tokio::test]
async fn a_ticket_whose_commit_came_too_late_is_left_to_the_store_since_nobody_can_check_it() {
    let scene = Scene::with_a_ticket();
    scene.serves(1).await;
    let ticket = scene.ids[1];
    scene.store.fails("commit", away());
    scene.store.fails("commit", away());
    scene.upstream.issues(granted(2));
    scene.refresher.refresh(ticket, Reason::Missing).await;
    let of = scene.refresher.publisher.subject(ticket);
    scene.store.edit(&of, |record, _| record.state.lease = None);

    let reads = scene.store.count("read");
    assert_eq!(scene.refresher.offer(ticket).await, StepEnd::Done);
    assert_eq!(scene.upstream.checks(), 0);
    assert_eq!(scene.store.count("put_back"), 0);
    assert_eq!(scene.store.count("read") - reads, 1);
}

#[tokio::test]
async fn a_ticket_is_repaired_only_where_upstream_accepts_the_access_token() {
    let refused = || Checked::Refused(error(40001));
    let silent = Checked::Away(String::from("no answer"));
    for (answers, blocked_by) in [
        (vec![Checked::Accepted], None),
        (vec![silent], Some(BlockedBy::UpstreamAway)),
        // What the repair found is a report of its own, which is looked into.
        (
            vec![refused(), refused(), refused(), refused()],
            Some(BlockedBy::NoAccessToken),
        ),
    ] {
        let scene = Scene::with_a_ticket();
        scene.serves(1).await;
        scene.upstream.judges(answers);
        scene.upstream.issues(granted(2));
        let end = scene.refresher.refresh(scene.ids[1], Reason::Repair).await;
        let by = match end {
            StepEnd::Blocked(by, _) => Some(by),
            StepEnd::Done => None,
        };
        assert_eq!(by, blocked_by);
        let fetches = scene.upstream.fetches().len();
        assert_eq!(fetches, if by.is_none() { 2 } else { 1 });
        let is_dead = by == Some(BlockedBy::NoAccessToken);
        assert_eq!(scene.served(), (!is_dead).then_some(1));
    }
}
