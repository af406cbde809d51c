//! WeChat's endpoints, one file each. To add one: write its file with a `ROUTE`, and name it in `ROUTES`. What
//! all have in common (method, parameters, strictness) is checked here, from what the route declares.

mod api_domain_ip;
mod echo;
mod media;
mod stable_token;
mod template;
mod ticket;
mod token;
mod user_info;
mod web;
mod wxa_code;

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::server::Request;

/// Every endpoint there is.
const ROUTES: [&Route; 16] = [
    &token::ROUTE,
    &stable_token::ROUTE,
    &api_domain_ip::ROUTE,
    &ticket::ROUTE,
    &user_info::ONE,
    &user_info::MANY,
    &web::EXCHANGE,
    &web::REFRESH,
    &web::USER,
    &web::CHECK,
    &web::SESSION,
    &template::ROUTE,
    &media::UPLOAD,
    &media::GET,
    &wxa_code::ROUTE,
    &echo::ROUTE,
];

/// What an endpoint demands of a request, and what it does.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The query parameters; there must be no others.
    pub(crate) query: &'static [Parameter],
    /// Whether the form is checked at all.
    pub(crate) strict: bool,
    /// The member of the reply that faults tamper with.
    pub(crate) credential: &'static str,
    pub(crate) act: fn(&mut Platform, &Request, Instant) -> Result<Answer, Refusal>,
}

/// A query parameter; it may be there once.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// The code for its absence; `None` if it may be left out.
    pub(crate) missing: Option<i64>,
}

/// A call that WeChat granted.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Content,
    pub(crate) outcome: Outcome,
}

/// What a reply holds.
#[derive(Debug)]
pub(crate) enum Content {
    Json(Value),
    File(File),
}

/// Bytes, what they are, and how they are to be called.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) content_type: String,
    pub(crate) name: Option<String>,
    pub(crate) bytes: Bytes,
}

impl From<Value> for Content {
    fn from(body: Value) -> Self {
        Self::Json(body)
    }
}

/// The endpoint at a path.
pub(crate) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.into_iter().find(|route| route.path == path)
}

impl Route {
    /// Checks the form of the request and acts on it.
    pub(crate) fn answer(
        &self,
        platform: &mut Platform,
        request: &Request,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        if self.strict {
            self.check_form(request)?;
        }
        (self.act)(platform, request, now)
    }

    fn check_form(&self, request: &Request) -> Result<(), Refusal> {
        if request.method != self.method {
            let errcode = if self.method == Method::GET {
                43001
            } else {
                43002
            };
            let what = format!("{} instead of {}", request.method, self.method);
            return Err(Refusal::violating(errcode, what));
        }
        if self.method == Method::GET && !request.body.is_empty() {
            return Err(Refusal::violating(40035, "a GET with a body"));
        }
        for (name, _) in &request.query {
            if !self.query.iter().any(|parameter| parameter.name == name) {
                let what = format!("unknown parameter {name}");
                return Err(Refusal::violating(40035, what));
            }
        }
        for parameter in self.query {
            let mut values = request.values(parameter.name);
            let given = values.next().is_some_and(|value| !value.is_empty());
            if values.next().is_some() {
                let what = format!("duplicated parameter {}", parameter.name);
                return Err(Refusal::violating(40035, what));
            }
            if let (false, Some(errcode)) = (given, parameter.missing) {
                let what = format!("missing parameter {}", parameter.name);
                return Err(Refusal::violating(errcode, what));
            }
        }
        Ok(())
    }
}

/// The app that a request is about, as far as it tells: by name, or by a token of its.
pub(crate) fn appid_of(platform: &Platform, request: &Request) -> Option<String> {
    if let Some(appid) = request.value("appid") {
        return Some(appid.to_owned());
    }
    if let Some(token) = request.value("access_token") {
        let issued = platform.tokens.find(token);
        return issued
            .map(|token| token.appid.clone())
            .or_else(|| platform.vouchers.appid_of(token).map(str::to_owned));
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    Some(body.get("appid")?.as_str()?.to_owned())
}

/// Whether a request asks for a forced refresh.
pub(crate) fn is_forced(request: &Request) -> bool {
    serde_json::from_slice::<Value>(&request.body)
        .is_ok_and(|body| body["force_refresh"] == Value::Bool(true))
}
