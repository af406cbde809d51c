//! The route tables.

use std::rc::Rc;
use std::sync::Arc;

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, Resource, guard};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::body::Bounds;
use super::call::Call;
use super::callers::Callers;
use super::connections::WebApp;
use super::gateway::GatewayBounds;
use super::layer::{Worker, within};
use super::ops::OpsState;
use super::pages::Pages;
use super::problem::{Code, Problem};
use super::route::Route;
use super::server::Limits;
use super::status_page::StatusPage;
use super::streams::Streams;
use super::throttle::Throttle;
use super::{
    apps, docs, events, gateway, jssdk, native, oauth, ops as operations, persons, refresh, report,
    shortcut, status_page, ticket, token, users,
};
use crate::calls::Calls;
use crate::config::GatewayConfig;
use crate::domain::api_path::FAMILIES;
use crate::metrics::HttpMetrics;
use crate::reload::Standing;

/// What the API's handlers work with: one for all workers.
pub struct ApiState {
    pub(super) calls: Calls,
    /// Whoever reloads the configuration puts the new ones in.
    pub(super) callers: Arc<ArcSwap<Callers>>,
    pub(super) pages: Arc<ArcSwap<Pages>>,
    pub(super) metrics: Arc<HttpMetrics>,
    pub(super) access_sample: u32,
    pub(super) body: Bounds,
    pub(super) gateway: GatewayBounds,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) throttle: Throttle,
    pub(super) streams: Arc<Streams>,
    pub(super) standing: Arc<ArcSwap<Standing>>,
}

impl ApiState {
    /// What the handlers need. One in `access_sample` successful requests leaves a line in the log, none
    /// where it is 0; refusals always do, within bounds. `limits` bound a request's body and a caller's streams, `gateway` what
    /// is passed on to WeChat; all streams end when `closing` is cancelled.
    #[must_use]
    pub fn new(
        calls: Calls,
        callers: Arc<ArcSwap<Callers>>,
        metrics: Arc<HttpMetrics>,
        access_sample: u32,
        limits: &Limits,
        gateway: &GatewayConfig,
        closing: CancellationToken,
    ) -> Self {
        let (most, keep_alive) = (limits.max_streams, limits.stream_keep_alive);
        let streams = Streams::new(most, keep_alive, closing, Arc::clone(&metrics));
        Self {
            streams: Arc::new(streams),
            standing: Arc::default(),
            calls,
            callers,
            pages: Arc::default(),
            metrics,
            access_sample,
            body: Bounds {
                most: limits.max_body,
                time: limits.body_timeout,
            },
            gateway: gateway.into(),
            trusted_proxies: Vec::new(),
            throttle: Throttle::over(Code::ALL.len()),
        }
    }

    /// Signs pages of these hosts only, where an app names some.
    #[must_use]
    pub fn signing(self, pages: Arc<ArcSwap<Pages>>) -> Self {
        Self { pages, ..self }
    }

    /// Believes these proxies when they say for whom they ask: in log lines, and nowhere else.
    #[must_use]
    pub fn behind(self, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            trusted_proxies,
            ..self
        }
    }

    /// Tells how the configuration in force stands to the one that is written.
    #[must_use]
    pub fn telling(self, standing: Arc<ArcSwap<Standing>>) -> Self {
        Self { standing, ..self }
    }
}

/// The API. Called once a worker.
pub fn api(state: Arc<ApiState>) -> impl WebApp<Response = Response<BoxBody>> {
    let worker = Rc::new(Worker::new(state));
    let app = App::new().configure(routed(Table(Rc::clone(&worker))));
    shortcut::ahead_of(app, worker)
}

