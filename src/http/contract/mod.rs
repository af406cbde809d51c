//! The contract: what the interface takes and answers, as an OpenAPI document made from the code.
//!
//! [`of`] has the operations of each route, in a match without a wildcard; [`refusals`] has what a route
//! refuses with, and in debug builds every refusal is held to it. The shapes of answers are those of the types
//! that are written; what a refusal means is read out of `docs/errors.md`.

mod apps;
mod gateway;
mod native;
mod operation;
mod people;
mod refusals;
mod tickets;
mod tokens;

pub(super) use refusals::names;

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths,
    ServerBuilder,
};

use self::operation::{KEY, Operation};
use super::route::Route;

/// For whoever opens the document.
const ABOUT: &str = "\
One owner for the WeChat access tokens of your apps: it fetches each ahead of expiry, and answers everybody from \
memory.

**Keys.** Every call but those in WeChat's own shape carries `Authorization: Bearer tbk_<id>_<64 hex digits>`. An appid \
on which the caller has no right at all is answered like one that does not exist, 404; with another right, 403.

**Refusals** are problem documents (RFC 9457). Go by `code`: it is stable. `Retry-After` is there where waiting helps.

**Headers.** Every answer has `Cache-Control: no-store` and `X-Request-Id`: the one that was sent, where it is 1 to 128 \
visible characters, else a new one. `traceparent` (W3C) is kept for logs and traces. Whatever takes `GET` takes `HEAD`, \
but for streams.

**Below HTTP.** What cannot be read as HTTP is answered without a body: 400 for a malformed head, 431 for one that is \
too large. One that does not come in time has the connection closed without an answer.";

/// The operations of a route. One that is missing here does not compile.
fn of(route: Route) -> Vec<Operation> {
    match route {
        Route::Token => vec![tokens::read()],
        Route::Events => vec![tokens::events()],
        Route::Report => vec![tokens::report()],
        Route::Refresh => vec![tokens::refresh()],
        Route::Ticket => vec![tickets::read()],
        Route::Jssdk => vec![tickets::page()],
        Route::AddCard => vec![tickets::add_card()],
        Route::ChooseCard => vec![tickets::choose_card()],
        Route::User => vec![people::user()],
        Route::Users => vec![people::users()],
        Route::Authorize => vec![people::authorize()],
        Route::Exchange => vec![people::exchange()],
        Route::RenewWeb => vec![people::renew()],
        Route::WebUser => vec![people::web_user()],
        Route::CheckWeb => vec![people::check()],
        Route::Session => vec![people::session()],
        Route::NativeToken => vec![native::token()],
        Route::NativeStableToken => vec![native::stable_token()],
        Route::NativeTicket => vec![native::ticket()],
        Route::NativeExchange => vec![native::exchange()],
        Route::NativeSession => vec![native::session()],
        Route::NativeRenewal => vec![native::renewal()],
        Route::NativeWebUser => vec![native::web_user()],
        Route::NativeWebCheck => vec![native::web_check()],
        Route::Apps => vec![apps::all()],
        Route::App => vec![apps::one()],
        Route::Pause => vec![apps::pause()],
        Route::Resume => vec![apps::resume()],
        Route::OpenApi => vec![apps::openapi()],
        Route::Gateway => gateway::all(),
        // WeChat's own paths, a page for people, and whatever has no route.
        Route::NativeCall | Route::Docs | Route::None => Vec::new(),
    }
}

/// The whole document.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = components();
    for operation in Route::ALL.into_iter().flat_map(of) {
        let (path, method) = (operation.path, operation.method.clone());
        let (described, schemas) = operation.finish();
        components = components.schemas_from_iter(schemas);
        paths.add_path_operation(path, vec![method], described);
    }
    let info = InfoBuilder::new()
        .title("token-broker")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .tags(Some(tags()))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// The whole document as it is answered and printed: JSON for people too, with a newline at its end.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn components() -> ComponentsBuilder {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("tbk_<id>_<64 hex digits>")
        .description(Some(
            "A caller's key, as `token-broker key new` printed it. It stands for a list of (appid, verb).",
        ))
        .build();
    let mut components = ComponentsBuilder::from(Components::new())
        .security_scheme(KEY, SecurityScheme::Http(key))
        .schemas_from_iter(refusals::schemas());
    for (name, header) in headers() {
        components = components.header(name, header);
    }
    components.responses_from_iter(refusals::responses())
}

fn headers() -> [(&'static str, Header); 5] {
    let header = |description: &str, example: &str| {
        HeaderBuilder::from(Header::default())
            .description(Some(description))
            .example(Some(example.into()))
            .build()
    };
    [
        (
            "X-Request-Id",
            header(
                "The name of this request in the broker's log.",
                "6f1c2d0e9a8b7c6d00000001",
            ),
        ),
        (
            "ETag",
            header("The version, in quotes.", "\"1795206945123456\""),
        ),
        (
            "Retry-After",
            header("After how many seconds to ask again.", "3"),
        ),
        (
            "WWW-Authenticate",
            header("How to prove oneself.", "Bearer realm=\"token-broker\""),
        ),
        (
            "Location",
            header(
                "WeChat's page of consent.",
                "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0000000000000001#wechat_redirect",
            ),
        ),
    ]
}

fn tags() -> [Tag; 7] {
    [
        ("tokens", "The access token, and what to do when it is refused."),
        ("tickets", "Tickets, and what is signed with them: pages and cards."),
        ("people", "WeChat's calls about people, made without a token or an AppSecret in the caller's hands."),
        ("gateway", "The whole of WeChat's API, without a token in the caller's hands."),
        ("wechat", "WeChat's own paths and shape, for SDKs that cannot be changed: the caller's key as `secret`, status 200 always."),
        ("apps", "The state of the apps, for those who run them."),
        ("contract", "This document."),
    ]
    .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())
}
