//! The operations of `/token`.

use serde_json::{Value, json};
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::OneOfBuilder;

use super::operation::{Operation, object, text};
use crate::http::report::ReportDocument;
use crate::http::route::Route;
use crate::http::token::TokenDocument;

fn token() -> Value {
    json!({
        "appid": "wx0000000000000001",
        "access_token": "72_kN0tAr3alT0ken",
        "expires_in": 5399,
        "expires_at": 1_795_212_345_u64,
        "version": 1_795_206_945_123_456_u64,
    })
}

pub(super) fn read() -> Operation {
    Operation::get(Route::Token, "/token/{appid}")
        .says(
            "tokens",
            "The current access token",
            "Answered from memory. Ask whenever you need it, or keep it for at most a minute \
             (`refresh.caller_cache`). Only a first token may be waited for, `server.cold_wait` at most. \
             Needs the verb `read`.",
        )
        .of_app()
        .answers_kept::<TokenDocument>("token", token(), "72_kN0tAr3alT0ken")
}

pub(super) fn events() -> Operation {
    let told = ContentBuilder::new()
        .schema(Some(text()))
        .example(Some(
            format!(
                "retry: 2000\n\nid: 1795206945123456\nevent: token\ndata: {}\n\n: still here\n\n",
                token()
            )
            .into(),
        ))
        .build();
    let response = ResponseBuilder::new()
        .description(
            "Events until one side closes. `token`: the same document as of `GET /token/{appid}`, under the \
             version as `id`. `gone`: there is no token any more; a problem document.",
        )
        .content("text/event-stream", told);
    Operation::get(Route::Events, "/token/{appid}/events")
        .says(
            "tokens",
            "The current token, then each new one",
            "Server-sent events. Connect again with `Last-Event-ID`, after what `retry:` said: nothing is sent \
             twice, and never an older version. Needs the verb `read`.",
        )
        .of_app()
        .header(
            "Last-Event-ID",
            "The version that you have.",
            "1795206945123456",
        )
        .answer("200", response)
}

pub(super) fn report() -> Operation {
    let graphic = text().pattern(Some("^[!-~]{1,2048}$")).build();
    let refused = "The token that WeChat refused.";
    let token_itself = object(1, &[("access_token", refused, graphic)]);
    let hex = text().pattern(Some("^[0-9A-Fa-f]{64}$")).build();
    let digest = object(1, &[("sha256", "The SHA-256 of it, in hexadecimal.", hex)]);
    let body = OneOfBuilder::new().item(token_itself).item(digest);
    let mut answer = token();
    answer["verdict"] = json!("stale");
    Operation::post(Route::Report, "/token/{appid}/report")
        .says(
            "tokens",
            "WeChat refused this token",
            "For a caller that was answered 40001, 40014 or 42001. The broker asks WeChat before it believes it, \
             once for all callers, and answers with the token to use now. A report costs a fetch only where the \
             token is dead. Needs the verb `read`.",
        )
        .of_app()
        .body(body, json!({"access_token": "72_kN0tAr3alT0ken"}))
        .answers::<ReportDocument>("What was found out, and the token to use now.", answer)
}

pub(super) fn refresh() -> Operation {
    Operation::post(Route::Refresh, "/token/{appid}/refresh")
        .says(
            "tokens",
            "A new token, now",
            "Within spacing and budget: a fetch so soon after another that it would kill a token in use is refused. \
             A token that WeChat refuses is *reported*, which costs no fetch where it is good. Needs the verb \
             `refresh`.",
        )
        .of_app()
        .answers::<TokenDocument>("The new token.", token())
}
