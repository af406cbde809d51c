//! The replies that WeChat's documents quote, word for word, and what callers are told of them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::rig::{APP, Rig, settings, wechat};
use crate::support::broker::{Caller, TestBroker};
use crate::support::timed::timed;

const TOKEN: &str = r#"{"access_token":"ACCESS_TOKEN","expires_in":7200}"#;

const FOLLOWER: &str = r#"{
    "subscribe": 1,
    "openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M",
    "language": "zh_CN",
    "subscribe_time": 1382694957,
    "unionid": " o6_bmasdasdsad6_2sgVt7hMZOPfL",
    "remark": "",
    "groupid": 0,
    "tagid_list":[128,2],
    "subscribe_scene": "ADD_SCENE_QR_CODE",
    "qr_scene": 98765,
    "qr_scene_str": ""
}"#;

const BATCH: &str = r#"{
   "user_info_list": [
       {
           "subscribe": 1,
           "openid": "otvxTs4dckWG7imySrJd6jSi0CWE",
           "language": "zh_CN",
           "subscribe_time": 1434093047,
           "unionid": "oR5GjjgEhCMJFyzaVZdrxZ2zRRF4",
           "remark": "",
           "groupid": 0,
           "tagid_list":[128,2],
           "subscribe_scene": "ADD_SCENE_QR_CODE",
           "qr_scene": 98765,
           "qr_scene_str": ""
      },
       {
           "subscribe": 0,
           "openid": "otvxTs_JZ6SEiP0imdhpi50fuSZg"
       }
   ]
}"#;

const EXCHANGED: &str = r#"{
  "access_token":"ACCESS_TOKEN",
  "expires_in":7200,
  "refresh_token":"REFRESH_TOKEN",
  "openid":"OPENID",
  "scope":"SCOPE",
  "is_snapshotuser": 1,
  "unionid": "UNIONID"
}"#;

const RENEWED: &str = r#"{
  "access_token":"ACCESS_TOKEN",
  "expires_in":7200,
  "refresh_token":"REFRESH_TOKEN",
  "openid":"OPENID",
  "scope":"SCOPE"
}"#;

const PERSON: &str = r#"{
  "openid": "OPENID",
  "nickname": "NICKNAME",
  "sex": 1,
  "province":"PROVINCE",
  "city":"CITY",
  "country":"COUNTRY",
  "headimgurl":"https://thirdwx.qlogo.cn/mmopen/g3MonUZtNHkdmzicIlibx6iaFqAc56vxLSUfpb6n5WKSYVY0ChQKkiaJSgQ1dZuTOgvLLrhJbERQQ4eMsv84eavHiaiceqxibJxCfHe/46",
  "privilege":[ "PRIVILEGE1" ,"PRIVILEGE2"     ],
  "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL"
}"#;

/// A server that answers each path so, whoever asks, where a body is said to be JSON.
fn answering(replies: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let request = whole(&mut stream);
            let path = request.split([' ', '?']).nth(1).unwrap_or_default();
            let said = request.starts_with("GET ")
                || request.contains("content-type: application/json\r\n");
            let body = replies.iter().find(|(known, _)| said && *known == path);
            let body = body.map_or("{}", |(_, body)| body);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json; encoding=utf-8\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}")
}

/// A request with its body: what is left unread when a connection is closed may take the reply with it.
fn whole(stream: &mut TcpStream) -> String {
    let (mut request, mut chunk) = (String::new(), vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        request.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break;
        }
    }
    request
}

async fn broker(replies: &'static [(&'static str, &'static str)]) -> (Caller, TestBroker, TempDir) {
    let unused = wechat(Vec::new()).await;
    let directory = TempDir::new().expect("a directory");
    let mut settings = settings(&unused, &directory);
    settings.upstream = answering(replies);
    let broker = TestBroker::start(&settings).await;
    let caller = broker.caller();
    caller.token_within(APP, Duration::from_secs(10)).await;
    (caller, broker, directory)
}

