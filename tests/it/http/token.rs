//! `GET /token/{appid}`.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;

use token_broker::domain::epoch::Version;
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::ports::{Clock as _, Fetched};

use super::rig::{EMPTY, Rig, SERVED, TOKEN, VERSION, grant, key, next_key, with_key};
use crate::support::timed::timed_in_actix;

#[actix_web::test]
async fn the_current_token_is_answered_as_json() {
    let rig = Rig::new();
    let answer = rig.serve().get("reader", "/token/wx-served").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("etag"), format!("\"{VERSION}\""));
    let body = answer.json();
    let keys: Vec<_> = body.as_object().into_iter().flatten().collect();
    assert_eq!(keys.len(), 5);
    assert_eq!(body["appid"], SERVED);
    assert_eq!(body["access_token"], TOKEN);
    assert_eq!(body["version"], VERSION);
    assert!(matches!(body["expires_in"].as_u64(), Some(7190..=7200)));
    assert!(matches!(
        body["expires_at"].as_u64(),
        Some(1_790_007_190..=1_790_007_200)
    ));
}

#[actix_web::test]
async fn an_appid_with_escapes_and_a_head_take_the_longer_way_to_the_same_answer() {
    let rig = Rig::new();
    let plain = rig.serve().get("reader", "/token/wx-served").await;
    let escaped = rig.serve().get("reader", "/token/wx%2Dserved").await;
    let head = with_key("reader", TestRequest::default().method(Method::HEAD));
    let head = rig.serve().send(head.uri("/token/wx-served")).await;
    for answer in [&escaped, &head] {
        assert_eq!(answer.status, 200);
        for name in ["content-type", "cache-control", "etag"] {
            assert_eq!(answer.header(name), plain.header(name));
        }
    }
    assert_eq!(escaped.json()["access_token"], TOKEN);
}

#[actix_web::test]
async fn text_plain_is_answered_with_the_bare_token() {
    let rig = Rig::new();
    let request = TestRequest::get().uri("/token/wx-served");
    let request = with_key("reader", request).insert_header(("accept", "text/plain"));
    let answer = rig.serve().send(request).await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.text(), TOKEN);
}

#[actix_web::test]
async fn whoever_has_the_version_is_told_so() {
    let rig = Rig::new();
    for (sent, status) in [
        (format!("\"{VERSION}\""), 304),
        (format!("\"1\", W/\"{VERSION}\""), 304),
        (String::from("*"), 304),
        (String::from("\"1\""), 200),
    ] {
        let request = TestRequest::get().uri("/token/wx-served");
        let request = with_key("reader", request).insert_header(("if-none-match", sent));
        let answer = rig.serve().send(request).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("etag"), format!("\"{VERSION}\""));
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}

#[actix_web::test]
async fn without_callers_no_key_is_needed() {
    let rig = Rig::open();
    let request = TestRequest::get().uri("/token/wx-served");
    assert_eq!(rig.serve().send(request).await.status, 200);
}

#[actix_web::test]
async fn the_next_key_of_a_caller_works_beside_the_old_one() {
    let rig = Rig::new();
    rig.serve();
    for key in [key("reader"), next_key("reader")] {
        let request = TestRequest::get().uri("/token/wx-served");
        let request = request.insert_header(("authorization", format!("Bearer {key}")));
        assert_eq!(rig.send(request).await.status, 200);
    }
}

#[actix_web::test]
async fn where_there_is_no_token_yet_the_answer_says_when_to_come_back() {
    let rig = Rig::new();
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem(), "starting");
    assert_eq!(answer.json()["appid"], EMPTY);
    assert_ne!(answer.header("retry-after"), "");
}

#[actix_web::test]
async fn a_first_request_waits_for_the_first_token() {
    let rig = Rig::working();
    rig.issue("fresh");
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["access_token"], "fresh");
}

