//! A call whose token is refused: made once more with another token, and only with another.

use actix_web::test::TestRequest;
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::ports::Checked;

use super::rig::{Rig, key, with_key};

/// A working broker that serves `first`, which WeChat refuses in calls.
async fn with_first_token() -> Rig {
    let rig = Rig::working();
    rig.issue("first");
    rig.upstream.will_say(Checked::Accepted);
    let answer = rig.get("all-on-empty", "/token/wx-empty").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    rig.issue("second");
    rig
}

#[actix_web::test]
async fn a_call_whose_token_died_is_made_again_with_the_next() {
    let rig = with_first_token().await;
    rig.upstream.will_say(Checked::Refused(UpstreamError {
        code: 40001,
        message: String::from("invalid credential"),
        rid: None,
        ip: None,
    }));
    let answer = rig.get("all-on-empty", "/user/wx-empty/o").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["openid"], "o");
}

#[actix_web::test]
async fn a_refusal_that_a_check_does_not_confirm_is_passed_on() {
    let rig = with_first_token().await;
    let answer = rig.get("all-on-empty", "/user/wx-empty/o").await;
    assert_eq!(answer.problem(), "upstream_error");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()["errcode"], 40001);
}

#[actix_web::test]
async fn what_is_passed_on_is_passed_on_again_whole_with_the_next_token() {
    let rig = with_first_token().await;
    let path = "/gateway/wx-empty/cgi-bin/message/send";
    let answer = rig.post("all-on-empty", path, "{\"a\":1}").await;
    assert_eq!(
        answer.json()["errcode"],
        40001,
        "there is no other token yet"
    );
    rig.clock.advance(std::time::Duration::from_secs(60));
    rig.upstream.will_say(Checked::Refused(UpstreamError {
        code: 40001,
        message: String::from("invalid credential"),
        rid: None,
        ip: None,
    }));
    let answer = rig.post("all-on-empty", path, "{\"a\":1}").await;
    assert_eq!(answer.json()["errcode"], 0, "{}", answer.text());
    assert_eq!(answer.json()["length"], 7);
}

#[actix_web::test]
async fn without_the_verb_nothing_is_asked() {
    let rig = Rig::new();
    for path in ["/user/wx-served/o", "/oauth/wx-served/authorize"] {
        let answer = rig.serve().get("reader", path).await;
        assert_eq!(answer.problem(), "forbidden");
        assert_eq!(answer.json()["verb"], "call");
    }
}

#[actix_web::test]
async fn a_browser_is_redirected_to_the_consent_page() {
    let rig = Rig::new();
    let path = "/oauth/wx-served/authorize?redirect_uri=https%3A%2F%2Fx.example&scope=snsapi_base";
    let request = with_key("caller", TestRequest::get().uri(path));
    let browser = request.insert_header(("accept", "text/html,application/xhtml+xml,*/*;q=0.8"));
    let answer = rig.send(browser).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("location"),
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx-served&redirect_uri=https%3A%2F%2Fx.example&response_type=code&scope=snsapi_base#wechat_redirect"
    );
}

#[actix_web::test]
async fn in_wechats_shape_a_missing_right_is_40013_and_a_missing_token_is_busy() {
    let rig = Rig::new();
    for (caller, appid, errcode) in [
        ("caller", "wx-served", 40013),
        ("reader", "wx-empty", 40013),
        ("reader", "wx-hazy1", 40013),
        ("stranger", "wx-served", 40125),
        ("all-on-empty", "wx-empty", -1),
    ] {
        let key = key(caller);
        let query = format!("grant_type=client_credential&appid={appid}&secret={key}");
        let request = TestRequest::get().uri(&format!("/cgi-bin/token?{query}"));
        let answer = rig.serve().send(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["errcode"], errcode, "{}", answer.text());
        assert!(!answer.text().contains(&key));
    }
}
