//! The contract says what the interface does: its routes and methods, the members of its answers, and that
//! the committed copy is today's.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::Value;
use token_broker::http::{Route, openapi_json};

use super::rig::{Rig, with_key};
use crate::support::places::heavy;

fn contract() -> Value {
    serde_json::from_str(&openapi_json()).unwrap_or_else(|error| panic!("{error}"))
}

/// Every (path, method, operation).
fn operations(contract: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = contract["paths"].as_object();
    paths
        .into_iter()
        .flatten()
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

fn members(object: &Value) -> BTreeSet<&str> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_committed_copy_is_todays() {
    let committed = include_str!("../../../docs/openapi.json");
    assert!(committed == openapi_json(), "run `make openapi`");
}

#[test]
fn every_route_has_its_operation() {
    let contract = contract();
    let operations = operations(&contract);
    let described: BTreeSet<_> = operations
        .iter()
        .filter_map(|(_, _, operation)| operation["operationId"].as_str())
        // One route, five methods.
        .filter(|name| !name.starts_with("gateway_"))
        .collect();
    // WeChat's own paths, a page for people, and what is no route.
    let undescribed = [Route::NativeCall, Route::Docs, Route::None];
    let routes: BTreeSet<_> = Route::ALL
        .into_iter()
        .filter(|route| !undescribed.contains(route))
        .map(Route::as_str)
        .collect();
    assert_eq!(described, routes);
    assert_eq!(operations.len(), routes.len() + 4);
}

#[actix_web::test]
async fn every_path_takes_the_methods_that_the_contract_names_and_no_others() {
    let _heavy = heavy();
    let rig = Rig::new();
    let contract = contract();
    for (path, item) in contract["paths"].as_object().into_iter().flatten() {
        let mut methods: BTreeSet<_> = members(item).iter().map(|m| m.to_uppercase()).collect();
        if methods.contains("GET") && !path.ends_with("/events") && !path.contains("gateway") {
            methods.insert("HEAD".to_owned());
        }
        let path = path
            .replace("{appid}", "wx-served")
            .replace("{openid}", "o1")
            .replace("{path}", "cgi-bin/tags/get");
        let request = TestRequest::default().method(Method::TRACE).uri(&path);
        let answer = rig.send(with_key("reader", request)).await;
        if item.to_string().contains("WeChatError") {
            // WeChat's own words for "not by GET" and "not by POST".
            let code = if methods.contains("GET") {
                43001
            } else {
                43002
            };
            assert_eq!(answer.json()["errcode"], code, "{path}");
            continue;
        }
        assert_eq!(answer.status.as_u16(), 405, "{path}");
        let allowed: BTreeSet<_> = answer
            .header("allow")
            .split(", ")
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[test]
fn every_operation_is_told_in_words_and_by_example() {
    let contract = contract();
    for (path, method, operation) in operations(&contract) {
        for key in ["summary", "description"] {
            let words = operation[key].as_str().unwrap_or_default();
            assert!(words.len() > 8, "{method} {path}: {key}");
        }
        assert!(operation["tags"][0].is_string(), "{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(
                parameter["description"].is_string(),
                "{method} {path}: {name}"
            );
            assert!(!parameter["example"].is_null(), "{method} {path}: {name}");
        }
        let bodies = [&operation["requestBody"], &operation["responses"]["200"]];
        for (media, content) in bodies
            .into_iter()
            .flat_map(|body| body["content"].as_object())
            .flatten()
        {
            let shown = !content["example"].is_null() || !content["examples"].is_null();
            assert!(shown || path == "/openapi.json", "{method} {path}: {media}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(at: &Value, contract: &Value) {
        match at {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    let found = contract.pointer(to.trim_start_matches('#'));
                    assert!(found.is_some(), "{to}");
                }
                members.values().for_each(|value| look(value, contract));
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, contract)),
            _ => {}
        }
    }
    let contract = contract();
    look(&contract, &contract);
}

#[actix_web::test]
async fn what_is_written_by_hand_has_the_members_that_the_contract_names() {
    let rig = Rig::new();
    rig.serve();
    let contract = contract();
    let named = |schema: &str| members(&contract["components"]["schemas"][schema]["properties"]);
    let token = rig.get("reader", "/token/wx-served").await.json();
    assert_eq!(members(&token), named("Token"));
    let body = format!("{{\"sha256\":\"{}\"}}", "0".repeat(64));
    let reported = rig.post("reader", "/token/wx-served/report", &body).await;
    assert_eq!(members(&reported.json()), named("Reported"));
}

#[actix_web::test]
async fn the_contract_is_answered_without_a_key() {
    let rig = Rig::new();
    let answer = rig.send(TestRequest::get().uri("/openapi.json")).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), openapi_json());
}

#[actix_web::test]
async fn the_page_is_answered_without_a_key_and_lets_nothing_of_others_in() {
    let rig = Rig::new();
    let answer = rig.send(TestRequest::get().uri("/docs")).await;
    assert_eq!(answer.status.as_u16(), 308);
    assert_eq!(answer.header("location"), "docs/");
    for (part, media_type) in [
        ("", "text/html"),
        ("swagger-initializer.js", "text/javascript"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
    ] {
        let answer = rig
            .send(TestRequest::get().uri(&format!("/docs/{part}")))
            .await;
        assert_eq!(answer.status.as_u16(), 200, "{part}");
        assert_eq!(answer.header("content-type"), media_type, "{part}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        if part == "swagger-initializer.js" {
            assert!(
                answer.text().contains("\"../openapi.json\""),
                "{}",
                answer.text()
            );
        }
    }
    for part in [
        "nothing.js",
        "../openapi.json",
        "%2e%2e/openapi.json",
        "index.html/",
    ] {
        let answer = rig
            .send(TestRequest::get().uri(&format!("/docs/{part}")))
            .await;
        assert_eq!(answer.status.as_u16(), 404, "{part}");
        assert_eq!(answer.problem(), "no_such_route");
    }
}