#[actix_web::test]
async fn a_machine_that_slept_in_the_middle_of_a_reading_takes_nothing_off_a_tokens_life() {
    let rig = Rig::working();
    rig.issue("fresh");
    let before = rig.get("all-on-empty", "/token/wx-empty").await.json();
    // Nobody has heard of it for so long that the request has it read.
    rig.clock.advance(Duration::from_secs(120));
    rig.store
        .sleep_in_the_next_reading(Duration::from_secs(600));
    let after = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(after.status, 200, "{}", after.text());
    let after = after.json();
    assert_eq!(after["access_token"], "fresh");
    let (ends, left) = (before["expires_at"].as_u64(), after["expires_in"].as_u64());
    let shifted = after["expires_at"].as_u64().zip(ends);
    let shifted = shifted.map(|(after, before)| after.abs_diff(before));
    assert!(
        shifted.is_some_and(|by| by <= 1),
        "it ends when it did: {shifted:?}"
    );
    assert!(
        left.is_some_and(|left| left <= 7200 - 720),
        "it slept: {left:?}"
    );
}

#[actix_web::test]
async fn an_expired_token_is_never_answered() {
    let rig = Rig::new();
    rig.serve().clock.advance(Duration::from_secs(7200));
    let answer = rig.get("reader", "/token/wx-served").await;
    assert_eq!(answer.problem(), "starting");
    assert!(!answer.text().contains("canary"));
}

#[actix_web::test]
async fn an_answer_that_nobody_vouched_for_is_counted() {
    let rig = Rig::new();
    rig.serve().clock.advance(Duration::from_secs(61));
    let now = rig.clock.now();
    rig.publisher
        .update(rig.id(SERVED), |replica| replica.check_failed(now));
    let answer = rig.get("reader", "/token/wx-served").await;
    assert_eq!(answer.status, 200);
    let text = rig.metrics.render();
    assert!(text.contains("token_broker_served_unvouched_total 1"));
}

#[actix_web::test]
async fn a_request_id_goes_back_as_it_came_or_is_made() {
    let rig = Rig::new();
    for (sent, kept) in [("trace-42", true), ("not one id", false)] {
        let request = TestRequest::get().uri("/token/wx-served");
        let request = with_key("reader", request).insert_header(("x-request-id", sent));
        let answer = rig.serve().send(request).await;
        assert_eq!(answer.header("x-request-id") == sent, kept);
        assert_ne!(answer.header("x-request-id"), "");
    }
}

#[test]
fn a_caller_with_a_rate_is_held_to_it_and_no_other() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let begun = std::time::Instant::now();
        let mut passed = 0;
        let refused = loop {
            let answer = rig.get("paced", "/token/wx-served").await;
            if answer.status != 200 {
                break answer;
            }
            passed += 1;
        };
        // A slow machine may earn some more meanwhile.
        let earned = begun.elapsed().as_secs() + 1;
        assert!((2..=2 + earned).contains(&passed), "{passed}");
        assert_eq!(refused.status, 429);
        assert_eq!(refused.problem(), "rate_limited");
        assert_eq!(refused.header("retry-after"), "1");
        for _ in 0..20 {
            assert_eq!(rig.get("reader", "/token/wx-served").await.status, 200);
        }
        let text = rig.metrics.render();
        assert!(text.contains("token_broker_http_refusals_total{code=\"rate_limited\"}"));
        let spent = std::time::Instant::now();
        while rig.get("paced", "/token/wx-served").await.status == 200 {}
        rig.withdraw("admin");
        let first = rig.get("paced", "/token/wx-served").await.status;
        let second = rig.get("paced", "/token/wx-served").await.status;
        // A slow machine may earn both meanwhile.
        let slow = spent.elapsed() >= std::time::Duration::from_millis(900);
        assert!(
            slow || first == 429 || second == 429,
            "a reload is no fresh burst"
        );
    });
}

#[actix_web::test]
async fn nobody_is_refused_a_token_that_another_replica_has_stored_meanwhile() {
    let rig = Rig::working();
    rig.upstream.will_issue(Fetched::Refused(UpstreamError {
        code: 45011,
        message: String::from("api minute-quota reach limit"),
        rid: None,
        ip: None,
    }));
    let refused = rig.get("reader", "/token/wx-served").await;
    assert_eq!(refused.problem(), "refused_by_upstream");

    let token = grant(TOKEN, Version(VERSION), rig.clock.now());
    rig.store
        .come_to_hold(rig.publisher.credential(rig.id(SERVED)), token);
    rig.clock.advance(Duration::from_secs(1));
    let served = rig.get("reader", "/token/wx-served").await;
    assert_eq!(served.json()["access_token"], TOKEN);
}
