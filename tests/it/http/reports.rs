//! `POST /token/{appid}/report` and `/refresh`, with the write flow at work.

use token_broker::domain::epoch::Version;
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::ports::{Checked, Clock as _, Fetched};

use super::rig::{EMPTY, Rig, commit, digest};

const REPORT: &str = "/token/wx-empty/report";
const REFRESH: &str = "/token/wx-empty/refresh";

/// A working broker whose app has the token `first`.
async fn with_first_token() -> Rig {
    let rig = Rig::working();
    rig.issue("first");
    rig.upstream.will_say(Checked::Accepted);
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    rig
}

fn refused() -> UpstreamError {
    UpstreamError {
        code: 40001,
        message: String::from("invalid credential"),
        rid: None,
        ip: None,
    }
}

#[actix_web::test]
async fn a_report_of_an_old_token_brings_the_current_one() {
    let rig = with_first_token().await;
    let old = format!("{{\"sha256\":\"{}\"}}", digest("old"));
    for body in ["{\"access_token\":\"old\"}", &old] {
        let answer = rig.post("all-on-empty", REPORT, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["verdict"], "stale");
        assert_eq!(answer.json()["access_token"], "first");
        assert_eq!(answer.json()["appid"], EMPTY);
    }
}

#[actix_web::test]
async fn a_report_of_a_token_that_is_accepted_says_so() {
    let rig = with_first_token().await;
    let body = "{\"access_token\":\"first\"}";
    let answer = rig.post("all-on-empty", REPORT, body).await;
    assert_eq!(answer.json()["verdict"], "still_valid");
    assert_eq!(answer.json()["access_token"], "first");
}

#[actix_web::test]
async fn a_check_of_the_next_token_is_no_answer_where_the_store_goes_away_meanwhile() {
    let rig = with_first_token().await;
    let (publisher, clock, id) = (rig.publisher.clone(), rig.clock.clone(), rig.id(EMPTY));
    rig.store.lose_the_next_claim(move || {
        commit(
            &publisher,
            clock.now(),
            id,
            "second",
            Version(u64::MAX >> 11),
        );
    });
    let body = "{\"access_token\":\"first\"}";
    let answer = rig.post("all-on-empty", REPORT, body).await;
    assert_eq!(answer.json()["verdict"], "stale");
    assert_eq!(answer.json()["access_token"], "second");
}

#[actix_web::test]
async fn a_report_of_a_dead_token_brings_a_new_one() {
    let rig = with_first_token().await;
    rig.issue("second");
    rig.upstream.will_say(Checked::Refused(refused()));
    let body = "{\"access_token\":\"first\"}";
    let answer = rig.post("all-on-empty", REPORT, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["verdict"], "refused");
    assert_eq!(answer.json()["access_token"], "second");
}

#[actix_web::test]
async fn where_no_new_token_comes_the_problem_carries_the_verdict() {
    let rig = with_first_token().await;
    rig.upstream.will_issue(Fetched::Refused(refused()));
    rig.upstream.will_say(Checked::Refused(refused()));
    let body = "{\"access_token\":\"first\"}";
    let answer = rig.post("all-on-empty", REPORT, body).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem(), "refused_by_upstream");
    assert_eq!(answer.json()["verdict"], "refused");
    assert_eq!(answer.json()["cause"], "bad_secret");
    assert!(answer.text().contains("AppSecret"));
}

#[actix_web::test]
async fn a_refresh_too_soon_says_when_to_come_back() {
    let rig = with_first_token().await;
    let answer = rig.post("all-on-empty", REFRESH, "").await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.problem(), "too_soon");
    let wait = answer.header("retry-after").parse::<u64>();
    assert!(matches!(wait, Ok(350..=360)));
}

#[actix_web::test]
async fn a_refresh_within_pace_brings_a_new_token() {
    let rig = with_first_token().await;
    rig.clock.advance(std::time::Duration::from_secs(400));
    rig.issue("second");
    let answer = rig.post("all-on-empty", REFRESH, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["access_token"], "second");
}

#[actix_web::test]
async fn a_refresh_while_the_store_is_away_is_refused() {
    let rig = with_first_token().await;
    rig.store.go_away();
    let answer = rig.post("all-on-empty", REFRESH, "").await;
    assert_eq!(answer.problem(), "store_away");
    assert_ne!(answer.header("retry-after"), "");
}
