//! `GET /cgi-bin/get_api_domain_ip`: the cheapest call that tells whether a token is accepted.

use std::time::Instant;

use hyper::Method;
use serde_json::json;

use super::{Answer, Parameter, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::ApiDomainIp,
    method: Method::GET,
    path: "/cgi-bin/get_api_domain_ip",
    query: &[Parameter {
        name: "access_token",
        missing: Some(41001),
    }],
    strict: true,
    credential: "ip_list",
    act: list,
};

fn list(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    platform.accept(request.value("access_token").unwrap_or_default(), now)?;
    Ok(Answer {
        body: json!({"ip_list": ["192.0.2.1", "192.0.2.2"]}).into(),
        outcome: Outcome::Answered,
    })
}
