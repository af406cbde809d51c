//! WeChat's own paths and shape, for clients that cannot be changed: the caller's key goes where they put the
//! AppSecret, and every answer has status 200.
//!
//! Such clients fetch again whenever something fails, some of them without end. So a fetch is answered from
//! memory, and what asks for a new token is taken as a report of the current one.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::call::{Asked, Call};
use super::oauth::CODE_MOST;
use super::parameters::{Parameters, TEXT_MOST};
use super::problem::Problem;
use super::ticket::{self, TYPES};
use crate::broker::Served;
use crate::calls::{EXCHANGE, SESSION, WebToken};
use crate::domain::credential::Kind;
use crate::snapshot::SlotId;

/// How a body must look, for people.
const FORM: &str = r#"{"grant_type": "client_credential", "appid": "...", "secret": "..."}"#;

/// A token, with what is left of its life.
#[derive(Serialize, ToSchema)]
#[schema(as = NativeToken)]
pub(super) struct Token<'a> {
    /// The token.
    access_token: &'a str,
    /// What is left of its life, in seconds.
    expires_in: u64,
}

/// A ticket, likewise.
#[derive(Serialize, ToSchema)]
#[schema(as = NativeTicket)]
pub(super) struct Ticket<'a> {
    /// 0.
    errcode: i64,
    /// `ok`.
    errmsg: &'a str,
    /// The ticket.
    ticket: &'a str,
    /// What is left of its life, in seconds.
    expires_in: u64,
}

/// `GET /cgi-bin/token`.
pub(super) async fn token(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let id = admit(call, &query, "client_credential", Asked::Token)?;
    answer(call, &current(call, id).await?)
}

/// `POST /cgi-bin/stable_token`.
pub(super) async fn stable_token(call: &Call) -> Result<HttpResponse, Problem> {
    let body = call.any_parameters(FORM).await?;
    let force = is_forced(&body)?;
    let id = admit(call, &body, "client_credential", Asked::Token)?;
    let mut served = current(call, id).await?;
    if force {
        let reported = call.broker().report(id, served.grant.digest).await;
        let app = call.broker().app(id);
        served = reported
            .current
            .map_err(|refusal| Problem::no_token(refusal, app))?;
    }
    answer(call, &served)
}

/// `GET /cgi-bin/ticket/getticket`.
pub(super) async fn ticket(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let kind = query.parsed("type", TYPES, Kind::of_ticket_type)?;
    let kind = kind.ok_or_else(|| Problem::bad_parameter(Some("type"), "It is missing."))?;
    let id = call.app_by_token(query.required("access_token", TEXT_MOST)?)?;
    let served = ticket::current(call, id, kind).await?;
    Ok(HttpResponse::Ok().json(Ticket {
        errcode: 0,
        errmsg: "ok",
        ticket: served.grant.value.expose(),
        expires_in: served.expires_in.as_secs(),
    }))
}

/// `GET /sns/oauth2/access_token`.
pub(super) async fn exchange(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let id = admit(call, &query, "authorization_code", Asked::Call(EXCHANGE))?;
    let exchanged = call
        .calls()
        .exchange(id, query.required("code", CODE_MOST)?);
    let failed = |error| Problem::of_call(error, call.broker().app(id));
    Ok(HttpResponse::Ok().json(as_wechat_writes(&exchanged.await.map_err(failed)?)))
}

/// `GET /sns/jscode2session`.
pub(super) async fn session(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let id = admit(call, &query, "authorization_code", Asked::Call(SESSION))?;
    let session = call
        .calls()
        .session(id, query.required("js_code", CODE_MOST)?);
    let failed = |error| Problem::of_call(error, call.broker().app(id));
    Ok(HttpResponse::Ok().json(session.await.map_err(failed)?))
}

/// The app, where the key in `secret` gives the right to it.
fn admit(
    call: &Call,
    parameters: &Parameters,
    grant_type: &str,
    asked: Asked,
) -> Result<SlotId, Problem> {
    if parameters.required("grant_type", 64)? != grant_type {
        let why = "It is not the one that this path takes.";
        return Err(Problem::bad_parameter(Some("grant_type"), why));
    }
    let appid = parameters.required("appid", 64)?;
    call.app_by_secret(parameters.required("secret", 256)?, appid, asked)
}

async fn current(call: &Call, id: SlotId) -> Result<Served, Problem> {
    let served = call.grant(id).await;
    served.map_err(|refusal| Problem::no_token(refusal, call.broker().app(id)))
}

fn answer(call: &Call, served: &Served) -> Result<HttpResponse, Problem> {
    call.count_served(served);
    Ok(HttpResponse::Ok().json(Token {
        access_token: served.grant.value.expose(),
        expires_in: served.expires_in.as_secs(),
    }))
}

fn is_forced(body: &Parameters) -> Result<bool, Problem> {
    match body.value("force_refresh") {
        None => Ok(false),
        Some(Value::Bool(force)) => Ok(*force),
        Some(_) => {
            let why = "It must be true or false.";
            Err(Problem::bad_parameter(Some("force_refresh"), why))
        }
    }
}

/// A virtual user is told by a 1, and any other not at all.
pub(super) fn as_wechat_writes(token: &WebToken) -> Value {
    let mut written = json!(token);
    if let Some(members) = written.as_object_mut() {
        members.remove("is_snapshotuser");
        if token.is_snapshotuser {
            members.insert("is_snapshotuser".to_owned(), json!(1));
        }
    }
    written
}
