//! What is passed on, and what comes back: messages, files, images, and no more of a request than WeChat needs.

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::super::rig::{APP, FOLLOWER, STRANGER};
use super::rig::{ECHO, Gateway, MESSENGER, json};
use crate::support::fleet::sample;
use crate::support::timed::timed;

const TEMPLATE: &str = "/cgi-bin/message/template/send";

fn message(to: &str) -> Value {
    json!({"touser": to, "template_id": "t", "data": {"first": {"value": "微信"}}})
}

#[test]
fn a_message_is_sent_and_wechats_word_comes_back() {
    timed(async || {
        let gateway = Gateway::start().await;
        let sent = json(
            gateway.keyed("POST", TEMPLATE).json(&message(FOLLOWER)),
            200,
        )
        .await;
        assert_eq!(sent["errcode"], 0);
        assert!(sent["msgid"].is_number());
        let refused = json(
            gateway.keyed("POST", TEMPLATE).json(&message(STRANGER)),
            200,
        )
        .await;
        assert_eq!(
            refused["errcode"], 43004,
            "WeChat's own refusal is passed on as it is"
        );
        assert!(
            refused["errmsg"]
                .as_str()
                .is_some_and(|text| text.contains("rid:"))
        );
        assert_eq!(gateway.wechat.violations(), []);
    });
}

#[test]
fn a_file_goes_up_and_comes_down_as_it_was() {
    timed(async || {
        let gateway = Gateway::start().await;
        let bytes: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
        let uploaded = json(upload(&gateway, &bytes), 200).await;
        let id = uploaded["media_id"].as_str().expect("an id");
        let path = format!("/cgi-bin/media/get?media_id={id}");
        let response = gateway.keyed("GET", &path).send().await.expect("an answer");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "image/png");
        assert_eq!(
            header("content-disposition"),
            "attachment; filename=\"a b.png\""
        );
        assert_eq!(header("content-length"), bytes.len().to_string());
        assert_eq!(header("cache-control"), "no-store");
        let read = response.bytes().await.expect("the whole file");
        assert!(read == bytes, "another file came back");
        assert_eq!(gateway.wechat.violations(), []);
    });
}

/// A multipart form with a file, as clients write it.
pub(super) fn upload(gateway: &Gateway, bytes: &[u8]) -> reqwest::RequestBuilder {
    gateway
        .keyed("POST", "/cgi-bin/media/upload?type=image")
        .header("content-type", "multipart/form-data; boundary=x-y")
        .body(form(bytes))
}

pub(super) fn form(bytes: &[u8]) -> Vec<u8> {
    let head = "--x-y\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a b.png\"\r\n\
                Content-Type: image/png\r\n\r\n";
    [head.as_bytes(), bytes, b"\r\n--x-y--\r\n"].concat()
}

#[test]
fn an_image_in_reply_to_json_comes_back_as_bytes() {
    timed(async || {
        let gateway = Gateway::start().await;
        let asked = gateway
            .keyed("POST", "/wxa/getwxacodeunlimit")
            .json(&json!({"scene": "a=1"}));
        let response = asked.send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "image/jpeg");
        let image = response.bytes().await.expect("an image");
        assert_eq!(image[..4], [0xFF, 0xD8, 0xFF, 0xE0]);
        let refused = json(
            gateway
                .keyed("POST", "/wxa/getwxacodeunlimit")
                .json(&json!({"scene": ""})),
            200,
        )
        .await;
        assert_eq!(refused["errcode"], 40035);
    });
}

