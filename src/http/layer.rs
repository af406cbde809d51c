//! What stands around every handler of the API: request id, counters, access line. One thin layer of our
//! own: a general middleware costs the hot route a tenth of its throughput, a request logger half.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::{info, warn};

use super::arrival::Arrival;
use super::call::Call;
use super::contract;
use super::problem::Problem;
use super::request_id::{RequestIds, X_REQUEST_ID, traceparent};
use super::route::Route;
use super::routes::ApiState;

/// What one worker thread keeps for its requests.
pub(super) struct Worker {
    pub(super) state: Arc<ApiState>,
    ids: RequestIds,
    /// Successful requests since the last one that left a line.
    unlogged: Cell<u32>,
}

impl Worker {
    pub(super) fn new(state: Arc<ApiState>) -> Self {
        Self {
            state,
            ids: RequestIds::new(),
            unlogged: Cell::new(0),
        }
    }

    pub(super) fn name_of(&self, headers: &HeaderMap) -> HeaderValue {
        self.ids.of(headers)
    }

    fn finish(
        &self,
        mut call: Call,
        route: Route,
        outcome: Result<HttpResponse, Problem>,
        begun: Instant,
    ) -> HttpResponse {
        let (mut response, problem) = match outcome {
            Ok(response) => (response, None),
            Err(problem) if route.speaks_wechat() => (problem.render_as_wechat(), Some(problem)),
            Err(problem) => (problem.render(), Some(problem)),
        };
        let id = call.take_request_id();
        let took = begun.elapsed();
        let status = response.status().as_u16();
        self.state.metrics.answered(route, status, took);
        match problem {
            Some(problem) => self.refused(&call, route, &problem, &id),
            None => self.answered(&call, route, status, &id, took),
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, id);
        response
    }

    fn answered(&self, call: &Call, route: Route, status: u16, id: &HeaderValue, took: Duration) {
        let unlogged = self.unlogged.get().saturating_add(1);
        let sample = self.state.access_sample;
        if sample == 0 || unlogged < sample {
            self.unlogged.set(unlogged);
            return;
        }
        self.unlogged.set(0);
        info!(
            route = route.as_str(),
            status,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            caller = call.known_caller().map(tracing::field::display),
            appid = call.known_app().map(tracing::field::display),
            client = call.client().map(tracing::field::display),
            request_id = id.to_str().unwrap_or_default(),
            traceparent = traceparent(call.headers()),
            of = unlogged,
            "answered"
        );
    }

    fn refused(&self, call: &Call, route: Route, problem: &Problem, id: &HeaderValue) {
        let code = problem.code();
        debug_assert!(
            contract::names(route, code),
            "{route:?} refuses with {code:?}, which src/http/contract/refusals.rs does not name"
        );
        self.state.metrics.refused(code);
        let now = call.broker().now().boot;
        let Some(suppressed) = self.state.throttle.admit(code as usize, now) else {
            return;
        };
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    route = route.as_str(),
                    status = code.status().as_u16(),
                    code = code.as_str(),
                    caller = call.known_caller().map(tracing::field::display),
                    appid = call.known_app().map(tracing::field::display),
                    client = call.client().map(tracing::field::display),
                    request_id = id.to_str().unwrap_or_default(),
                    traceparent = traceparent(call.headers()),
                    suppressed,
                    "refused"
                )
            };
        }
        if code.status().is_server_error() {
            line!(warn);
        } else {
            line!(info);
        }
    }
}

/// A route of actix that runs `handler` within this layer.
pub(super) fn within<H>(worker: &Rc<Worker>, route: Route, handler: H) -> actix_web::Route
where
    H: AsyncFn(&Call) -> Result<HttpResponse, Problem> + Clone + 'static,
{
    let worker = Rc::clone(worker);
    web::route().to(move |request: HttpRequest, payload: Payload| {
        let arrival = Arrival::routed(request, payload);
        answer(Rc::clone(&worker), route, arrival, handler.clone())
    })
}

/// What `handler` answers, within this layer.
pub(super) fn answer<H>(
    worker: Rc<Worker>,
    route: Route,
    arrival: Arrival,
    handler: H,
) -> impl Future<Output = HttpResponse>
where
    H: AsyncFn(&Call) -> Result<HttpResponse, Problem>,
{
    let begun = Instant::now();
    async move {
        let call = Call::new(arrival, Rc::clone(&worker));
        let outcome = handler(&call).await;
        worker.finish(call, route, outcome, begun)
    }
}
