//! `POST /wxa/getwxacodeunlimit`: a mini-program's code, an image in reply to JSON.

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::{Answer, Content, File, Parameter, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::WxaCode,
    method: Method::POST,
    path: "/wxa/getwxacodeunlimit",
    query: &[Parameter {
        name: "access_token",
        missing: Some(41001),
    }],
    strict: true,
    credential: "buffer",
    act: draw,
};

/// The first bytes of a JPEG, and some more.
const IMAGE: [u8; 12] = [
    0xFF, 0xD8, 0xFF, 0xE0, 0, 16, b'J', b'F', b'I', b'F', 0xFF, 0xD9,
];

fn draw(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    platform.accept(request.value("access_token").unwrap_or_default(), now)?;
    let asked: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Refusal::violating(47001, "the body is not JSON"))?;
    if asked["scene"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::violating(40035, "no scene"));
    }
    Ok(Answer {
        body: Content::File(File {
            content_type: "image/jpeg".to_owned(),
            name: None,
            bytes: Bytes::from_static(&IMAGE),
        }),
        outcome: Outcome::Answered,
    })
}