#[test]
fn only_what_wechat_needs_reaches_it() {
    timed(async || {
        let gateway = Gateway::start().await;
        let token = gateway.token().await;
        let path =
            format!("{ECHO}?lang=zh_CN&q=a%26access_token%3Db%20%2B&access_token=canary-token");
        let request = gateway
            .keyed("PUT", &path)
            .header("content-type", "text/xml; charset=gbk")
            .header("accept", "image/*")
            .header("accept-encoding", "gzip")
            .header("cookie", "canary=1")
            .header("connection", "close, x-canary")
            .header("x-canary", "canary")
            .header("forwarded", "for=canary")
            .header("x-forwarded-for", "canary")
            .header("x-forwarded-host", "canary")
            .header("x-real-ip", "canary")
            .header("x-request-id", "canary-id")
            .header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            .header("te", "trailers")
            .header("trailer", "x-canary")
            .header("upgrade", "canary")
            .header("proxy-authorization", "Basic canary")
            .header("referer", "http://canary")
            .header("origin", "http://canary")
            .header("user-agent", "canary")
            .header("range", "bytes=0-1")
            .header("if-none-match", "canary")
            .header("expect", "canary")
            .body("<xml>canary is welcome here</xml>");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["x-request-id"], "canary-id");
        let text = response.text().await.expect("a whole answer");
        let saw: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&saw["method"], &saw["path"]),
            (&json!("PUT"), &json!(ECHO))
        );
        assert_eq!(saw["body"], "<xml>canary is welcome here</xml>");
        let names: Vec<_> = saw["headers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| pair[0].clone())
            .collect();
        let mut names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "accept-encoding",
                "content-length",
                "content-type",
                "host",
                "user-agent"
            ]
        );
        let headers = saw["headers"].to_string();
        assert!(
            !headers.contains("canary") && !headers.contains("tbk_"),
            "{headers}"
        );
        assert!(
            headers.contains("identity") && headers.contains("charset=gbk"),
            "{headers}"
        );
        // The echo told the token, and it was masked.
        let query = json!([
            ["access_token", "*".repeat(token.len())],
            ["lang", "zh_CN"],
            ["q", "a&access_token=b +"],
        ]);
        assert_eq!(saw["query"], query);
        assert!(!text.contains(&token));
    });
}

#[test]
fn a_caller_gets_only_the_paths_it_was_given() {
    timed(async || {
        let gateway = Gateway::start().await;
        let with = |request: reqwest::RequestBuilder| request.bearer_auth(MESSENGER);
        let path = |path: &str| format!("/gateway/{APP}{path}");
        let sent = with(gateway.bare("POST", &path(TEMPLATE))).json(&message(FOLLOWER));
        assert_eq!(json(sent, 200).await["errcode"], 0);
        let asked = gateway.asked();
        for (method, path) in [
            ("GET", path("/cgi-bin/user/info?openid=o-follower")),
            ("GET", path("/cgi-bin/message")),
            ("GET", path("/CGI-BIN/message/x")),
            ("GET", format!("/user/{APP}/{FOLLOWER}")),
            ("POST", format!("/user/{APP}/batch")),
            ("POST", format!("/session/{APP}")),
            ("POST", format!("/oauth/{APP}/exchange")),
        ] {
            let problem = json(with(gateway.bare(method, &path)), 403).await;
            assert_eq!(problem["code"], "path_forbidden", "{path}");
        }
        let problem = json(with(gateway.bare("GET", &format!("/token/{APP}"))), 403).await;
        assert_eq!(problem["code"], "forbidden");
        assert_eq!(gateway.asked(), asked);
    });
}

#[test]
fn what_wechat_answers_is_counted_by_path_and_code() {
    timed(async || {
        let gateway = Gateway::start().await;
        let quota = Fault::new(FaultKind::Errcode(45009)).on(Endpoint::TemplateSend);
        gateway.wechat.faults().add(quota.times(2));
        for _ in 0..2 {
            let refused = json(
                gateway.keyed("POST", TEMPLATE).json(&message(FOLLOWER)),
                200,
            )
            .await;
            assert_eq!(refused["errcode"], 45009);
        }
        let odd = Fault::new(FaultKind::Errcode(987_654)).on(Endpoint::Echo);
        gateway.wechat.faults().add(odd.once());
        json(gateway.keyed("GET", ECHO), 200).await;
        gateway.caller.get(&format!("/user/{APP}/o-nobody")).await;
        let metrics = gateway.broker.metrics().await;
        for (path, errcode, count) in [
            ("/cgi-bin/message", "45009", 2.0),
            ("/wxa", "other", 1.0),
            ("/cgi-bin/user", "40003", 1.0),
        ] {
            let labels = [("appid", APP), ("path", path), ("errcode", errcode)];
            let counted = sample(&metrics, "token_broker_calls_total", &labels);
            assert_eq!(counted, count, "{path} {errcode}");
        }
    });
}
