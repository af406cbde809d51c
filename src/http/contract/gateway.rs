//! The operations of the gateway: one path, five methods, whatever WeChat answers.

use serde_json::json;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{ContentBuilder, HttpMethod};

use super::operation::{JSON, Operation, text};
use crate::http::route::Route;

/// Every method that is passed on.
pub(super) fn all() -> Vec<Operation> {
    let methods = [
        (HttpMethod::Get, "gateway"),
        (HttpMethod::Post, "gateway_post"),
        (HttpMethod::Put, "gateway_put"),
        (HttpMethod::Patch, "gateway_patch"),
        (HttpMethod::Delete, "gateway_delete"),
    ];
    methods
        .into_iter()
        .map(|(method, name)| passed_on(method, name))
        .collect()
}

fn passed_on(method: HttpMethod, name: &str) -> Operation {
    let anything = || ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    let json = ContentBuilder::new()
        .schema(Some(anything()))
        .example(Some(
            json!({"errcode": 0, "errmsg": "ok", "msgid": 200_228_332}),
        ))
        .build();
    let other = ContentBuilder::new()
        .schema(Some(anything()))
        .example(Some("a picture, a file".into()))
        .build();
    let response = ResponseBuilder::new()
        .description("What WeChat answers, its refusals too, as it comes; never with the token.")
        .content(JSON, json)
        .content("*/*", other);
    let path = text()
        .pattern(Some("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"))
        .max_length(Some(256))
        .build();
    Operation::new(Route::Gateway, "/gateway/{appid}/{path}", method)
        .named(name)
        .says(
            "gateway",
            "Any call of WeChat's API",
            "The current token is put in on the way, and replaced once where WeChat refuses it. Query and body go on \
             as they are, but for an `access_token`; files stream. Slashes of the path are sent as they are. WeChat's \
             own paths (`/cgi-bin/…`, `/wxa/…`, …) do the same with a token in place of the key, and refuse in \
             WeChat's shape; `docs/gateway.md` lists them. Needs the verb `call`, and `paths` that open the path.",
        )
        .of_app()
        .path_parameter("path", "WeChat's path.", path, "cgi-bin/message/template/send")
        .answer("200", response)
}
