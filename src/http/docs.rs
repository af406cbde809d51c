//! `/openapi.json` and `/docs/`: the contract, for programs and for people. No key is asked for, and nothing in
//! it is secret.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use super::call::Call;
use super::contract::openapi_json;
use super::problem::Problem;

/// The page and all it needs come from here; a caller's key is sent nowhere else. The hash is of the page's one
/// inline style, the colours of Swagger's logo.
const POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_json);

/// The document.
pub(super) async fn document(_: &Call) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(DOCUMENT.as_str()))
}

/// Where the page is: its parts are named relative to it.
pub(super) async fn to_page(_: &Call) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "docs/"))
        .finish())
}

/// The page, or a part of it.
pub(super) async fn page(call: &Call) -> Result<HttpResponse, Problem> {
    let config = Config::from("../openapi.json")
        .validator_url("none")
        .display_request_duration(true)
        .try_it_out_enabled(true);
    let file = serve(call.path("part"), config.into());
    let file = file.ok().flatten().ok_or_else(Problem::no_such_route)?;
    Ok(part(file))
}

fn part(file: SwaggerFile<'_>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response.body(file.bytes.into_owned())
}
