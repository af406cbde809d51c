//! The operations listener: metrics and probes; the page is [`status_page`](super::status_page). No key is
//! asked for, and nothing secret is told.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::web::{self, Data};
use actix_web::{
    FromRequest, Handler, HttpResponse, HttpResponseBuilder, Resource, Responder, Route, guard,
};

use super::problem::Problem;
use super::readiness::Readiness;
use crate::metrics::{HttpMetrics, Metrics, TEXT_FORMAT};

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

    pub(super) fn http_metrics(&self) -> Arc<HttpMetrics> {
        self.metrics.http()
    }
}

/// A path that takes `GET` and `HEAD`.
pub(super) fn get<H, Args>(path: &str, handler: H) -> Resource
where
    H: Handler<Args>,
    Args: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let either = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(either).to(handler))
        .default_service(only(&[Method::GET, Method::HEAD]))
}

/// A path whose answer has no end: the one to `HEAD` would have a body that never ends.
pub(super) fn stream<H, Args>(path: &str, handler: H) -> Resource
where
    H: Handler<Args>,
    Args: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler))
        .default_service(only(&[Method::GET]))
}

fn only(methods: &'static [Method]) -> Route {
    web::route().to(async || Problem::method_not_allowed(methods).render())
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
    match state.readiness.judge() {
        Ok(()) => text(HttpResponse::Ok(), String::from("ready\n")),
        Err(why) => text(
            HttpResponse::ServiceUnavailable(),
            format!("not ready: {why}\n"),
        ),
    }
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
