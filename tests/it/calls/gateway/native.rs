//! WeChat's own paths: an unmodified client gets a token, calls with it, and does not notice when it is replaced.

use serde_json::{Value, json};
use wechat_simulator::Endpoint;

use super::super::rig::{APP, FOLLOWER};
use super::passing::form;
use super::rig::{ECHO, Gateway, json};
use crate::support::settings::KEY;
use crate::support::timed::timed;

/// Fetches as an unmodified client does.
async fn fetch(gateway: &Gateway) -> String {
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={KEY}");
    let told = json(gateway.bare("GET", &path), 200).await;
    told["access_token"].as_str().expect("a token").to_owned()
}

async fn user(gateway: &Gateway, token: &str) -> Value {
    let path = format!("/cgi-bin/user/info?access_token={token}&openid={FOLLOWER}&lang=zh_CN");
    json(gateway.bare("GET", &path), 200).await
}

#[test]
fn an_unmodified_client_needs_nothing_but_another_host() {
    timed(async || {
        let gateway = Gateway::start().await;
        let token = fetch(&gateway).await;
        assert_eq!(user(&gateway, &token).await["openid"], FOLLOWER);
        let body = json!({"touser": FOLLOWER, "template_id": "t", "data": {}});
        let path = format!("/cgi-bin/message/template/send?access_token={token}");
        assert_eq!(
            json(gateway.bare("POST", &path).json(&body), 200).await["errcode"],
            0
        );
        let path = format!("/cgi-bin/media/upload?access_token={token}&type=image");
        let upload = gateway
            .bare("POST", &path)
            .header("content-type", "multipart/form-data; boundary=x-y");
        let uploaded = json(upload.body(form(b"bytes")), 200).await;
        let id = uploaded["media_id"].as_str().expect("an id");
        let path = format!("/cgi-bin/media/get?access_token={token}&media_id={id}");
        let file = gateway.bare("GET", &path).send().await.expect("an answer");
        assert_eq!(file.bytes().await.expect("the file"), &b"bytes"[..]);
        let refused = user(&gateway, &token).await;
        assert_eq!(refused.get("code"), None);
        assert_eq!(gateway.wechat.violations(), []);
    });
}

#[test]
fn a_token_that_was_replaced_works_on_for_its_holder() {
    timed(async || {
        let gateway = Gateway::start().await;
        let held = fetch(&gateway).await;
        // Somebody else's fetches kill it; the broker replaces it.
        gateway.wechat.foreign_fetch_twice(APP);
        for _ in 0..3 {
            assert_eq!(user(&gateway, &held).await["openid"], FOLLOWER);
        }
        let next = fetch(&gateway).await;
        assert_ne!(next, held);
        assert!(
            !gateway
                .wechat
                .was_valid(APP, &held, std::time::Instant::now())
        );
        assert_eq!(
            user(&gateway, &held).await["openid"],
            FOLLOWER,
            "the one before works on"
        );
        gateway.wechat.foreign_fetch_twice(APP);
        assert_eq!(user(&gateway, &next).await["openid"], FOLLOWER);
        assert_eq!(
            user(&gateway, &held).await["openid"],
            FOLLOWER,
            "and the one before that"
        );
        assert_eq!(gateway.wechat.fetches(APP).len(), 3);
    });
}

/// The token with another letter at its end.
fn flipped(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

#[test]
fn a_token_that_is_none_of_ours_opens_nothing() {
    timed(async || {
        let gateway = Gateway::start().await;
        let token = gateway.token().await;
        let asked = gateway.asked();
        let foreign = gateway.wechat.foreign_fetch(APP);
        let long = "x".repeat(2049);
        for (query, errcode) in [
            (format!("access_token={foreign}"), 40001),
            (format!("access_token={}", flipped(&token)), 40001),
            (format!("access_token={}", &token[..40]), 40001),
            (format!("access_token={KEY}"), 40001),
            (String::from("access_token=null"), 40001),
            (String::new(), 41001),
            (String::from("access_token="), 41001),
            (format!("access_token={token}&access_token={token}"), 41001),
            (format!("access_token={token}&Access_Token=x"), 41001),
            (format!("access_token={long}"), 41001),
            (format!("access_token=%ff{token}"), 41001),
            (format!("access_token={token}&lang=x&lang=y"), 40035),
            (format!("appid={APP}&secret={KEY}"), 41001),
        ] {
            let told = json(gateway.bare("GET", &format!("{ECHO}?{query}")), 200).await;
            assert_eq!(told["errcode"], errcode, "{query}: {told}");
            assert!(!told.to_string().contains(&token), "{told}");
        }
        // A key is not needed here and makes nothing good.
        let keyed = gateway.bare("GET", ECHO).bearer_auth(KEY);
        assert_eq!(json(keyed, 200).await["errcode"], 41001);
        assert_eq!(gateway.asked(), asked, "WeChat was asked");
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn what_is_closed_is_closed_here_too_and_no_spelling_helps() {
    timed(async || {
        let gateway = Gateway::start().await;
        let token = gateway.token().await;
        let asked = gateway.asked();
        for (path, errcode) in [
            ("/cgi-bin/clear_quota", 48001),
            ("/cgi-bin/TOKEN", 48001),
            ("/cgi-bin/component/api_component_token", 48001),
            ("/cgi-bin/user//info", 40035),
            ("/cgi-bin/user%2finfo", 40035),
            ("/cgi-bin/user/..", 40035),
            ("/cgi-bin/user/%2e%2e/token", 40035),
            ("/wxa/a;b", 40035),
        ] {
            let head = format!(
                "GET {path}?access_token={token} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            );
            let answer = super::rig::exchange(gateway.broker.api, head.into_bytes()).await;
            assert!(
                answer.contains(&format!("\"errcode\":{errcode}")),
                "{path}: {answer}"
            );
        }
        // A platform's token is none of ours, and is not said to be a bad one.
        let told = json(
            gateway.bare(
                "GET",
                "/sns/oauth2/component/access_token?component_access_token=c",
            ),
            200,
        )
        .await;
        assert_eq!(told["errcode"], 48001);
        for method in ["OPTIONS", "TRACE"] {
            let told = json(
                gateway.bare(method, &format!("{ECHO}?access_token={token}")),
                200,
            )
            .await;
            assert_eq!(told["errcode"], 43001);
        }
        // A path of nobody's family is a path of nobody's.
        let problem = json(
            gateway.bare("GET", &format!("/other/path?access_token={token}")),
            404,
        )
        .await;
        assert_eq!(problem["code"], "no_such_route");
        assert_eq!(gateway.asked(), asked, "WeChat was asked");
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn tokens_are_no_keys_where_the_configuration_says_so() {
    timed(async || {
        let gateway = Gateway::with("tokens_as_keys = false").await;
        let token = gateway.token().await;
        let told = json(
            gateway.bare("GET", &format!("{ECHO}?access_token={token}")),
            200,
        )
        .await;
        assert_eq!(told["errcode"], 40001);
        assert_eq!(gateway.wechat.count(APP, Endpoint::Echo), 0);
        assert_eq!(json(gateway.keyed("GET", ECHO), 200).await["errcode"], 0);
    });
}
