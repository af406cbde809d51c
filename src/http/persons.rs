//! `/sns/userinfo`, `/sns/auth` and `/sns/oauth2/refresh_token`: WeChat's own paths where a person's token is the
//! credential. No key comes with them and nothing of ours goes along; so they are open only where the rights of some
//! caller open them, and all of them together have a bound of their own.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;

use super::call::Call;
use super::native::as_wechat_writes;
use super::oauth::person;
use super::parameters::TEXT_MOST;
use super::problem::Problem;
use super::users::LANGS;
use crate::calls::{CallError, Lang, RENEW, WEB_CHECK, WEB_USER};

/// `GET /sns/userinfo`.
pub(super) async fn user(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let (token, openid) = person(&query)?;
    let lang = query.parsed("lang", LANGS, Lang::parse)?;
    call.open_to_persons(WEB_USER)?;
    answer(call.calls().persons_profile(token, openid, lang).await)
}

/// `GET /sns/auth`.
pub(super) async fn check(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    let (token, openid) = person(&query)?;
    call.open_to_persons(WEB_CHECK)?;
    answer(call.calls().persons_check(token, openid).await)
}

/// `GET /sns/oauth2/refresh_token`.
pub(super) async fn renew(call: &Call) -> Result<HttpResponse, Problem> {
    let query = call.any_query()?;
    if query.required("grant_type", 64)? != "refresh_token" {
        let why = "It is not the one that this path takes.";
        return Err(Problem::bad_parameter(Some("grant_type"), why));
    }
    let appid = query.required("appid", 64)?;
    let refresh_token = query.required("refresh_token", TEXT_MOST)?;
    let id = call.app_open_to_persons(appid, RENEW)?;
    let renewed = call.calls().persons_renewal(id, refresh_token).await;
    answer(renewed.map(|token| as_wechat_writes(&token)))
}

/// WeChat's refusal is its answer: what it says of a person's token is for whoever holds that.
fn answer(told: Result<impl Serialize, CallError>) -> Result<HttpResponse, Problem> {
    match told {
        Ok(told) => Ok(HttpResponse::Ok().json(told)),
        Err(CallError::Refused(error)) => {
            let errmsg = match &error.rid {
                Some(rid) => format!("{} rid: {rid}", error.message),
                None => error.message.clone(),
            };
            Ok(HttpResponse::Ok().json(json!({"errcode": error.code, "errmsg": errmsg})))
        }
        Err(error) => Err(Problem::of_persons_call(error)),
    }
}
