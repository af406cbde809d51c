//! The operations of `/apps`, and of the contract itself.

use serde_json::{Value, json};
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::operation::{JSON, Operation};
use crate::http::apps::{AppState, Apps};
use crate::http::route::Route;

const TAG: &str = "apps";

fn app() -> Value {
    json!({
        "appid": "wx0000000000000001", "mode": "token", "status": "ok", "servable": true,
        "version": 1_795_206_945_123_456_u64, "expires_at": 1_795_214_085_u64, "expires_in": 5399,
        "issued_at": 1_795_206_945_u64, "refresh_at": 1_795_210_545_u64, "vouched": true,
        "pending": false, "suspect": false, "dead": false, "paused": false,
        "blocked": null, "blocked_until": null, "cooldown": null, "failures": 0,
        "budget_left": 1799, "budget_used": 24, "last_fetch": 1_795_206_945_u64,
        "lease_held": false, "store_trouble": null,
    })
}

pub(super) fn all() -> Operation {
    Operation::get(Route::Apps, "/apps")
        .says(
            TAG,
            "The state of all apps",
            "Of those that the caller has the verb `admin` on; without secrets.",
        )
        .with_key()
        .answers::<Apps<'_>>(
            "The apps, and how the configuration in force stands to the one that is written.",
            json!({
                "apps": [app()],
                "configuration": {
                    "since": 1_795_200_000_u64, "refused_at": null, "errors": null,
                    "waits_for_restart": [],
                },
            }),
        )
}

pub(super) fn one() -> Operation {
    Operation::get(Route::App, "/apps/{appid}")
        .says(
            TAG,
            "The state of an app",
            "Times are whole seconds since 1970 UTC; what is not known is null. Needs the verb `admin`.",
        )
        .of_app()
        .answers::<AppState<'_>>("The app.", app())
}

pub(super) fn pause() -> Operation {
    let mut paused = app();
    (paused["status"], paused["paused"]) = (json!("paused"), json!(true));
    Operation::post(Route::Pause, "/apps/{appid}/pause")
        .says(
            TAG,
            "Stop all fetches of an app",
            "On all replicas, until it is resumed; kept in the store. The current token is served to its end. Needs \
             the verb `admin`.",
        )
        .of_app()
        .answers::<AppState<'_>>("The app as it is now.", paused)
}

pub(super) fn resume() -> Operation {
    Operation::post(Route::Resume, "/apps/{appid}/resume")
        .says(
            TAG,
            "Fetch again for an app",
            "Also ends the wait after a refusal of WeChat's, for whoever has mended its cause. Needs the verb `admin`.",
        )
        .of_app()
        .answers::<AppState<'_>>("The app as it is now.", app())
}

pub(super) fn openapi() -> Operation {
    let document = ContentBuilder::new()
        .schema(Some(
            ObjectBuilder::new().schema_type(SchemaType::new(Type::Object)),
        ))
        .build();
    let response = ResponseBuilder::new()
        .description("This document.")
        .content(JSON, document);
    Operation::get(Route::OpenApi, "/openapi.json")
        .says(
            "contract",
            "The contract",
            "OpenAPI 3.1. No key is asked for. `/docs/` shows it to people.",
        )
        .answer("200", response)
}
