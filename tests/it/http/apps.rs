//! `/apps`: state without secrets, pausing and resuming.

use super::rig::{Rig, TOKEN, digest};

#[actix_web::test]
async fn the_list_holds_what_the_caller_administers_and_no_secret() {
    let rig = Rig::new();
    let answer = rig.serve().get("admin", "/apps").await;
    let apps = answer.json()["apps"].clone();
    assert_eq!(apps.as_array().map(Vec::len), Some(1));
    assert_eq!(apps[0]["appid"], "wx-served");
    assert_eq!(apps[0]["mode"], "token");
    assert_eq!(apps[0]["status"], "ok");
    for hidden in [TOKEN, &digest(TOKEN).to_string(), "canary", "wx-empty"] {
        assert!(!answer.text().contains(hidden));
    }
}

#[actix_web::test]
async fn an_app_without_a_token_says_what_it_waits_for() {
    let rig = Rig::new();
    let answer = rig.get("all-on-empty", "/apps/wx-empty").await;
    let app = answer.json();
    assert_eq!(app["status"], "starting");
    assert_eq!(app["servable"], false);
    assert!(app["version"].is_null());
    assert!(app["budget_left"].is_null(), "the store was not read yet");
}

#[actix_web::test]
async fn once_fetched_the_budget_and_the_times_are_told() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("all-on-empty", "/token/wx-empty").await;
    let app = rig.get("all-on-empty", "/apps/wx-empty").await.json();
    assert_eq!(app["status"], "ok");
    assert_eq!(app["budget_used"], 1);
    assert_eq!(app["budget_left"], 599);
    assert_eq!(app["failures"], 0);
    assert_eq!(app["pending"], false);
    assert_eq!(app["lease_held"], false);
    assert_eq!(app["cooldown"], serde_json::Value::Null);
    let seconds = |key: &str| app[key].as_u64().unwrap_or_default();
    assert_eq!(seconds("refresh_at"), seconds("issued_at") + 3600);
    assert!(seconds("expires_at") > seconds("refresh_at"));
    assert!(seconds("last_fetch") >= 1_790_000_000);
}

#[actix_web::test]
async fn a_paused_app_is_served_on_and_says_so() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("all-on-empty", "/token/wx-empty").await;
    let paused = rig.post("all-on-empty", "/apps/wx-empty/pause", "").await;
    assert_eq!(paused.json()["status"], "paused");
    assert_eq!(paused.json()["paused"], true);
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.status, 200);
    let refused = rig
        .post("all-on-empty", "/token/wx-empty/refresh", "")
        .await;
    assert_eq!(refused.problem(), "paused");
    let resumed = rig.post("all-on-empty", "/apps/wx-empty/resume", "").await;
    assert_eq!(resumed.json()["paused"], false);
}

#[actix_web::test]
async fn a_paused_app_without_a_token_is_refused_as_paused() {
    let rig = Rig::working();
    rig.post("all-on-empty", "/apps/wx-empty/pause", "").await;
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.problem(), "paused");
    assert_eq!(answer.status, 503);
}

#[actix_web::test]
async fn pausing_needs_the_store() {
    let rig = Rig::working();
    rig.store.go_away();
    let answer = rig.post("all-on-empty", "/apps/wx-empty/pause", "").await;
    assert_eq!(answer.problem(), "store_away");
}
