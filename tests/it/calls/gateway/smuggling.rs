//! Requests made to be read differently by two readers: one meaning reaches WeChat, or nothing does. And the token
//! does not come back in whatever WeChat, or what stands in its place, says.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;
use tempfile::TempDir;

use super::super::rig::APP;
use super::rig::{ECHO, Gateway, exchange, json};
use crate::support::broker::TestBroker;
use crate::support::settings::KEY;
use crate::support::timed::{timed, timed_in_a_crowd};

#[test]
fn a_bad_query_is_named_and_asks_nothing() {
    timed(async || {
        let gateway = Gateway::start().await;
        let long = "x".repeat(8200);
        let many: String = (0..40).map(|n| format!("a{n}=1&")).collect();
        for (query, parameter) in [
            ("access_token=a&access_token=b", Some("access_token")),
            ("access_token=a&access%5Ftoken=b", Some("access_token")),
            ("access_token=a&Access_Token=b", Some("access_token")),
            ("lang=a&lang=b", Some("lang")),
            ("lang=%ff", Some("lang")),
            ("lang=%", Some("lang")),
            ("lang=%0d%0aX-Evil:%201", Some("lang")),
            ("lang=%00", Some("lang")),
            ("%ff=1", None),
            ("a%20b=1", None),
            ("a[]=1", None),
            ("access_token%00=1", None),
            ("access_token%20=1", None),
            ("=1", None),
            (&format!("{}=1", "x".repeat(65)), None),
            (&format!("lang={long}"), None),
            (&many, None),
        ] {
            let problem = json(gateway.keyed("GET", &format!("{ECHO}?{query}")), 400).await;
            assert_eq!(problem["code"], "bad_parameter", "{query}");
            assert_eq!(problem["parameter"].as_str(), parameter, "{query}");
            assert!(!problem.to_string().contains("Evil"), "{problem}");
        }
        assert_eq!(gateway.asked(), 0);
    });
}

#[test]
fn a_token_hidden_in_a_parameter_stays_a_value() {
    timed(async || {
        let gateway = Gateway::start().await;
        let query = "a=1;access_token=canary&b=%26access_token%3Dcanary&c=x%23y";
        let saw = json(gateway.keyed("GET", &format!("{ECHO}?{query}")), 200).await;
        let pairs = saw["query"].as_array().cloned().unwrap_or_default();
        assert_eq!(
            pairs[1..],
            [
                json!(["a", "1;access_token=canary"]),
                json!(["b", "&access_token=canary"]),
                json!(["c", "x#y"]),
            ]
        );
        assert_eq!(pairs[0][0], "access_token");
    });
}

#[test]
fn a_bad_header_is_named_and_asks_nothing() {
    timed(async || {
        let gateway = Gateway::start().await;
        let long = "x".repeat(3000);
        for (name, values) in [
            (
                "content-type",
                ["text/plain", "application/json"].as_slice(),
            ),
            ("content-type", &["a\u{e9}"]),
            ("content-type", &[&long]),
            ("accept", &["text/plain", "image/*"]),
        ] {
            let request = gateway.keyed("POST", ECHO).body("x");
            let request = values.iter().fold(request, |request, value| {
                let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes());
                request.header(name, value.expect("a value"))
            });
            let problem = json(request, 400).await;
            assert_eq!(problem["parameter"], name);
        }
        let coded = gateway
            .keyed("POST", ECHO)
            .header("content-encoding", "gzip");
        let problem = json(coded.body("x"), 415).await;
        assert_eq!(problem["code"], "unsupported_media_type");
        assert_eq!(gateway.asked(), 0);
    });
}

