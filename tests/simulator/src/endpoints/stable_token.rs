//! `POST /cgi-bin/stable_token`: the same token until it nears its end, unless a refresh is forced.

use std::time::Instant;

use hyper::Method;
use serde_json::{Map, Value};

use super::{Answer, Route, token};
use crate::platform::Platform;
use crate::platform::calls::Endpoint;
use crate::platform::errcode::Refusal;
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::StableToken,
    method: Method::POST,
    path: "/cgi-bin/stable_token",
    query: &[],
    strict: true,
    credential: "access_token",
    act: fetch,
};

const MEMBERS: [&str; 4] = ["grant_type", "appid", "secret", "force_refresh"];

fn fetch(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    if !request.is_json() {
        let what = "the content type is not application/json";
        return Err(Refusal::violating(47001, what));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(Refusal::violating(47001, "the body is not a JSON object"));
    };
    if let Some(name) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        let what = format!("unknown member {name}");
        return Err(Refusal::violating(40035, what));
    }
    if text(&body, "grant_type", 40002)? != "client_credential" {
        return Err(Refusal::violating(40002, "wrong grant_type"));
    }
    let appid = text(&body, "appid", 41002)?;
    let secret = text(&body, "secret", 41004)?;
    let force = match body.get("force_refresh") {
        None => false,
        Some(Value::Bool(force)) => *force,
        Some(_) => return Err(Refusal::violating(40035, "force_refresh is not a boolean")),
    };
    platform.admit(appid, secret)?;
    let granted = platform.fetch_stable(appid, force, now)?;
    Ok(token::reply(platform, granted, now))
}

/// A member that must be a string with something in it.
fn text<'a>(body: &'a Map<String, Value>, name: &str, missing: i64) -> Result<&'a str, Refusal> {
    body.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::violating(missing, format!("missing member {name}")))
}
