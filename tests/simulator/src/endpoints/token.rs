//! `GET /cgi-bin/token`: each fetch issues a new token and supersedes the one before.

use std::time::Instant;

use hyper::Method;
use serde_json::json;

use super::{Answer, Parameter, Route};
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::platform::{Granted, Platform, expires_in};
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::Token,
    method: Method::GET,
    path: "/cgi-bin/token",
    query: &[
        Parameter {
            name: "grant_type",
            missing: Some(40002),
        },
        Parameter {
            name: "appid",
            missing: Some(41002),
        },
        Parameter {
            name: "secret",
            missing: Some(41004),
        },
    ],
    strict: true,
    credential: "access_token",
    act: fetch,
};

fn fetch(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    if value("grant_type") != "client_credential" {
        return Err(Refusal::violating(40002, "wrong grant_type"));
    }
    platform.admit(value("appid"), value("secret"))?;
    let granted = platform.fetch_rotating(value("appid"), now)?;
    Ok(reply(platform, granted, now))
}

/// A token as both token endpoints tell it: no `errcode` on success.
pub(super) fn reply(platform: &Platform, granted: Granted, now: Instant) -> Answer {
    let token = platform.tokens.at(granted.index());
    let serial = token.serial;
    Answer {
        body: json!({"access_token": token.value, "expires_in": expires_in(token, now)}).into(),
        outcome: match granted {
            Granted::New(_) => Outcome::Issued { serial },
            Granted::Same(_) => Outcome::Same { serial },
        },
    }
}
