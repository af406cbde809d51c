//! The operations listener.

use actix_web::test::TestRequest;

use super::rig::{EMPTY, Rig};

async fn get(rig: &Rig, path: &str) -> super::rig::Answer {
    rig.send_ops(TestRequest::get().uri(path)).await
}

#[actix_web::test]
async fn the_process_is_alive_whatever_else_is_away() {
    let rig = Rig::working();
    rig.store.go_away();
    rig.stopping.cancel();
    let answer = get(&rig, "/livez").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (200, "ok\n".into())
    );
}

#[actix_web::test]
async fn a_replica_is_ready_once_every_app_was_looked_up_and_one_is_served() {
    let rig = Rig::working();
    let answer = get(&rig, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text(),
        "not ready: 2 app(s) were not looked up in the store yet\n"
    );
    rig.get("reader", "/token/wx-served").await;
    rig.get("all-on-empty", "/token/wx-empty").await;
    let answer = get(&rig, "/readyz").await;
    assert_eq!(
        answer.text(),
        "not ready: no app has a token yet; wx-served: WeChat cannot be reached or is busy. The broker tries again by itself.\n"
    );
    rig.serve();
    assert_eq!(get(&rig, "/readyz").await.text(), "ready\n");
}

#[actix_web::test]
async fn once_ready_a_replica_stays_ready_until_it_stops() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("reader", "/token/wx-served").await;
    rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(get(&rig, "/readyz").await.status, 200);
    rig.store.go_away();
    rig.clock.advance(std::time::Duration::from_secs(8000));
    assert_eq!(get(&rig, "/readyz").await.status, 200);
    assert_ne!(
        rig.get("all-on-empty", &format!("/token/{EMPTY}"))
            .await
            .status,
        200
    );
    rig.stopping.cancel();
    let answer = get(&rig, "/readyz").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (503, "not ready: stopping\n".into())
    );
}

#[actix_web::test]
async fn anything_else_is_a_problem_here_too() {
    let rig = Rig::new();
    assert_eq!(get(&rig, "/apps").await.problem(), "no_such_route");
    let answer = rig.send_ops(TestRequest::post().uri("/metrics")).await;
    assert_eq!(answer.problem(), "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD");
}