/// Whatever the broker makes of these, WeChat sees one request or none, and never what was hidden in it.
#[test]
fn a_request_within_a_request_is_not_seen() {
    timed(async || {
        let gateway = Gateway::start().await;
        let hidden = format!("GET /gateway/{APP}{ECHO}?hidden=1 HTTP/1.1\r\nhost: x\r\n\r\n");
        for lengths in [
            String::from("content-length: 0\r\ntransfer-encoding: chunked\r\n"),
            String::from("transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
            String::from("transfer-encoding: identity, chunked\r\n"),
            String::from("transfer-encoding: chunked, identity\r\n"),
            String::from("transfer-encoding: xchunked\r\n"),
            String::from("transfer-encoding : chunked\r\n"),
            String::from("content-length: 0\r\ncontent-length: 5\r\n"),
            String::from("content-length: +0\r\n"),
            String::from("content-length: 0, 5\r\n"),
        ] {
            let before = gateway.asked();
            let sent = format!(
                "POST /gateway/{APP}{ECHO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
                 connection: close\r\n{lengths}\r\n0\r\n\r\n{hidden}"
            );
            let answer = exchange(gateway.broker.api, sent.into_bytes()).await;
            assert!(!answer.contains("hidden"), "{lengths}: {answer}");
            assert!(gateway.asked() <= before + 1, "{lengths}");
        }
        assert_eq!(gateway.wechat.violations(), []);
    });
}

/// A server that answers its first call of the gateway so, with `TOKEN` in the place of the token that was sent; it
/// leaves everything else to nobody.
fn answering(reply: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = vec![0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            if head.contains("/cgi-bin/token?") {
                let body = r#"{"access_token":"CANARY_0123456789_canary","expires_in":7200}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
                continue;
            }
            if !head.contains("/wxa/x") {
                let _ = stream.write_all(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n");
                continue;
            }
            let token = head.split_once("access_token=").map(|(_, rest)| rest);
            let token = token.and_then(|rest| rest.split([' ', '&']).next());
            let reply = reply.replace("TOKEN", token.unwrap_or("none"));
            // In two pieces, so that the token may lie across them.
            let (first, second) = reply.split_at(reply.len() - 9);
            let _ = stream.write_all(first.as_bytes());
            let _ = stream.flush();
            std::thread::sleep(std::time::Duration::from_millis(20));
            let _ = stream.write_all(second.as_bytes());
            return;
        }
    });
    (format!("http://{address}"), serving)
}

#[test]
fn the_token_comes_back_in_no_reply() {
    timed_in_a_crowd(async || {
        for (reply, status) in [
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\nx-token: TOKEN\r\nset-cookie: t=TOKEN\r\n\
                 content-type: text/plain; x=TOKEN\r\ncontent-disposition: attachment; filename=TOKEN\r\n\
                 location: /x?TOKEN\r\n\r\n{\"errcode\":40001,\"errmsg\":\"TOKEN\"}",
                200,
            ),
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nnot json: TOKEN",
                200,
            ),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://localhost:1/?access_token=TOKEN\r\ncontent-length: 0\r\n\r\n",
                504,
            ),
            (
                "HTTP/1.1 307 Found\r\nlocation: //evil.example/TOKEN\r\ncontent-length: 0\r\n\r\n",
                504,
            ),
            (
                "HTTP/1.1 500 TOKEN\r\nconnection: close\r\n\r\nTOKEN TOKEN",
                504,
            ),
            (
                "HTTP/1.1 404 x\r\nconnection: close\r\n\r\n<html>/wxa/x?access_token=TOKEN</html>",
                504,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\nTOKEN TOKEN",
                504,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{TOKEN TOKEN",
                504,
            ),
            ("TOKEN TOKEN TOKEN\r\n\r\n", 504),
        ] {
            let (url, serving) = answering(reply);
            let wechat = super::super::rig::wechat(Vec::new()).await;
            let directory = TempDir::new().expect("a directory");
            let mut settings = Gateway::settings(&wechat, &directory, "");
            settings.upstream = url;
            let broker = TestBroker::start(&settings).await;
            let caller = broker.caller();
            let token = caller
                .token_within(APP, std::time::Duration::from_secs(10))
                .await
                .token();
            let path = format!("/gateway/{APP}/wxa/x");
            let answer = caller.get(&path).await;
            assert_eq!(answer.status, status, "{reply}: {}", answer.body);
            let whole = format!("{:?}\n{}", answer.headers, answer.body);
            assert!(!whole.contains(&token), "{whole}");
            assert!(!whole.contains("CANARY"), "{whole}");
            assert!(!answer.headers.contains_key("set-cookie"));
            assert!(!answer.headers.contains_key("location"));
            assert!(!answer.headers.contains_key("x-token"));
            serving.join().expect("it served");
        }
    });
}
