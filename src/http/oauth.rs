//! `/oauth/{appid}` and `/session/{appid}`: web authorization and the login of mini-programs, without the
//! caller knowing the AppSecret.

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT, HeaderMap, LOCATION};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::call::Call;
use super::parameters::{Parameters, TEXT_MOST};
use super::problem::Problem;
use super::users::{LANGS, OPENID, is_openid};
use crate::calls::{
    CallError, Consent, EXCHANGE, Lang, RENEW, SESSION, Scope, WEB_CHECK, WEB_USER,
};
use crate::snapshot::SlotId;

/// The most that a `state` may have, by WeChat's documentation.
pub(super) const STATE_MOST: usize = 128;

/// The most that a code may have; WeChat's have 32 to some 60.
pub(super) const CODE_MOST: usize = 512;

/// Where a person is asked for consent.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsentPage {
    /// The page's address, to be used as it is.
    url: String,
}

/// What is said of a person's token.
#[derive(Serialize, ToSchema)]
pub(super) struct Validity {
    /// Whether WeChat accepts it.
    valid: bool,
}

/// WeChat's consent page: a redirection for browsers, its address for programs.
pub(super) async fn authorize(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask_with_query(EXCHANGE)?;
    let query = call.query(&["redirect_uri", "scope", "state", "forcePopup"])?;
    let url = call.calls().authorize(id, &consent(&query)?);
    if prefers_html(call.headers()) {
        let found = HttpResponse::Found()
            .insert_header((LOCATION, url))
            .finish();
        return Ok(found);
    }
    Ok(HttpResponse::Ok().json(ConsentPage { url }))
}

/// A code → a token.
pub(super) async fn exchange(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(EXCHANGE)?;
    let body = call.parameters(0, r#"{"code": "..."}"#, &["code"]).await?;
    let token = call.calls().exchange(id, body.required("code", CODE_MOST)?);
    told(call, id, token.await)
}

/// A refresh token → a token.
pub(super) async fn refresh(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(RENEW)?;
    let form = r#"{"refresh_token": "..."}"#;
    let body = call.parameters(0, form, &["refresh_token"]).await?;
    let token = body.required("refresh_token", TEXT_MOST)?;
    told(call, id, call.calls().renew(id, token).await)
}

/// The profile of whose token it is.
pub(super) async fn userinfo(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(WEB_USER)?;
    let form = r#"{"access_token": "...", "openid": "...", "lang": "zh_CN"}"#;
    let body = call
        .parameters(0, form, &["access_token", "openid", "lang"])
        .await?;
    let (token, openid) = person(&body)?;
    let lang = body.parsed("lang", LANGS, Lang::parse)?;
    told(
        call,
        id,
        call.calls().web_user(id, token, openid, lang).await,
    )
}

/// Whether a token is good.
pub(super) async fn check(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(WEB_CHECK)?;
    let form = r#"{"access_token": "...", "openid": "..."}"#;
    let body = call
        .parameters(0, form, &["access_token", "openid"])
        .await?;
    let (token, openid) = person(&body)?;
    let valid = match call.calls().check_web(id, token, openid).await {
        // WeChat's way of saying no; everything else says nothing of the token.
        Err(CallError::Refused(error)) if error.code == 40003 || error.is_about_token() => {
            Ok(false)
        }
        checked => checked.map(|()| true),
    };
    told(call, id, valid.map(|valid| Validity { valid }))
}

/// A mini-program's code → its session.
pub(super) async fn session(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_to_ask(SESSION)?;
    let body = call
        .parameters(0, r#"{"js_code": "..."}"#, &["js_code"])
        .await?;
    let session = call
        .calls()
        .session(id, body.required("js_code", CODE_MOST)?);
    told(call, id, session.await)
}

fn told<T: Serialize>(
    call: &Call,
    id: SlotId,
    outcome: Result<T, CallError>,
) -> Result<HttpResponse, Problem> {
    let told = outcome.map_err(|error| Problem::of_call(error, call.broker().app(id)))?;
    Ok(HttpResponse::Ok().json(told))
}

fn consent(query: &Parameters) -> Result<Consent<'_>, Problem> {
    let redirect_uri = query.required("redirect_uri", TEXT_MOST)?;
    if !is_web_address(redirect_uri) {
        let why = "It must be an address that begins with http:// or https://, without a fragment.";
        return Err(Problem::bad_parameter(Some("redirect_uri"), why));
    }
    let state = query.text("state", STATE_MOST)?;
    if state.is_some_and(|state| !state.bytes().all(|b| b.is_ascii_alphanumeric())) {
        let why = "It must be letters and digits.";
        return Err(Problem::bad_parameter(Some("state"), why));
    }
    let scope = query.parsed(
        "scope",
        "It must be snsapi_base or snsapi_userinfo.",
        Scope::parse,
    )?;
    let popup = query.parsed("forcePopup", "It must be true or false.", |text| {
        text.parse().ok()
    })?;
    Ok(Consent {
        redirect_uri,
        scope: scope.ok_or_else(|| Problem::bad_parameter(Some("scope"), "It is missing."))?,
        state,
        force_popup: popup.unwrap_or(false),
    })
}

fn is_web_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    matches!(url.scheme(), "http" | "https") && url.has_host() && bare
}

pub(super) fn person(parameters: &Parameters) -> Result<(&str, &str), Problem> {
    let token = parameters.required("access_token", TEXT_MOST)?;
    let openid = parameters.required("openid", TEXT_MOST)?;
    if !is_openid(openid) {
        return Err(Problem::bad_parameter(Some("openid"), OPENID));
    }
    Ok((token, openid))
}

/// Browsers name `text/html`; programs do not.
fn prefers_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.contains("text/html"))
}
