//! `/wxa/simulator/echo`: nothing of WeChat's. It takes whatever comes with a good token, and tells what it saw: what
//! of a request a service passes on, and what not.

use std::time::Instant;

use hyper::Method;
use serde_json::json;

use super::{Answer, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::Echo,
    method: Method::GET,
    path: "/wxa/simulator/echo",
    query: &[],
    strict: false,
    credential: "path",
    act: tell,
};

fn tell(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    platform.accept(request.value("access_token").unwrap_or_default(), now)?;
    let text = String::from_utf8_lossy(&request.body);
    let shown: String = text.chars().take(10_000).collect();
    Ok(Answer {
        body: json!({
            "errcode": 0,
            "method": request.method.as_str(),
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": shown,
            "length": request.body.len(),
        })
        .into(),
        outcome: Outcome::Answered,
    })
}
