//! `POST /cgi-bin/message/template/send`: a template message to a follower.

use std::time::Instant;

use hyper::Method;
use serde_json::{Value, json};

use super::{Answer, Parameter, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::TemplateSend,
    method: Method::POST,
    path: "/cgi-bin/message/template/send",
    query: &[Parameter {
        name: "access_token",
        missing: Some(41001),
    }],
    strict: true,
    credential: "msgid",
    act: send,
};

fn send(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let token = request.value("access_token").unwrap_or_default();
    let appid = platform.accept(token, now)?.appid.clone();
    let message: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Refusal::violating(47001, "the body is not JSON"))?;
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    if text("template_id").is_empty() {
        return Err(Refusal::violating(40037, "no template_id"));
    }
    if !message["data"].is_object() {
        return Err(Refusal::violating(47001, "no data"));
    }
    if !platform.user(&appid, text("touser"))?.follows {
        return Err(Refusal::new(43004));
    }
    // One message a call: its number tells a call that was made twice.
    let id = platform.record.all().len();
    Ok(Answer {
        body: json!({"errcode": 0, "errmsg": "ok", "msgid": id}).into(),
        outcome: Outcome::Answered,
    })
}
