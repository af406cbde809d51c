//! No way of writing a path leads to another path than the one that was judged, or to another host; and paths that
//! would touch what the broker owns lead nowhere.

use super::super::rig::APP;
use super::rig::{Gateway, exchange, json};
use crate::support::settings::KEY;
use crate::support::timed::timed;

/// The status and the code of an answer.
fn told(answer: &str) -> (&str, &str) {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let code = answer.split_once("\"code\":\"").map(|(_, rest)| rest);
    let code = code.and_then(|rest| rest.split('"').next());
    (status, code.unwrap_or_default())
}

async fn send(gateway: &Gateway, target: &str) -> String {
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    exchange(gateway.broker.api, head.into_bytes()).await
}

#[test]
fn no_spelling_leads_to_another_path_or_host() {
    timed(async || {
        let gateway = Gateway::start().await;
        let asked = gateway.asked();
        for path in [
            "/cgi-bin/../cgi-bin/token",
            "/cgi-bin/user/../../token",
            "/..",
            "/.",
            "/cgi-bin/./user",
            "/cgi-bin/%2e%2e/token",
            "/cgi-bin/%2E%2E%2Ftoken",
            "/cgi-bin/%252e%252e/token",
            "/cgi-bin/.%2e/token",
            "/cgi-bin//user",
            "//cgi-bin/user",
            "//evil.example/cgi-bin/user",
            "/cgi-bin/user/",
            "/cgi-bin/user%2finfo",
            "/cgi-bin%2fuser",
            "/cgi-bin/user%5cinfo",
            "/cgi-bin\\user",
            "/cgi-bin/user;a=b",
            "/cgi-bin/user%3blang=x",
            "/cgi-bin/user%3fopenid=x",
            "/cgi-bin/user%23x",
            "/cgi-bin/user%00",
            "/cgi-bin/user%0d%0aX:%20y",
            "/cgi-bin/user%20info",
            "/cgi-bin/user+info",
            "/cgi-bin/user.info",
            "/http://evil.example/cgi-bin/user",
            "/http:/evil.example",
            "/@evil.example",
            "/:80/x",
            "/[::1]/x",
            "/%75ser",
            "/cgi-bin/%E5%BE%AE",
            "/",
        ] {
            let answer = send(&gateway, &format!("/gateway/{APP}{path}")).await;
            assert_eq!(told(&answer), ("400", "bad_parameter"), "{path}: {answer}");
            assert!(
                answer.contains("\"parameter\":\"path\""),
                "{path}: {answer}"
            );
        }
        let long = format!("/gateway/{APP}/{}", "a".repeat(300));
        assert_eq!(told(&send(&gateway, &long).await), ("400", "bad_parameter"));
        for (target, status, code) in [
            // Not the gateway at all.
            (format!("/gateway/{APP}"), "404", "no_such_route"),
            (
                format!("/gateway/{APP}%2fcgi-bin/user"),
                "404",
                "unknown_app",
            ),
            (
                String::from("/gateway/../cgi-bin/user"),
                "404",
                "unknown_app",
            ),
            (
                String::from("/gateway//cgi-bin/user"),
                "404",
                "no_such_route",
            ),
            (
                format!("/GATEWAY/{APP}/cgi-bin/user"),
                "404",
                "no_such_route",
            ),
            (
                format!("/%67ateway/{APP}/cgi-bin/user"),
                "404",
                "no_such_route",
            ),
            (
                format!("/gateway/%2e%2e/gateway/{APP}/x"),
                "404",
                "unknown_app",
            ),
            (format!("gateway/{APP}/x"), "400", ""),
        ] {
            let answer = send(&gateway, &target).await;
            assert_eq!(told(&answer), (status, code), "{target}: {answer}");
        }
        assert_eq!(gateway.asked(), asked, "WeChat was asked");
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn an_absolute_url_is_served_here_and_asks_nobody_else() {
    timed(async || {
        let gateway = Gateway::start().await;
        let target =
            format!("http://evil.example/gateway/{APP}/cgi-bin/user/info?openid=o-follower");
        let answer = send(&gateway, &target).await;
        assert_eq!(told(&answer).0, "200", "{answer}");
        assert!(answer.contains("o-follower"), "{answer}");
        for target in ["evil.example:443", "*"] {
            let answer = send(&gateway, target).await;
            assert!(told(&answer).0.starts_with('4'), "{answer}");
        }
    });
}

#[test]
fn what_the_broker_owns_is_closed() {
    timed(async || {
        let gateway = Gateway::start().await;
        let asked = gateway.asked();
        for path in [
            "/cgi-bin/token?grant_type=client_credential&appid=x&secret=y",
            "/CGI-BIN/Token",
            "/cgi-bin/stable_token",
            "/cgi-bin/ticket/getticket?type=jsapi",
            "/cgi-bin/clear_quota",
            "/cgi-bin/clear_quota/v2",
            "/cgi-bin/openapi/quota/clear",
            "/sns/oauth2/access_token",
            "/sns/userinfo",
            "/cgi-bin/component/api_component_token",
        ] {
            for method in ["GET", "POST"] {
                let problem = json(gateway.keyed(method, path), 403).await;
                assert_eq!(problem["code"], "path_closed", "{path}");
            }
        }
        assert_eq!(gateway.asked(), asked, "WeChat was asked");
        assert_eq!(gateway.wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn other_methods_are_refused() {
    timed(async || {
        let gateway = Gateway::start().await;
        for method in ["OPTIONS", "TRACE", "PROPFIND"] {
            let problem = json(gateway.keyed(method, "/cgi-bin/user/info"), 405).await;
            assert_eq!(problem["code"], "method_not_allowed");
        }
        let head = gateway.keyed("HEAD", "/cgi-bin/user/info").send().await;
        assert_eq!(head.expect("an answer").status(), 405);
        assert_eq!(gateway.asked(), 0);
    });
}