async fn post(caller: &Caller, path: &str, body: Value, status: u16) -> Value {
    Rig::expect(&caller.post(path, body).await, status)
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn every_documented_success_is_told() {
    timed(async || {
        let (caller, _broker, _directory) = broker(&[
            ("/cgi-bin/token", TOKEN),
            ("/cgi-bin/user/info", FOLLOWER),
            ("/cgi-bin/user/info/batchget", BATCH),
            ("/sns/oauth2/access_token", EXCHANGED),
            ("/sns/oauth2/refresh_token", RENEWED),
            ("/sns/userinfo", PERSON),
            ("/sns/auth", r#"{ "errcode":0,"errmsg":"ok"}"#),
        ])
        .await;
        let follower = caller
            .get(&format!("/user/{APP}/o6_bmjrPTlm6_2sgVt7hMZOPfL2M"))
            .await;
        assert_eq!(Rig::expect(&follower, 200), read(FOLLOWER));
        let asked =
            json!({"openids": ["otvxTs4dckWG7imySrJd6jSi0CWE", "otvxTs_JZ6SEiP0imdhpi50fuSZg"]});
        let batch = post(&caller, &format!("/user/{APP}/batch"), asked, 200).await;
        assert_eq!(batch["users"], read(BATCH)["user_info_list"]);

        let exchanged = post(
            &caller,
            &format!("/oauth/{APP}/exchange"),
            json!({"code": "CODE"}),
            200,
        )
        .await;
        let mut expected = read(EXCHANGED);
        expected["is_snapshotuser"] = json!(true);
        assert_eq!(exchanged, expected);
        let renewing = json!({"refresh_token": "REFRESH_TOKEN"});
        let renewed = post(&caller, &format!("/oauth/{APP}/refresh"), renewing, 200).await;
        let mut expected = read(RENEWED);
        expected["is_snapshotuser"] = json!(false);
        assert_eq!(renewed, expected);
        let person = json!({"access_token": "ACCESS_TOKEN", "openid": "OPENID"});
        let mut told = post(
            &caller,
            &format!("/oauth/{APP}/userinfo"),
            person.clone(),
            200,
        )
        .await;
        let avatars = told.as_object_mut().and_then(|told| told.remove("avatars"));
        assert!(avatars.is_some_and(|sizes| {
            sizes["132"]
                .as_str()
                .is_some_and(|url| url.ends_with("/132"))
        }));
        assert_eq!(told, read(PERSON));
        let checked = post(&caller, &format!("/oauth/{APP}/check"), person, 200).await;
        assert_eq!(checked, json!({"valid": true}));
    });
}

#[test]
fn every_documented_failure_is_told() {
    timed(async || {
        let (caller, _broker, _directory) = broker(&[
            ("/cgi-bin/token", TOKEN),
            (
                "/cgi-bin/user/info",
                r#"{"errcode":40013,"errmsg":"invalid appid"}"#,
            ),
            (
                "/cgi-bin/user/info/batchget",
                r#"{"errcode":40013,"errmsg":"invalid appid"}"#,
            ),
            (
                "/sns/oauth2/access_token",
                r#"{"errcode":40029,"errmsg":"invalid code"}"#,
            ),
            (
                "/sns/oauth2/refresh_token",
                r#"{"errcode":40029,"errmsg":"invalid code"}"#,
            ),
            (
                "/sns/userinfo",
                r#"{"errcode":40003,"errmsg":" invalid openid "}"#,
            ),
            (
                "/sns/auth",
                r#"{ "errcode":40003,"errmsg":"invalid openid"}"#,
            ),
        ])
        .await;
        let person = || json!({"access_token": "ACCESS_TOKEN", "openid": "OPENID"});
        let told = |problem: Value| {
            assert_eq!(problem["code"], "upstream_error");
            (
                problem["errcode"].as_i64(),
                problem["errmsg"].as_str().map(str::to_owned),
            )
        };
        let expected = |code: i64, text: &str| (Some(code), Some(text.to_owned()));
        let user = Rig::expect(&caller.get(&format!("/user/{APP}/OPENID")).await, 502);
        assert_eq!(told(user), expected(40013, "invalid appid"));
        let batch = post(
            &caller,
            &format!("/user/{APP}/batch"),
            json!({"openids": ["OPENID"]}),
            200,
        )
        .await;
        assert_eq!(
            told(batch["users"][0]["error"].clone()),
            expected(40013, "invalid appid")
        );
        let exchange = post(
            &caller,
            &format!("/oauth/{APP}/exchange"),
            json!({"code": "CODE"}),
            502,
        )
        .await;
        assert_eq!(told(exchange), expected(40029, "invalid code"));
        let refresh = json!({"refresh_token": "R"});
        let refresh = post(&caller, &format!("/oauth/{APP}/refresh"), refresh, 502).await;
        assert_eq!(told(refresh), expected(40029, "invalid code"));
        let profile = post(&caller, &format!("/oauth/{APP}/userinfo"), person(), 502).await;
        assert_eq!(told(profile), expected(40003, "invalid openid"));
        let check = post(&caller, &format!("/oauth/{APP}/check"), person(), 200).await;
        assert_eq!(check, json!({"valid": false}));
    });
}
