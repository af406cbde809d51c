//! The control API: what `curl` can ask and do.

use serde_json::{Value, json};
use wechat_simulator::{Garbage, Simulator};

use crate::support::*;

async fn control(wechat: &Simulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/_simulator/{path}", wechat.base_url());
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client().request(method, url).json(&body);
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap())
}

async fn post_ok(wechat: &Simulator, path: &str, body: Value) -> Value {
    let (status, reply) = control(wechat, "POST", path, body).await;
    assert_eq!(status, 200, "{reply}");
    reply
}

#[tokio::test]
async fn the_state_names_the_tokens() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let reply = post_ok(&wechat, &format!("foreign_fetch?appid={APP}"), Value::Null).await;
    let state = get(&wechat, "/_simulator/state").await;
    let app = &state["apps"][APP];
    assert_eq!(app["current"]["access_token"], reply["access_token"]);
    assert_eq!(app["previous"]["access_token"], token);
    assert_eq!(app["previous"]["valid"], true);
    assert_eq!(app["stable"], Value::Null);
    assert_eq!(app["token_calls"], 1);
    assert_eq!(app["fetches_in_the_last_day"], 2);
}

#[tokio::test]
async fn a_verdict_can_be_asked_for() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let question = json!({"appid": APP, "access_token": token});
    let verdict = post_ok(&wechat, "verdict", question.clone()).await;
    assert_eq!(verdict["valid"], true);
    post_ok(&wechat, &format!("invalidate?appid={APP}"), Value::Null).await;
    let verdict = post_ok(&wechat, "verdict", question).await;
    assert_eq!(verdict["valid"], false);
    assert_eq!(verdict["why"], "invalidated");
}

#[tokio::test]
async fn faults_are_added_and_removed() {
    let wechat = wechat().await;
    let fault = json!({"kind": "status", "status": 503, "endpoints": ["token"], "times": 1});
    post_ok(&wechat, "fault", fault).await;
    assert!(
        raw_get(&wechat, &token_target(APP))
            .await
            .starts_with(b"HTTP/1.1 503")
    );
    let forever = json!({"kind": "errcode", "errcode": -1, "appid": APP});
    let id = post_ok(&wechat, "fault", forever).await["id"].clone();
    assert_eq!(get(&wechat, &token_target(APP)).await["errcode"], -1);
    control(&wechat, "DELETE", &format!("fault?id={id}"), Value::Null).await;
    fetch(&wechat, APP).await;
    post_ok(&wechat, "fault", json!({"kind": "cut_before"})).await;
    control(&wechat, "DELETE", "faults", Value::Null).await;
    fetch(&wechat, APP).await;
    let calls = get(&wechat, "/_simulator/calls").await;
    let outcomes: Vec<_> = calls.as_array().unwrap().iter().collect();
    assert_eq!(outcomes[0]["fault"], "status");
    assert_eq!(outcomes[0]["outcome"], "not_acted");
    assert_eq!(outcomes[3]["outcome"], "issued");
    assert_eq!(outcomes[3]["serial"], 2);
}

#[tokio::test]
async fn every_kind_of_fault_has_a_form() {
    let wechat = wechat().await;
    for kind in [
        "hang",
        "cut_before",
        "act_then_cut",
        "half_reply",
        "wrong_apps_token",
    ] {
        post_ok(&wechat, "fault", json!({"kind": kind, "acts": false})).await;
    }
    for kind in ["delay_then_act", "act_then_delay"] {
        post_ok(&wechat, "fault", json!({"kind": kind, "delay_ms": 5})).await;
    }
    let share = json!({"kind": "act_then_status", "status": 500, "probability": 0.5});
    post_ok(&wechat, "fault", share).await;
    for kind in Garbage::ALL {
        let form = json!({"kind": "garbage", "garbage": kind.name()});
        post_ok(&wechat, "fault", form).await;
    }
}

#[tokio::test]
async fn a_wrong_form_is_refused_with_the_reason() {
    let wechat = wechat().await;
    for form in [
        json!({"kind": "nothing"}),
        json!({"kind": "status"}),
        json!({"kind": "garbage", "garbage": "gold"}),
        json!({"kind": "cut_before", "endpoints": ["nowhere"]}),
        json!({"kind": "cut_before", "when": "later"}),
    ] {
        let (status, reply) = control(&wechat, "POST", "fault", form).await;
        assert_eq!(status, 400);
        assert!(reply["error"].is_string());
    }
    for path in ["error?appid=wx9&errcode=1", "nothing"] {
        let (status, _) = control(&wechat, "POST", path, Value::Null).await;
        assert_eq!(status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_account_can_be_changed() {
    let wechat = wechat().await;
    let errcode = || async { get(&wechat, &token_target(APP)).await["errcode"].clone() };
    post_ok(
        &wechat,
        &format!("error?appid={APP}&errcode=50007"),
        Value::Null,
    )
    .await;
    assert_eq!(errcode().await, 50007);
    post_ok(&wechat, &format!("error?appid={APP}"), Value::Null).await;
    post_ok(&wechat, "whitelisted?value=false", Value::Null).await;
    assert_eq!(errcode().await, 40164);
    post_ok(&wechat, "whitelisted?value=true", Value::Null).await;
    post_ok(
        &wechat,
        &format!("daily_limit?appid={APP}&limit=0"),
        Value::Null,
    )
    .await;
    assert_eq!(errcode().await, 45009);
    post_ok(
        &wechat,
        &format!("secret?appid={APP}&secret=new"),
        Value::Null,
    )
    .await;
    assert_eq!(errcode().await, 40125);
    let violations = get(&wechat, "/_simulator/violations").await;
    assert_eq!(violations[0]["what"], "wrong secret");
    assert_eq!(violations.as_array().unwrap().len(), 1);
}
