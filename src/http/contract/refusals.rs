//! What each route refuses with: one table, which the document is made from and every refusal is held to.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::operation::{Named, header_named, named, text};
use crate::http::problem::{Code, Document, MEDIA_TYPE};
use crate::http::route::Route;

/// Codes that come together.
struct Group(&'static str, &'static [Code]);

const KEY: Group = Group(
    "key",
    &[
        Code::KeyMissing,
        Code::KeyMalformed,
        Code::KeyWrong,
        Code::RateLimited,
    ],
);
const APP: Group = Group("app", &[Code::Forbidden, Code::UnknownApp]);
const ADMIN: Group = Group("admin", &[Code::Forbidden]);
const PATHS: Group = Group("paths", &[Code::PathForbidden]);
const PASSED_ON: Group = Group("passed", &[Code::PathClosed, Code::NoSuchRoute]);
const TOKEN_AS_KEY: Group = Group("access", &[Code::TokenUnknown]);
const NO_QUERY: Group = Group("query", &[Code::UnexpectedQuery]);
const PARAMETER: Group = Group("parameter", &[Code::BadParameter]);
const BODY: Group = Group(
    "body",
    &[
        Code::BodyTooLarge,
        Code::BodyTimeout,
        Code::UnsupportedMediaType,
        Code::MalformedBody,
    ],
);
const NO_TOKEN: Group = Group(
    "token",
    &[
        Code::Starting,
        Code::Paused,
        Code::RefusedByUpstream,
        Code::UpstreamAway,
        Code::BudgetSpent,
        Code::StoreAway,
        Code::StoreUnusable,
    ],
);
const TICKET: Group = Group("ticket", &[Code::TicketNotKept]);
const STREAMS: Group = Group("streams", &[Code::TooManyStreams, Code::Stopping]);
const REFRESH: Group = Group(
    "refresh",
    &[
        Code::Paused,
        Code::RefusedByUpstream,
        Code::UpstreamAway,
        Code::BudgetSpent,
        Code::StoreAway,
        Code::TooSoon,
        Code::RefreshUnderWay,
        Code::NotRenewed,
        Code::RefreshTimeout,
    ],
);
const PAUSE: Group = Group(
    "pause",
    &[Code::StoreAway, Code::StoreUnusable, Code::Stopping],
);
const CALL: Group = Group(
    "call",
    &[
        Code::UpstreamError,
        Code::UpstreamUnclear,
        Code::UpstreamAway,
        Code::TooManyCalls,
    ],
);
const NOWHERE: Group = Group("nowhere", &[Code::NoSuchRoute]);

/// What a route refuses with. WeChat's own refuse with the same codes, in WeChat's shape.
const fn groups(route: Route) -> &'static [Group] {
    match route {
        Route::Token => &[KEY, NO_QUERY, APP, NO_TOKEN],
        Route::Events => &[KEY, NO_QUERY, APP, STREAMS],
        Route::Report => &[KEY, NO_QUERY, APP, BODY, NO_TOKEN],
        Route::Refresh => &[KEY, NO_QUERY, APP, REFRESH],
        Route::Ticket => &[KEY, NO_QUERY, APP, PARAMETER, TICKET, NO_TOKEN],
        Route::Jssdk | Route::AddCard | Route::ChooseCard => {
            &[KEY, APP, PARAMETER, TICKET, NO_TOKEN]
        }
        Route::NativeTicket => &[TOKEN_AS_KEY, PARAMETER, TICKET, NO_TOKEN],
        Route::User => &[KEY, APP, PATHS, PARAMETER, CALL, NO_TOKEN],
        Route::Users => &[KEY, NO_QUERY, APP, PATHS, BODY, PARAMETER, CALL, NO_TOKEN],
        Route::Authorize => &[KEY, APP, PATHS, PARAMETER],
        Route::Exchange | Route::RenewWeb | Route::WebUser | Route::CheckWeb | Route::Session => {
            &[KEY, NO_QUERY, APP, PATHS, BODY, PARAMETER, CALL]
        }
        Route::NativeToken => &[KEY, APP, PARAMETER, NO_TOKEN],
        Route::NativeStableToken => &[KEY, APP, BODY, PARAMETER, NO_TOKEN],
        Route::NativeExchange | Route::NativeSession => &[KEY, APP, PATHS, PARAMETER, CALL],
        Route::NativeRenewal => &[APP, PASSED_ON, PARAMETER, CALL],
        Route::NativeWebUser | Route::NativeWebCheck => &[PASSED_ON, PARAMETER, CALL],
        Route::Gateway => &[KEY, APP, PATHS, PASSED_ON, BODY, PARAMETER, CALL, NO_TOKEN],
        Route::NativeCall => &[TOKEN_AS_KEY, PASSED_ON, BODY, PARAMETER, CALL, NO_TOKEN],
        Route::Apps => &[KEY, NO_QUERY, ADMIN],
        Route::App => &[KEY, NO_QUERY, APP],
        Route::Pause | Route::Resume => &[KEY, NO_QUERY, APP, PAUSE],
        Route::OpenApi => &[],
        Route::Docs | Route::None => &[NOWHERE],
    }
}

