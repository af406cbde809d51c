//! The operations that ask WeChat about people: `/user`, `/oauth`, `/session`.

use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayBuilder, Object};

use super::operation::{Operation, header_named, object, short, text, web_address, word};
use crate::calls::{BATCH_MOST, Profile, Session, WebToken};
use crate::http::oauth::{CODE_MOST, ConsentPage, STATE_MOST, Validity};
use crate::http::parameters::TEXT_MOST;
use crate::http::route::Route;
use crate::http::users::{Missing, Users};

const TAG: &str = "people";
const OPENID: &str = "oABCD1234567890abcdefghijkl";

fn openid() -> Object {
    text().pattern(Some("^[A-Za-z0-9_-]{1,128}$")).build()
}

fn lang() -> Object {
    word(&["zh_CN", "zh_TW", "en", "zh-CN", "zh-TW"])
}

fn profile() -> Value {
    json!({
        "openid": OPENID,
        "subscribe": 1,
        "language": "zh_CN",
        "subscribe_time": 1_434_093_047,
        "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL",
        "remark": "",
        "groupid": 0,
        "tagid_list": [128, 2],
        "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 98765,
        "qr_scene_str": "",
    })
}

fn web_token() -> Value {
    json!({
        "access_token": "72_w3bT0ken",
        "expires_in": 7200,
        "refresh_token": "72_r3freshT0ken",
        "openid": OPENID,
        "scope": "snsapi_base",
        "is_snapshotuser": false,
    })
}

pub(super) fn user() -> Operation {
    Operation::get(Route::User, "/user/{appid}/{openid}")
        .says(
            TAG,
            "A follower's profile",
            "Every member but `openid` may be missing: WeChat has left out more and more of them. `avatars` has the \
             picture in each of its sizes, where there is one. Needs the verb `call`.",
        )
        .of_app()
        .path_parameter("openid", "Who, to this app.", openid(), OPENID)
        .query("lang", Required::False, "The language of places.", lang(), "zh_CN")
        .answers::<Profile>("The profile.", profile())
}

pub(super) fn users() -> Operation {
    let openids = ArrayBuilder::new()
        .items(openid())
        .min_items(Some(1))
        .max_items(Some(BATCH_MOST))
        .description(Some(
            "Whose; one named twice is asked for and answered once each time.",
        ));
    let mut body = object(0, &[("lang", "The language of places.", lang())]);
    body.properties
        .insert("openids".to_owned(), openids.build().into());
    body.required.push("openids".to_owned());
    let missing = json!({
        "openid": "oWXYZ",
        "error": {"code": "upstream_error", "errcode": 40003, "errmsg": "invalid openid"},
    });
    Operation::post(Route::Users, "/user/{appid}/batch")
        .says(
            TAG,
            "Many profiles",
            "Asked in hundreds side by side; answered in the order asked. Each entry is a profile or an error, so \
             that one bad hundred does not lose the others. Needs the verb `call`.",
        )
        .of_app()
        .body(body, json!({"openids": [OPENID], "lang": "zh_CN"}))
        .knowing::<Profile>()
        .knowing::<Missing<'_>>()
        .answers::<Users<'_>>(
            "A profile or an error for each.",
            json!({"appid": "wx0000000000000001", "users": [profile(), missing]}),
        )
}

