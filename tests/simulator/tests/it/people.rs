//! The people: profiles, web authorization and the login of mini-programs.

use std::time::Duration;

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Scope, Settings, Simulator, User};

use crate::support::*;

const FOLLOWER: &str = "o-follower";
const STRANGER: &str = "o-stranger";

fn with_people() -> Settings {
    let stranger = User {
        unionid: Some("union".to_owned()),
        follows: false,
        virtual_user: true,
        ..User::new(APP, STRANGER)
    };
    Settings {
        users: vec![User::new(APP, FOLLOWER), stranger],
        ..settings()
    }
}

async fn wechat() -> Simulator {
    Simulator::start(with_people()).await.unwrap()
}

fn exchange_target(code: &str) -> String {
    format!(
        "/sns/oauth2/access_token?appid={APP}&secret={SECRET}&code={code}&grant_type=authorization_code"
    )
}

fn session_target(code: &str) -> String {
    format!(
        "/sns/jscode2session?appid={APP}&secret={SECRET}&js_code={code}&grant_type=authorization_code"
    )
}

async fn errcode(wechat: &Simulator, target: &str) -> Option<i64> {
    get(wechat, target).await["errcode"].as_i64()
}

#[tokio::test]
async fn a_profile_tells_of_followers_and_little_of_others() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let info = |openid: &str, more: &str| {
        format!("/cgi-bin/user/info?access_token={token}&openid={openid}{more}")
    };
    let follower = get(&wechat, &info(FOLLOWER, "&lang=zh_TW")).await;
    assert_eq!(follower["subscribe"], 1);
    assert_eq!(follower["language"], "zh_TW");
    let stranger = get(&wechat, &info(STRANGER, "")).await;
    let expected = json!({"subscribe": 0, "openid": STRANGER, "unionid": "union"});
    assert_eq!(stranger, expected);
    assert_eq!(errcode(&wechat, &info("o-nobody", "")).await, Some(40003));
    assert_eq!(wechat.violations(), []);
    assert_eq!(
        errcode(&wechat, &info(FOLLOWER, "&lang=zh-CN")).await,
        Some(40035)
    );
    assert_eq!(wechat.count(APP, Endpoint::UserInfo), 4);
    assert_eq!(wechat.violations().len(), 1);
}

#[tokio::test]
async fn a_batch_has_at_most_a_hundred_and_no_unknown_one() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let target = format!("/cgi-bin/user/info/batchget?access_token={token}");
    let ask = async |openids: &[&str]| {
        let users: Vec<Value> = openids.iter().map(|id| json!({"openid": id})).collect();
        post(&wechat, &target, &json!({"user_list": users})).await
    };
    let both = ask(&[STRANGER, FOLLOWER]).await;
    assert_eq!(both["user_info_list"][0]["openid"], STRANGER);
    assert_eq!(both["user_info_list"][1]["subscribe"], 1);
    assert_eq!(ask(&[FOLLOWER, "o-nobody"]).await["errcode"], 40003);
    let unsaid = client().post(format!("{}{target}", wechat.base_url()));
    let unsaid = unsaid.body(json!({"user_list": [{"openid": FOLLOWER}]}).to_string());
    let told: Value = unsaid.send().await.unwrap().json().await.unwrap();
    assert_eq!(told["user_info_list"][0]["openid"], FOLLOWER);
    assert_eq!(wechat.violations(), []);
    assert_eq!(ask(&[FOLLOWER; 101]).await["errcode"], 40032);
    assert_eq!(ask(&[]).await["errcode"], 40032);
    assert_eq!(wechat.violations().len(), 2);
}

#[tokio::test]
async fn a_code_brings_a_token_once() {
    let wechat = wechat().await;
    let code = wechat.consent(APP, STRANGER, Scope::UserInfo);
    let target = exchange_target(&code);
    let token = get(&wechat, &target).await;
    assert_eq!(token["is_snapshotuser"], 1);
    assert_eq!(token["unionid"], "union");
    assert_eq!(token["scope"], "snsapi_userinfo");
    assert_eq!(token["expires_in"], 7200);
    assert_eq!(errcode(&wechat, &target).await, Some(40163));
    assert_eq!(
        errcode(&wechat, &exchange_target("other")).await,
        Some(40029)
    );
    assert_eq!(wechat.violations(), []);
    let wrong = target.replace("secret=secret", "secret=wrong");
    assert_eq!(errcode(&wechat, &wrong).await, Some(40125));
}

#[tokio::test]
async fn an_old_code_is_expired() {
    let settings = Settings {
        code_life: Duration::ZERO,
        ..with_people()
    };
    let wechat = Simulator::start(settings).await.unwrap();
    let code = wechat.consent(APP, FOLLOWER, Scope::Base);
    assert_eq!(errcode(&wechat, &exchange_target(&code)).await, Some(42003));
}

#[tokio::test]
async fn a_web_token_is_renewed_checked_and_good_for_its_scope_only() {
    let wechat = wechat().await;
    let mut tokens = Vec::new();
    for scope in [Scope::Base, Scope::UserInfo] {
        let code = wechat.consent(APP, FOLLOWER, scope);
        tokens.push(get(&wechat, &exchange_target(&code)).await);
    }
    let part =
        |index: usize, name: &str| tokens[index][name].as_str().unwrap_or_default().to_owned();
    let about = |path: &str, token: &str, openid: &str| {
        format!("/sns/{path}?access_token={token}&openid={openid}")
    };
    let (base, full) = (part(0, "access_token"), part(1, "access_token"));
    let user = get(&wechat, &about("userinfo", &full, FOLLOWER)).await;
    assert_eq!(user["nickname"], "SIMULATED_NICKNAME");
    let refused = errcode(&wechat, &about("userinfo", &base, FOLLOWER)).await;
    assert_eq!(refused, Some(48001));
    let other = errcode(&wechat, &about("userinfo", &full, STRANGER)).await;
    assert_eq!(other, Some(40003));
    assert_eq!(
        errcode(&wechat, &about("auth", &base, FOLLOWER)).await,
        Some(0)
    );
    assert_eq!(
        errcode(&wechat, &about("auth", &base, STRANGER)).await,
        Some(40003)
    );
    let renew = |refresh: &str| {
        format!(
            "/sns/oauth2/refresh_token?appid={APP}&grant_type=refresh_token&refresh_token={refresh}"
        )
    };
    let renewed = get(&wechat, &renew(&part(1, "refresh_token"))).await;
    assert_ne!(renewed["access_token"], tokens[1]["access_token"]);
    assert_eq!(errcode(&wechat, &renew("other")).await, Some(40030));
    assert_eq!(wechat.count(APP, Endpoint::WebUser), 3);
    assert_eq!(wechat.violations(), []);
}

#[tokio::test]
async fn a_mini_programs_code_brings_a_session_once() {
    let wechat = wechat().await;
    let code = wechat.consent(APP, STRANGER, Scope::MiniProgram);
    assert_eq!(errcode(&wechat, &exchange_target(&code)).await, Some(40029));
    let session = get(&wechat, &session_target(&code)).await;
    assert_eq!(session["openid"], STRANGER);
    assert_eq!(session["unionid"], "union");
    assert!(session["session_key"].is_string());
    assert_eq!(errcode(&wechat, &session_target(&code)).await, Some(40163));
    assert_eq!(wechat.violations(), []);
}