/// Whether the contract has it that this route refuses with this code.
pub(in crate::http) fn names(route: Route, code: Code) -> bool {
    let of_route = groups(route).iter().any(|group| group.1.contains(&code));
    // Of every path, and no matter of any method that the contract has.
    of_route || code == Code::MethodNotAllowed
}

/// A status → the name of the response that a route refuses with.
pub(super) fn of_each_status(route: Route) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for Group(name, codes) in groups(route) {
        for code in *codes {
            let status = code.status().as_str().to_owned();
            let response = found
                .entry(status.clone())
                .or_insert_with(|| format!("{status}_{name}"));
            if !response.split('_').any(|part| part == *name) {
                response.push('_');
                response.push_str(name);
            }
        }
    }
    found
}

/// Every response that refuses, by its name.
pub(super) fn responses() -> BTreeMap<String, RefOr<Response>> {
    let mut responses = BTreeMap::new();
    for route in Route::ALL
        .into_iter()
        .filter(|route| !route.speaks_wechat())
    {
        for (status, name) in of_each_status(route) {
            let codes = groups(route).iter().flat_map(|group| group.1);
            let mut codes: Vec<_> = codes
                .copied()
                .filter(|code| code.status().as_str() == status)
                .collect();
            codes.sort_by_key(|code| *code as usize);
            codes.dedup();
            responses.insert(name, RefOr::T(response(&codes)));
        }
    }
    responses
}

/// The schema of problem documents, and what it needs.
pub(super) fn schemas() -> Vec<Named> {
    let mut schemas = vec![(Document::name().into_owned(), Document::schema())];
    Document::schemas(&mut schemas);
    schemas
}

impl ToSchema for Code {}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        text()
            .description(Some("What it was refused for: stable across releases."))
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .into()
    }
}

/// Codes of one status.
fn response(codes: &[Code]) -> Response {
    let status = codes.first().map_or(0, |code| code.status().as_u16());
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let about: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}.", code.as_str(), code.title()))
        .collect();
    let narrowed = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Object))
        .property("code", text().enum_values(Some(words)))
        .property(
            "status",
            ObjectBuilder::new()
                .schema_type(SchemaType::new(Type::Integer))
                .enum_values(Some([status])),
        );
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Document::name()))
        .item(narrowed);
    let examples = codes.iter().map(|code| {
        let mut example = ExampleBuilder::new()
            .summary(code.title())
            .value(Some(document(*code)));
        if let Some((when, what_to_do)) = explanation(*code) {
            example = example.description(format!("{when} {what_to_do}"));
        }
        (code.as_str(), example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(about.join("  \n"))
        .content(MEDIA_TYPE, content);
    if status == 401 {
        let header = "WWW-Authenticate";
        response = response.header_ref(header, header_named(header));
    }
    if matches!(status, 409 | 429 | 503 | 504) {
        response = response.header_ref("Retry-After", header_named("Retry-After"));
    }
    named(response)
}

fn document(code: Code) -> Value {
    json!({
        "type": format!("urn:token-broker:problem:{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": format!("{}.", code.title()),
        "code": code.as_str(),
    })
}

/// When it is answered and what to do then, from the table for people.
fn explanation(code: Code) -> Option<(&'static str, &'static str)> {
    let front = format!("| `{}` | ", code.as_str());
    let table = include_str!("../../../docs/errors.md").lines();
    let row = table.filter_map(|row| row.strip_prefix(&front)).next()?;
    let (_, row) = row.split_once(" | ")?;
    row.strip_suffix(" |")?.split_once(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in Code::ALL {
            assert!(explanation(code).is_some(), "{code:?}");
        }
    }

    #[test]
    fn every_code_is_some_routes_or_every_paths() {
        for code in Code::ALL {
            let named = Route::ALL.into_iter().any(|route| names(route, code));
            assert!(named, "{code:?}");
        }
    }

    #[test]
    fn a_response_is_named_after_all_that_is_in_it() {
        let of_users = of_each_status(Route::Users);
        assert_eq!(of_users["503"], "503_call_token");
        assert_eq!(of_users["400"], "400_query_body_parameter");
        assert_eq!(of_users["429"], "429_key_call");
    }
}
