//! The operations listener: metrics, probes, and a page that leads to them. No key is asked for, and
//! nothing secret is told.

use std::future::Future;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::web::{self, Data};
use actix_web::{HttpResponse, HttpResponseBuilder, Resource, guard};

use super::problem::Problem;
use super::readiness::{NotReady, Readiness};
use crate::metrics::{Metrics, TEXT_FORMAT};

const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// What the operations listener works with.
pub struct OpsState {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl OpsState {
    /// Tells `metrics`, and whether this replica is ready.
    #[must_use]
    pub const fn new(metrics: Arc<Metrics>, readiness: Readiness) -> Self {
        Self { metrics, readiness }
    }
}

/// A path that takes `GET` and `HEAD`.
pub(super) fn get<H, F>(path: &str, handler: H) -> Resource
where
    H: Fn(Data<OpsState>) -> F + Clone + 'static,
    F: Future<Output = HttpResponse> + 'static,
{
    let either = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(either).to(handler))
        .default_service(
            web::route()
                .to(async || Problem::method_not_allowed(&[Method::GET, Method::HEAD]).render()),
        )
}

/// All series. With many apps this is megabytes of text: made apart, so that no probe waits for it.
pub(super) async fn metrics(state: Data<OpsState>) -> HttpResponse {
    let metrics = Arc::clone(&state.metrics);
    match web::block(move || metrics.render()).await {
        Ok(text) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, TEXT_FORMAT))
            .insert_header(NO_STORE)
            .body(text),
        // The threads for this are gone only at shutdown.
        Err(_) => Problem::stopping().render(),
    }
}

/// Whether the process answers at all. Looks at nothing else: a restart heals neither Redis nor WeChat.
pub(super) async fn livez(_: Data<OpsState>) -> HttpResponse {
    text(HttpResponse::Ok(), String::from("ok\n"))
}

/// Whether this replica may be sent requests, and if not, what is missing.
pub(super) async fn readyz(state: Data<OpsState>) -> HttpResponse {
    let unready = |what: String| text(HttpResponse::ServiceUnavailable(), what);
    match state.readiness.judge() {
        Ok(()) => text(HttpResponse::Ok(), String::from("ready\n")),
        Err(NotReady::Stopping) => unready(String::from("not ready: stopping\n")),
        Err(NotReady::NotLookedUp(apps)) => unready(format!(
            "not ready: {apps} app(s) were not looked up in the store yet\n"
        )),
        Err(NotReady::NoneServable) => unready(String::from("not ready: no app has a token yet\n")),
    }
}

/// Where to look.
pub(super) async fn index(_: Data<OpsState>) -> HttpResponse {
    let page = concat!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>token-broker</title>",
        "<h1>token-broker ",
        env!("CARGO_PKG_VERSION"),
        "</h1><ul><li><a href=\"metrics\">metrics</a><li><a href=\"readyz\">readyz</a>",
        "<li><a href=\"livez\">livez</a></ul></html>\n"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(NO_STORE)
        .body(page)
}

pub(super) async fn nowhere() -> HttpResponse {
    Problem::no_such_route().render()
}

fn text(mut response: HttpResponseBuilder, body: String) -> HttpResponse {
    response
        .insert_header(NO_STORE)
        .content_type("text/plain; charset=utf-8")
        .body(body)
}
