//! `GET /cgi-bin/user/info` and `POST /cgi-bin/user/info/batchget`: followers, and people who are not.

use std::time::Instant;

use hyper::Method;
use serde_json::{Value, json};

use super::{Answer, Parameter, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;
use crate::settings::User;

const TOKEN: Parameter = Parameter {
    name: "access_token",
    missing: Some(41001),
};

pub(super) const ONE: Route = Route {
    endpoint: Endpoint::UserInfo,
    method: Method::GET,
    path: "/cgi-bin/user/info",
    query: &[
        TOKEN,
        Parameter {
            name: "openid",
            missing: Some(41009),
        },
        Parameter {
            name: "lang",
            missing: None,
        },
    ],
    strict: true,
    credential: "openid",
    act: one,
};

pub(super) const MANY: Route = Route {
    endpoint: Endpoint::UserBatch,
    method: Method::POST,
    path: "/cgi-bin/user/info/batchget",
    query: &[TOKEN],
    strict: true,
    credential: "user_info_list",
    act: many,
};

/// The most that one call may ask for.
const MOST: usize = 100;

fn one(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    let appid = platform.accept(value("access_token"), now)?.appid.clone();
    let lang = check_lang(request.value("lang"))?;
    let body = profile(platform.user(&appid, value("openid"))?, lang);
    Ok(answered(body))
}

fn many(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let token = request.value("access_token").unwrap_or_default();
    let appid = platform.accept(token, now)?.appid.clone();
    // As a template message: whatever the body is said to be. wechatpy says nothing.
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Refusal::violating(47001, "the body is not JSON"))?;
    let Some(asked) = body["user_list"].as_array() else {
        return Err(Refusal::violating(40035, "no user_list"));
    };
    if asked.is_empty() || asked.len() > MOST {
        let what = format!("{} users in one call", asked.len());
        return Err(Refusal::violating(40032, what));
    }
    let mut found = Vec::with_capacity(asked.len());
    for user in asked {
        let Some(openid) = user["openid"].as_str() else {
            return Err(Refusal::violating(40035, "a user without openid"));
        };
        let lang = check_lang(user["lang"].as_str())?;
        found.push(profile(platform.user(&appid, openid)?, lang));
    }
    Ok(answered(json!({"user_info_list": found})))
}

fn answered(body: Value) -> Answer {
    Answer {
        body: body.into(),
        outcome: Outcome::Answered,
    }
}

pub(super) fn check_lang(lang: Option<&str>) -> Result<&str, Refusal> {
    match lang {
        None => Ok("en"),
        Some(lang @ ("zh_CN" | "zh_TW" | "en")) => Ok(lang),
        Some(_) => Err(Refusal::violating(40035, "unknown lang")),
    }
}

/// What WeChat tells an official account since the end of 2021: no nickname, no picture.
fn profile(user: &User, lang: &str) -> Value {
    let mut profile = if user.follows {
        json!({
            "subscribe": 1, "openid": user.openid, "nickname": "", "sex": 0, "language": lang,
            "city": "", "province": "", "country": "", "headimgurl": "",
            "subscribe_time": 1_382_694_957, "remark": "", "groupid": 0, "tagid_list": [128, 2],
            "subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 98765, "qr_scene_str": "",
        })
    } else {
        json!({"subscribe": 0, "openid": user.openid})
    };
    if let Some(unionid) = &user.unionid {
        profile["unionid"] = json!(unionid);
    }
    profile
}
