//! `GET /cgi-bin/ticket/getticket`: tickets for the JS-SDK and for cards.

use std::time::Instant;

use hyper::Method;
use serde_json::json;

use super::{Answer, Parameter, Route};
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::platform::tickets::TicketKind;
use crate::platform::{Platform, whole_seconds};
use crate::server::Request;

pub(super) const ROUTE: Route = Route {
    endpoint: Endpoint::Ticket,
    method: Method::GET,
    path: "/cgi-bin/ticket/getticket",
    query: &[
        Parameter {
            name: "access_token",
            missing: Some(41001),
        },
        Parameter {
            name: "type",
            missing: Some(40035),
        },
    ],
    strict: true,
    credential: "ticket",
    act: issue,
};

fn issue(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let Some(kind) = request.value("type").and_then(TicketKind::parse) else {
        return Err(Refusal::violating(40035, "unknown type of ticket"));
    };
    // This endpoint does not say what is wrong with a token.
    let token = request.value("access_token").unwrap_or_default();
    let appid = match platform.accept(token, now) {
        Ok(token) => token.appid.clone(),
        Err(_) => return Err(Refusal::new(40001)),
    };
    let ticket = platform
        .tickets
        .issue(&appid, kind, now, &platform.settings);
    Ok(Answer {
        body: json!({
            "errcode": 0,
            "errmsg": "ok",
            "ticket": ticket.value,
            "expires_in": whole_seconds(ticket.dies_at.duration_since(now)),
        })
        .into(),
        outcome: Outcome::Answered,
    })
}
