//! Whatever is refused: each with its code, and never with a secret in it.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::rig::{Rig, TOKEN, key, with_key};
use crate::support::places::heavy;

/// Every route with an app, its method and the callers that may not use it.
const APP_ROUTES: [(&str, &str, &[&str]); 6] = [
    ("GET", "/token/APP", &["caller", "refresher", "admin"]),
    (
        "POST",
        "/token/APP/report",
        &["caller", "refresher", "admin"],
    ),
    ("POST", "/token/APP/refresh", &["caller", "reader", "admin"]),
    ("GET", "/apps/APP", &["caller", "refresher", "reader"]),
    (
        "POST",
        "/apps/APP/pause",
        &["caller", "refresher", "reader"],
    ),
    (
        "POST",
        "/apps/APP/resume",
        &["caller", "refresher", "reader"],
    ),
];

fn request(method: &str, path: &str) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes());
    TestRequest::default()
        .method(method.unwrap_or_default())
        .uri(path)
        .insert_header(("content-type", "application/json"))
        .set_payload(format!("{{\"sha256\":\"{}\"}}", "0".repeat(64)))
}

fn served(path: &str) -> String {
    path.replace("APP", "wx-served")
}

#[actix_web::test]
async fn no_key_a_wrong_one_and_a_malformed_one_are_told_apart() {
    let _heavy = heavy();
    let rig = Rig::new();
    let foreign = format!("Bearer {}", key("stranger"));
    let wrong = format!("Bearer tbk_reader_{}", "0".repeat(64));
    let good = format!("Bearer {}", key("reader"));
    for (method, path, _) in APP_ROUTES.into_iter().chain([("GET", "/apps", &[][..])]) {
        let ask = || request(method, &served(path));
        let with = |value: &str| ask().insert_header(("authorization", value.to_owned()));
        for (request, code) in [
            (ask(), "key_missing"),
            (with(&foreign), "key_wrong"),
            (with(&wrong), "key_wrong"),
            (with("Bearer canary"), "key_malformed"),
            (with("Basic Y2FuYXJ5"), "key_malformed"),
            (with(""), "key_malformed"),
            (
                ask().insert_header(("authorization", &b"Bearer \xff\xfe"[..])),
                "key_malformed",
            ),
            (with(&good.to_uppercase()), "key_malformed"),
            (
                with(&good).append_header(("authorization", good.clone())),
                "key_malformed",
            ),
        ] {
            let answer = rig.serve().send(request).await;
            assert_eq!(answer.problem(), code, "{path}");
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert!(!answer.text().contains("canary"));
        }
    }
}

#[actix_web::test]
async fn another_verb_is_refused_and_the_needed_one_named() {
    let _heavy = heavy();
    let rig = Rig::new();
    for (method, path, lesser) in APP_ROUTES {
        for caller in lesser {
            let request = with_key(caller, request(method, &served(path)));
            let answer = rig.serve().send(request).await;
            assert_eq!(answer.problem(), "forbidden", "{caller} {path}");
            assert_eq!(answer.status, 403);
            let verb = answer.json()["verb"].clone();
            assert!(
                ["read", "refresh", "admin"]
                    .iter()
                    .any(|word| verb == *word)
            );
        }
    }
    let answer = rig.get("reader", "/apps").await;
    assert_eq!(answer.problem(), "forbidden");
}

#[actix_web::test]
async fn an_app_without_any_right_looks_like_one_that_does_not_exist() {
    let _heavy = heavy();
    let rig = Rig::new();
    for (method, path, _) in APP_ROUTES {
        let about = |app: &str| with_key("reader", request(method, &path.replace("APP", app)));
        let hidden = rig.serve().send(about("wx-empty")).await;
        let unknown = rig.send(about("wx-hazy1")).await;
        assert_eq!(hidden.status, 404, "{path}");
        assert_eq!(hidden.problem(), "unknown_app");
        let alike = hidden.text().replace("wx-empty", "wx-hazy1");
        assert_eq!(alike, unknown.text());
        let names = |answer: &super::rig::Answer| {
            let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&hidden), names(&unknown));
    }
}