fn routed(table: Table) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .service(table.get("/token/{appid}", Route::Token, token::read))
            .service(table.stream("/token/{appid}/events", Route::Events, events::read))
            .service(table.post("/token/{appid}/report", Route::Report, report::report))
            .service(table.post("/token/{appid}/refresh", Route::Refresh, refresh::refresh))
            .service(table.get("/ticket/{appid}/{type}", Route::Ticket, ticket::read))
            .service(table.get("/jssdk/{appid}", Route::Jssdk, jssdk::page))
            .service(table.get("/jssdk/{appid}/add-card", Route::AddCard, jssdk::add_card))
            .service(table.get(
                "/jssdk/{appid}/choose-card",
                Route::ChooseCard,
                jssdk::choose_card,
            ))
            .service(table.post("/user/{appid}/batch", Route::Users, users::batch))
            .service(table.get("/user/{appid}/{openid}", Route::User, users::one))
            .service(table.get(
                "/oauth/{appid}/authorize",
                Route::Authorize,
                oauth::authorize,
            ))
            .service(table.post("/oauth/{appid}/exchange", Route::Exchange, oauth::exchange))
            .service(table.post("/oauth/{appid}/refresh", Route::RenewWeb, oauth::refresh))
            .service(table.post("/oauth/{appid}/userinfo", Route::WebUser, oauth::userinfo))
            .service(table.post("/oauth/{appid}/check", Route::CheckWeb, oauth::check))
            .service(table.post("/session/{appid}", Route::Session, oauth::session))
            .service(table.get("/cgi-bin/token", Route::NativeToken, native::token))
            .service(table.post(
                "/cgi-bin/stable_token",
                Route::NativeStableToken,
                native::stable_token,
            ))
            .service(table.get(
                "/cgi-bin/ticket/getticket",
                Route::NativeTicket,
                native::ticket,
            ))
            .service(table.get(
                "/sns/oauth2/access_token",
                Route::NativeExchange,
                native::exchange,
            ))
            .service(table.get("/sns/jscode2session", Route::NativeSession, native::session))
            .service(table.get(
                "/sns/oauth2/refresh_token",
                Route::NativeRenewal,
                persons::renew,
            ))
            .service(table.get("/sns/userinfo", Route::NativeWebUser, persons::user))
            .service(table.get("/sns/auth", Route::NativeWebCheck, persons::check))
            .service(table.any("/gateway/{appid}/{path:.*}", Route::Gateway, gateway::keyed))
            .service(table.get("/apps", Route::Apps, apps::all))
            .service(table.get("/apps/{appid}", Route::App, apps::one))
            .service(table.post("/apps/{appid}/pause", Route::Pause, apps::pause))
            .service(table.post("/apps/{appid}/resume", Route::Resume, apps::resume))
            .service(table.get("/openapi.json", Route::OpenApi, docs::document))
            .service(table.get("/docs", Route::Docs, docs::to_page))
            .service(table.get("/docs/{part:.*}", Route::Docs, docs::page));
        for family in FAMILIES {
            let path = format!("{family}/{{path:.*}}");
            config.service(table.any(&path, Route::NativeCall, gateway::native));
        }
        config.default_service(within(&table.0, Route::None, nowhere));
    }
}

/// Metrics, probes, and the status page. Called once a worker.
pub fn ops(state: Arc<OpsState>, page: Arc<StatusPage>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::from(state))
            .app_data(web::Data::from(page))
            .service(operations::get("/", status_page::page))
            .service(operations::stream("/live", status_page::follow))
            .service(operations::get("/runbooks/{file}", status_page::runbook))
            .service(operations::get("/metrics", operations::metrics))
            .service(operations::get("/livez", operations::livez))
            .service(operations::get("/readyz", operations::readyz))
            .default_service(web::route().to(operations::nowhere));
    }
}

/// One method a path, mostly; any other is answered with 405.
struct Table(Rc<Worker>);

impl Table {
    fn get<H>(&self, path: &str, route: Route, handler: H) -> Resource
    where
        H: AsyncFn(&Call) -> Result<HttpResponse, Problem> + Clone + 'static,
    {
        let either = guard::Any(guard::Get()).or(guard::Head());
        web::resource(path)
            .route(within(&self.0, route, handler).guard(either))
            .default_service(within(&self.0, route, async |_: &Call| {
                Err(Problem::method_not_allowed(&[Method::GET, Method::HEAD]))
            }))
    }

    /// Not for HEAD: the answer to it would have a body that never ends.
    fn stream<H>(&self, path: &str, route: Route, handler: H) -> Resource
    where
        H: AsyncFn(&Call) -> Result<HttpResponse, Problem> + Clone + 'static,
    {
        web::resource(path)
            .route(within(&self.0, route, handler).method(Method::GET))
            .default_service(within(&self.0, route, async |_: &Call| {
                Err(Problem::method_not_allowed(&[Method::GET]))
            }))
    }

    /// Whatever the method: the handler judges it.
    fn any<H>(&self, path: &str, route: Route, handler: H) -> Resource
    where
        H: AsyncFn(&Call) -> Result<HttpResponse, Problem> + Clone + 'static,
    {
        web::resource(path).default_service(within(&self.0, route, handler))
    }

    fn post<H>(&self, path: &str, route: Route, handler: H) -> Resource
    where
        H: AsyncFn(&Call) -> Result<HttpResponse, Problem> + Clone + 'static,
    {
        web::resource(path)
            .route(within(&self.0, route, handler).method(Method::POST))
            .default_service(within(&self.0, route, async |_: &Call| {
                Err(Problem::method_not_allowed(&[Method::POST]))
            }))
    }
}

async fn nowhere(_: &Call) -> Result<HttpResponse, Problem> {
    Err(Problem::no_such_route())
}
