//! `GET /ticket/{appid}/{type}`: a ticket as it is, for whoever makes the signatures itself.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::conditional::is_known;
use super::negotiation::prefers_text;
use super::problem::Problem;
use super::token::etag;
use crate::broker::Served;
use crate::domain::caller::Verb;
use crate::domain::credential::Kind;
use crate::snapshot::SlotId;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What `type` must be, for people.
pub(super) const TYPES: &str = "It must be jsapi or wx_card.";

/// A ticket as it is handed out.
#[derive(Serialize, ToSchema)]
pub(super) struct Ticket<'a> {
    /// The app.
    appid: &'a str,
    /// Which ticket.
    r#type: &'a str,
    /// The ticket.
    ticket: &'a str,
    /// What is left of its life, in seconds.
    expires_in: u64,
    /// When it expires, in seconds since 1970 UTC.
    expires_at: u64,
    /// A number that only grows, another for each ticket.
    version: u64,
}

/// The current ticket.
pub(super) async fn read(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Read)?;
    let kind = Kind::of_ticket_type(call.path("type"));
    let kind = kind.ok_or_else(|| Problem::bad_parameter(Some("type"), TYPES))?;
    let served = current(call, id, kind).await?;
    let etag = etag(served.grant.version);
    if is_known(call.headers(), &etag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, etag))
            .finish());
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((ETAG, etag));
    let ticket = served.grant.value.expose();
    if prefers_text(call.headers()) {
        response.insert_header((CONTENT_TYPE, TEXT));
        return Ok(response.body(ticket.to_owned()));
    }
    Ok(response.json(Ticket {
        appid: call.broker().app(id).as_str(),
        r#type: call.path("type"),
        ticket,
        expires_in: served.expires_in.as_secs(),
        expires_at: served.expires_at.as_secs(),
        version: served.grant.version.0,
    }))
}

/// The ticket of this kind, of the app whose access token `id` is.
pub(super) async fn current(call: &Call, id: SlotId, kind: Kind) -> Result<Served, Problem> {
    let app = call.broker().app(id);
    let ticket = call.broker().ticket(id, kind);
    let ticket = ticket.ok_or_else(|| Problem::ticket_not_kept(kind, app))?;
    let served = call.grant(ticket).await;
    let served = served.map_err(|refusal| Problem::no_ticket(refusal, app))?;
    call.count_served(&served);
    Ok(served)
}