#[actix_web::test]
async fn odd_appids_are_unknown_apps_and_nothing_worse() {
    let _heavy = heavy();
    let rig = Rig::new();
    let long = "x".repeat(5_000);
    for odd in [
        "%00",
        "%2e%2e",
        "wx%2Fserved",
        "%ff%fe",
        "%zz",
        "%",
        "wx served".replace(' ', "%20").as_str(),
        "%E5%BE%AE",
        "..",
        "{appid}",
        "wx-served%0d%0ax:y",
        "wx-served;a=b",
        "WX-SERVED",
        &long,
        &key("reader"),
    ] {
        let answer = rig.serve().get("reader", &format!("/token/{odd}")).await;
        assert_eq!(answer.status, 404, "{odd}");
        assert!(["unknown_app", "no_such_route"].contains(&answer.problem().as_str()));
        assert!(!answer.text().contains(&key("reader")));
        assert!(answer.body.len() < 1_000);
    }
    // The same app, written differently.
    let answer = rig.get("reader", "/token/wx%2Dserved").await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn other_paths_do_not_exist() {
    let _heavy = heavy();
    let rig = Rig::new();
    for path in [
        "/",
        "/token",
        "/token/",
        "//token/wx-served",
        "/token//wx-served",
        "/token/wx-served/",
        "/token/wx-served/report/x",
        "/token/../token/wx-served",
        "/Token/wx-served",
        "/ticket/wx-served",
        "/ticket/wx-served/jsapi/x",
        "/jssdk/wx-served/pay",
        "/metrics",
        "/apps/",
        "/%74oken/x/y",
    ] {
        let answer = rig.get("reader", path).await;
        assert_eq!(answer.problem(), "no_such_route", "{path}");
        assert_eq!(answer.status, 404);
    }
}

#[actix_web::test]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let _heavy = heavy();
    let rig = Rig::new();
    for (right, path, _) in APP_ROUTES {
        for wrong in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let answer = rig
                .send(with_key("reader", request(wrong, &served(path))))
                .await;
            assert_eq!(answer.problem(), "method_not_allowed", "{wrong} {path}");
            assert_eq!(answer.status, 405);
            assert!(answer.header("allow").starts_with(right));
        }
    }
}

#[actix_web::test]
async fn a_query_is_refused_and_its_value_not_repeated() {
    let rig = Rig::new();
    for (query, named) in [
        ("access_token=canary", "'access_token'"),
        ("key=canary&x=1", "'key'"),
        ("", "one was sent"),
        ("canary%20value", "one was sent"),
        ("=canary", "one was sent"),
    ] {
        let path = format!("/token/wx-served?{query}");
        let answer = rig.serve().get("reader", &path).await;
        assert_eq!(answer.problem(), "unexpected_query", "{query}");
        assert!(answer.text().contains(named), "{}", answer.text());
        assert!(!answer.text().contains("canary"));
    }
    // A key in the query is no key.
    let path = format!("/token/wx-served?access_token={}", key("reader"));
    let answer = rig.send(TestRequest::get().uri(&path)).await;
    assert_eq!(answer.problem(), "key_missing");
}

#[actix_web::test]
async fn a_body_that_is_not_understood_is_refused_without_being_repeated() {
    let _heavy = heavy();
    let rig = Rig::new();
    let sha = "0".repeat(64);
    for body in [
        String::new(),
        String::from("{"),
        String::from("null"),
        String::from("\"canary\""),
        String::from("[\"canary\", null]"),
        String::from("{}"),
        String::from("{\"access_token\":null}"),
        String::from("{\"access_token\":7}"),
        String::from("{\"access_token\":\"\"}"),
        String::from("{\"access_token\":\"can ary\"}"),
        String::from("{\"access_token\":\"canary\\u0000\"}"),
        String::from("{\"access_token\":\"\u{5fae}\u{4fe1}\"}"),
        String::from("{\"access_token\":{\"canary\":1}}"),
        String::from("{\"access_token\":\"canary\",\"access_token\":\"canary\"}"),
        String::from("{\"access_token\":\"canary\"} trailing"),
        String::from("{\"canary\":\"canary\"}"),
        String::from("{\"sha256\":\"canary\"}"),
        format!("{{\"sha256\":\"{}\"}}", "g".repeat(64)),
        format!("{{\"access_token\":\"canary\",\"sha256\":\"{sha}\"}}"),
        format!("{{\"sha256\":\"{sha}\",\"more\":1}}"),
        format!("{{\"access_token\":\"{}\"}}", "x".repeat(3_000)),
    ] {
        let answer = rig.post("reader", "/token/wx-served/report", &body).await;
        assert_eq!(answer.problem(), "malformed_body", "{body}");
        assert_eq!(answer.status, 400);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
}

#[actix_web::test]
async fn a_body_must_be_json_and_small() {
    let rig = Rig::new();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "json",
    ] {
        let request = TestRequest::post().uri("/token/wx-served/report");
        let request = with_key("reader", request).insert_header(("content-type", media_type));
        let answer = rig.send(request.set_payload("{}")).await;
        assert_eq!(answer.problem(), "unsupported_media_type");
        assert_eq!(answer.status, 415);
    }
    let large = format!("{{\"access_token\":\"{}\"}}", "x".repeat(5_000));
    let answer = rig.post("reader", "/token/wx-served/report", &large).await;
    assert_eq!(answer.problem(), "body_too_large");
    assert_eq!(answer.status, 413);
}

#[actix_web::test]
async fn who_may_not_report_learns_nothing_from_the_body() {
    let rig = Rig::new();
    let answer = rig.post("admin", "/token/wx-served/report", "{").await;
    assert_eq!(answer.problem(), "forbidden");
    assert!(
        !rig.serve()
            .get("admin", "/apps")
            .await
            .text()
            .contains(TOKEN)
    );
}
