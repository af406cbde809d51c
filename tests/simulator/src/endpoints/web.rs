//! `/sns/**`: web authorization, with tokens of its own, and the login of mini-programs.

use std::time::Instant;

use hyper::Method;
use serde_json::{Value, json};

use super::user_info::check_lang;
use super::{Answer, Parameter, Route};
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::platform::people::{Consent, Scope};
use crate::platform::{Platform, whole_seconds};
use crate::server::Request;

const fn required(name: &'static str, missing: i64) -> Parameter {
    Parameter {
        name,
        missing: Some(missing),
    }
}

const APPID: Parameter = required("appid", 41002);
const SECRET: Parameter = required("secret", 41004);
const GRANT_TYPE: Parameter = required("grant_type", 40002);
const TOKEN: Parameter = required("access_token", 41001);
const OPENID: Parameter = required("openid", 41009);

const fn get(
    endpoint: Endpoint,
    path: &'static str,
    query: &'static [Parameter],
    credential: &'static str,
    act: fn(&mut Platform, &Request, Instant) -> Result<Answer, Refusal>,
) -> Route {
    Route {
        endpoint,
        method: Method::GET,
        path,
        query,
        strict: true,
        credential,
        act,
    }
}

pub(super) const EXCHANGE: Route = get(
    Endpoint::WebToken,
    "/sns/oauth2/access_token",
    &[APPID, SECRET, required("code", 41008), GRANT_TYPE],
    "access_token",
    exchange,
);

pub(super) const REFRESH: Route = get(
    Endpoint::WebRefresh,
    "/sns/oauth2/refresh_token",
    &[APPID, GRANT_TYPE, required("refresh_token", 41003)],
    "access_token",
    refresh,
);

pub(super) const USER: Route = get(
    Endpoint::WebUser,
    "/sns/userinfo",
    &[
        TOKEN,
        OPENID,
        Parameter {
            name: "lang",
            missing: None,
        },
    ],
    "openid",
    user,
);

pub(super) const CHECK: Route = get(
    Endpoint::WebCheck,
    "/sns/auth",
    &[TOKEN, OPENID],
    "errmsg",
    check,
);

pub(super) const SESSION: Route = get(
    Endpoint::Session,
    "/sns/jscode2session",
    &[APPID, SECRET, required("js_code", 41008), GRANT_TYPE],
    "session_key",
    session,
);

/// How long a refresh token lives, in access tokens' lives of two hours: 30 days.
const REFRESH_LIVES: u32 = 360;

fn exchange(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let consent = redeem(platform, request, "code", now)?;
    let dies_at = now + platform.settings.web_token_life * REFRESH_LIVES;
    let renewal = platform.vouchers.issue_refresh(consent.clone(), dies_at);
    issue(platform, consent, &renewal, now)
}

fn refresh(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    if value("grant_type") != "refresh_token" {
        return Err(Refusal::violating(40002, "wrong grant_type"));
    }
    let renewal = value("refresh_token");
    let consent = platform.vouchers.renew(value("appid"), renewal, now)?;
    issue(platform, consent, renewal, now)
}

fn user(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    check_lang(request.value("lang"))?;
    let consent = platform
        .vouchers
        .accept(value("access_token"), value("openid"), now)?;
    if consent.scope != Scope::UserInfo {
        return Err(Refusal::new(48001));
    }
    let user = platform.user(&consent.appid, &consent.openid)?;
    let mut body = json!({
        "openid": user.openid, "nickname": user.nickname, "sex": 1, "province": "", "city": "",
        "country": "", "headimgurl": "https://thirdwx.qlogo.cn/mmopen/SIMULATED/132", "privilege": [],
    });
    add_unionid(&mut body, user.unionid.as_deref());
    Ok(answered(body))
}

fn check(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    let accepted = platform
        .vouchers
        .accept(value("access_token"), value("openid"), now);
    // This endpoint does not say what is wrong.
    accepted.map_err(|_| Refusal::new(40003))?;
    Ok(answered(json!({"errcode": 0, "errmsg": "ok"})))
}

fn session(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let consent = redeem(platform, request, "js_code", now)?;
    let unionid = platform
        .user(&consent.appid, &consent.openid)?
        .unionid
        .clone();
    let key = platform.vouchers.next("session");
    let mut body = json!({"openid": consent.openid, "session_key": key});
    add_unionid(&mut body, unionid.as_deref());
    Ok(answered(body))
}

fn redeem(
    platform: &mut Platform,
    request: &Request,
    code: &str,
    now: Instant,
) -> Result<Consent, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    if value("grant_type") != "authorization_code" {
        return Err(Refusal::violating(40002, "wrong grant_type"));
    }
    let appid = value("appid");
    platform.identify(appid, value("secret"))?;
    let mini_program = code == "js_code";
    platform
        .vouchers
        .redeem(appid, value(code), mini_program, now)
}

fn issue(
    platform: &mut Platform,
    consent: Consent,
    renewal: &str,
    now: Instant,
) -> Result<Answer, Refusal> {
    let life = platform.settings.web_token_life;
    let user = platform.user(&consent.appid, &consent.openid)?.clone();
    let token = platform.vouchers.issue_token(consent.clone(), now + life);
    let mut body = json!({
        "access_token": token, "expires_in": whole_seconds(life), "refresh_token": renewal,
        "openid": consent.openid, "scope": consent.scope.as_str(),
    });
    if user.virtual_user {
        body["is_snapshotuser"] = json!(1);
    }
    add_unionid(&mut body, user.unionid.as_deref());
    Ok(answered(body))
}

fn add_unionid(body: &mut Value, unionid: Option<&str>) {
    if let Some(unionid) = unionid {
        body["unionid"] = json!(unionid);
    }
}

fn answered(body: Value) -> Answer {
    Answer {
        body: body.into(),
        outcome: Outcome::Answered,
    }
}