pub(super) fn authorize() -> Operation {
    let found = ResponseBuilder::new()
        .description("The page, for a browser: to whoever accepts `text/html`.")
        .header_ref("Location", header_named("Location"));
    let state = text()
        .pattern(Some(format!("^[A-Za-z0-9]{{1,{STATE_MOST}}}$")))
        .build();
    Operation::get(Route::Authorize, "/oauth/{appid}/authorize")
        .says(
            TAG,
            "WeChat's page of consent",
            "The first step of web authorization: a redirection for a browser, the address for a program. WeChat \
             checks the order of its parameters, so use it as it is. Needs the verb `call`.",
        )
        .of_app()
        .query(
            "redirect_uri",
            Required::True,
            "Where the browser comes back to, with the code: `http` or `https`, no fragment.",
            web_address(TEXT_MOST),
            "https://shop.example/back",
        )
        .query(
            "scope",
            Required::True,
            "`snsapi_base`: the openid, silently. `snsapi_userinfo`: the profile, with consent.",
            word(&["snsapi_base", "snsapi_userinfo"]),
            "snsapi_base",
        )
        .query("state", Required::False, "What comes back beside the code.", state, "cart42")
        .query(
            "forcePopup",
            Required::False,
            "Whether the person is asked even where WeChat need not.",
            word(&["true", "false"]),
            "false",
        )
        .answers::<ConsentPage>(
            "The page, for a program.",
            json!({"url": "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0000000000000001&redirect_uri=https%3A%2F%2Fshop.example%2Fback&response_type=code&scope=snsapi_base&state=cart42#wechat_redirect"}),
        )
        .answer("302", found)
}

pub(super) fn exchange() -> Operation {
    let code = object(1, &[("code", "The code that came back.", short(CODE_MOST))]);
    Operation::post(Route::Exchange, "/oauth/{appid}/exchange")
        .says(
            TAG,
            "A code for a token",
            "A code works once, for five minutes, so it is sent once: after 504 `upstream_unclear` it may be used up, \
             and the person has to authorize again. `is_snapshotuser` marks a virtual user, whose data must not be \
             kept. Needs the verb `call`.",
        )
        .of_app()
        .body(code, json!({"code": "061KdS"}))
        .answers::<WebToken>("The person's token.", web_token())
}

pub(super) fn renew() -> Operation {
    let about = "The refresh token of the exchange, good for 30 days.";
    let token = object(1, &[("refresh_token", about, short(TEXT_MOST))]);
    Operation::post(Route::RenewWeb, "/oauth/{appid}/refresh")
        .says(TAG, "A new token for a person", "Needs the verb `call`.")
        .of_app()
        .body(token, json!({"refresh_token": "72_r3freshT0ken"}))
        .answers::<WebToken>("The person's new token.", web_token())
}

fn person(members: &[(&str, &str, Object)]) -> Object {
    let mut all = vec![
        (
            "access_token",
            "The person's token of the exchange, not the app's.",
            short(TEXT_MOST),
        ),
        ("openid", "Who, to this app.", openid()),
    ];
    all.extend_from_slice(members);
    object(2, &all)
}

pub(super) fn web_user() -> Operation {
    let body = person(&[("lang", "The language of places.", lang())]);
    Operation::post(Route::WebUser, "/oauth/{appid}/userinfo")
        .says(
            TAG,
            "The profile of whose token it is",
            "For a token of the scope `snsapi_userinfo`. Needs the verb `call`.",
        )
        .of_app()
        .body(body, json!({"access_token": "72_w3bT0ken", "openid": OPENID}))
        .answers::<Profile>(
            "The profile.",
            json!({"openid": OPENID, "nickname": "Anna", "sex": 0, "headimgurl": "", "privilege": []}),
        )
}

pub(super) fn check() -> Operation {
    Operation::post(Route::CheckWeb, "/oauth/{appid}/check")
        .says(
            TAG,
            "Whether a person's token is good",
            "Needs the verb `call`.",
        )
        .of_app()
        .body(
            person(&[]),
            json!({"access_token": "72_w3bT0ken", "openid": OPENID}),
        )
        .answers::<Validity>("Whether it is.", json!({"valid": true}))
}

pub(super) fn session() -> Operation {
    let about = "The code of `wx.login`.";
    let code = object(1, &[("js_code", about, short(CODE_MOST))]);
    Operation::post(Route::Session, "/session/{appid}")
        .says(
            TAG,
            "A mini-program's login",
            "A code works once. `session_key` decrypts what WeChat gives to the mini-program, and must not leave your \
             server. Needs the verb `call`.",
        )
        .of_app()
        .body(code, json!({"js_code": "061KdS"}))
        .answers::<Session>(
            "Who it is, and the session's key.",
            json!({"openid": OPENID, "session_key": "tiihtNczf5v6AKRyjwEUhQ=="}),
        )
}
