//! A request on its way through: who asks, for which app, with which right. Handlers ask it; it answers
//! with what they need, or with the problem to refuse with.

use std::cell::{Cell, OnceCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::web::Payload;
use arc_swap::Guard;
use serde::de::DeserializeOwned;

use super::arrival::Arrival;
use super::body;
use super::callers::{Callers, Identity};
use super::client_address;
use super::gateway::GatewayBounds;
use super::layer::Worker;
use super::pages::Pages;
use super::parameters::Parameters;
use super::problem::Problem;
use super::shown::ShownNames;
use crate::broker::{Broker, Served};
use crate::calls::Calls;
use crate::domain::app_id::AppId;
use crate::domain::caller::{CallerId, Verb};
use crate::snapshot::SlotId;

/// What a key in the place of an AppSecret is to open.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// The app's token.
    Token,
    /// A call of this path of WeChat's.
    Call(&'static str),
}

/// A request.
pub(super) struct Call {
    arrival: Arrival,
    worker: Rc<Worker>,
    callers: Guard<Arc<Callers>>,
    /// Who asked, where the key did not stand in a header: for the access line.
    named: OnceCell<CallerId>,
    /// Which app it turned out to be about: for the access line.
    app: Cell<Option<SlotId>>,
    /// Its name, once it was asked for.
    request_id: OnceCell<HeaderValue>,
}

impl Call {
    pub(super) fn new(arrival: Arrival, worker: Rc<Worker>) -> Self {
        Self {
            callers: worker.state.callers.load(),
            arrival,
            worker,
            named: OnceCell::new(),
            app: Cell::new(None),
            request_id: OnceCell::new(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.arrival.head().headers()
    }

    pub(super) fn broker(&self) -> &Broker {
        self.worker.state.calls.broker()
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.worker.state.calls
    }

    /// Whose pages are signed.
    pub(super) fn pages(&self) -> Guard<Arc<Pages>> {
        self.worker.state.pages.load()
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.worker
    }

    fn authenticated(&self) -> Result<Identity<'_>, Problem> {
        self.callers.authenticate(self.headers(), || self.shown())
    }

    /// What the connection's certificate says, where one was shown.
    pub(super) fn shown(&self) -> Option<&ShownNames> {
        self.arrival.of_connection()
    }

    /// Whose request it is. Query parameters are refused here: few routes take any.
    pub(super) fn caller(&self) -> Result<Identity<'_>, Problem> {
        let caller = self.authenticated()?;
        caller.admit()?;
        self.refuse_query()?;
        Ok(caller)
    }

    /// The same, on a route that takes a query.
    pub(super) fn caller_with_query(&self) -> Result<Identity<'_>, Problem> {
        let caller = self.authenticated()?;
        caller.admit()?;
        Ok(caller)
    }

    /// The app of the path, where the caller may do this with it.
    pub(super) fn app_for(&self, verb: Verb) -> Result<SlotId, Problem> {
        self.app_of(&self.caller()?, self.path("appid"), verb)
    }

    /// The app of the path, where the caller may have WeChat asked for `path` on its behalf.
    pub(super) fn app_to_ask(&self, path: &str) -> Result<SlotId, Problem> {
        self.may_ask(&self.caller()?, self.path("appid"), path)
    }

    /// The same, on a route that takes a query.
    pub(super) fn app_with_query(&self, verb: Verb) -> Result<SlotId, Problem> {
        self.app_of(&self.caller_with_query()?, self.path("appid"), verb)
    }

    /// The app of the path, where the caller may have WeChat asked for `path`, on a route that takes a query.
    pub(super) fn app_to_ask_with_query(&self, path: &str) -> Result<SlotId, Problem> {
        self.may_ask(&self.caller_with_query()?, self.path("appid"), path)
    }

    fn may_ask(&self, caller: &Identity<'_>, asked: &str, path: &str) -> Result<SlotId, Problem> {
        let id = self.app_of(caller, asked, Verb::Call)?;
        self.opens(caller, id, path)?;
        Ok(id)
    }

    /// Whether the caller's rights open this path of WeChat's.
    pub(super) fn opens(
        &self,
        caller: &Identity<'_>,
        id: SlotId,
        path: &str,
    ) -> Result<(), Problem> {
        let app = self.broker().app(id);
        if caller.rights.opens(app, path) {
            Ok(())
        } else {
            Err(Problem::path_forbidden(app))
        }
    }

    /// The app whose access token this is, where that has not expired: what the token's holder could do at WeChat
    /// itself, it may do here.
    pub(super) fn app_by_token(&self, token: &str) -> Result<SlotId, Problem> {
        let known = self.gateway().tokens_as_keys;
        let id = known.then(|| self.broker().holder_of(token)).flatten();
        self.app.set(id);
        id.ok_or_else(Problem::token_unknown)
    }

    /// An app, for the caller whose key stands where an unmodified client puts the AppSecret.
    pub(super) fn app_by_secret(
        &self,
        secret: &str,
        appid: &str,
        asked: Asked,
    ) -> Result<SlotId, Problem> {
        let caller = self.callers.authenticate_secret(secret)?;
        caller.admit()?;
        if let Some(id) = caller.id {
            self.named.get_or_init(|| id.clone());
        }
        match asked {
            Asked::Token => self.app_of(&caller, appid, Verb::Read),
            Asked::Call(path) => self.may_ask(&caller, appid, path),
        }
    }

    /// Whether people's tokens open this path of WeChat's, which no key comes with: only where some caller may ask for
    /// it, and where tokens are keys at all.
    pub(super) fn open_to_persons(&self, path: &'static str) -> Result<(), Problem> {
        if self.gateway().tokens_as_keys && self.callers.open_somewhere(path) {
            Ok(())
        } else {
            Err(Problem::closed_to_persons())
        }
    }

    /// The app of this name, where people's refresh tokens open `path` to it.
    pub(super) fn app_open_to_persons(
        &self,
        asked: &str,
        path: &'static str,
    ) -> Result<SlotId, Problem> {
        self.open_to_persons(path)?;
        let hidden = || Problem::unknown_app(AppId::parse(asked).ok());
        let id = self.broker().find(asked).ok_or_else(hidden)?;
        self.app.set(Some(id));
        if self.callers.open(self.broker().app(id), path) {
            Ok(id)
        } else {
            Err(hidden())
        }
    }

    /// This app, where the caller may do this with it.
    pub(super) fn app_of(
        &self,
        caller: &Identity<'_>,
        asked: &str,
        verb: Verb,
    ) -> Result<SlotId, Problem> {
        let hidden = || Problem::unknown_app(AppId::parse(asked).ok());
        let id = self.broker().find(asked).ok_or_else(hidden)?;
        self.app.set(Some(id));
        let app = self.broker().app(id);
        if caller.rights.allows(app, verb) {
            Ok(id)
        } else if caller.rights.knows(app) {
            Err(Problem::forbidden(verb, app))
        } else {
            Err(hidden())
        }
    }

    /// What is passed on to WeChat, and how much of it.
    pub(super) fn gateway(&self) -> &GatewayBounds {
        &self.worker.state.gateway
    }

    /// The body, unread.
    pub(super) fn payload(&self) -> Result<Payload, Problem> {
        let read = || Problem::malformed_body(String::from("The body was read."));
        self.arrival.payload().ok_or_else(read)
    }

    pub(super) fn method(&self) -> &Method {
        &self.arrival.head().method
    }

    /// The path as it was sent, nothing decoded.
    pub(super) fn sent_path(&self) -> &str {
        self.arrival.head().uri.path()
    }

    /// The query as it was sent, nothing decoded.
    pub(super) fn sent_query(&self) -> Option<&str> {
        self.arrival.head().uri.query()
    }

    /// A part of the path.
    pub(super) fn path(&self, name: &str) -> &str {
        self.arrival.part(name).unwrap_or_default()
    }

    /// The query, with no other parameters than these.
    pub(super) fn query(&self, known: &[&str]) -> Result<Parameters, Problem> {
        Parameters::of_query(self.sent_query(), known)
    }

    /// The query, with whatever parameters: unmodified clients add some of their own.
    pub(super) fn any_query(&self) -> Result<Parameters, Problem> {
        Parameters::of_any_query(self.sent_query())
    }

    /// The body's members, whatever they are.
    pub(super) async fn any_parameters(&self, form: &str) -> Result<Parameters, Problem> {
        let members: Parameters = self.object(form).await?;
        members.each_once()
    }

    /// The body's members, of at most `most` bytes where that is more than bodies usually may have, with no
    /// others than `known`.
    pub(super) async fn parameters(
        &self,
        most: usize,
        form: &str,
        known: &[&str],
    ) -> Result<Parameters, Problem> {
        let mut bounds = self.worker.state.body;
        bounds.most = bounds.most.max(most);
        let members: Parameters = self.bounded_object(bounds, form).await?;
        members.each_once()?.only(known)
    }

    /// The body, as a JSON object of this `form`.
    pub(super) async fn object<T: DeserializeOwned>(&self, form: &str) -> Result<T, Problem> {
        self.bounded_object(self.worker.state.body, form).await
    }

    async fn bounded_object<T: DeserializeOwned>(
        &self,
        bounds: body::Bounds,
        form: &str,
    ) -> Result<T, Problem> {
        body::object(self.headers(), self.payload()?, bounds, form).await
    }

    /// Counts an answer with a token that nobody has vouched for lately.
    pub(super) fn count_served(&self, served: &Served) {
        if !served.vouched {
            self.worker.state.metrics.served_unvouched();
        }
    }

    fn refuse_query(&self) -> Result<(), Problem> {
        match self.sent_query() {
            None => Ok(()),
            Some(query) => Err(Problem::unexpected_query(first_name(query))),
        }
    }

    /// Who asked, found out anew: for the few requests that leave a line in the log.
    pub(super) fn known_caller(&self) -> Option<&CallerId> {
        let named = self.named.get();
        named.or_else(|| self.authenticated().ok()?.id)
    }

    /// The request's name: the client's, or one of ours.
    pub(super) fn request_id(&self) -> &HeaderValue {
        self.request_id
            .get_or_init(|| self.worker.name_of(self.headers()))
    }

    /// The same, once nobody asks for it any more: a clone of it is memory for the count of its clones.
    pub(super) fn take_request_id(&mut self) -> HeaderValue {
        let named = self.request_id.take();
        named.unwrap_or_else(|| self.worker.name_of(self.headers()))
    }

    /// From which address the request came, for log lines.
    pub(super) fn client(&self) -> Option<IpAddr> {
        client_address::client(self.arrival.head(), &self.worker.state.trusted_proxies)
    }

    /// Which app of ours it was about, whether the caller may know of it or not.
    pub(super) fn known_app(&self) -> Option<&AppId> {
        self.app.get().map(|id| self.broker().app(id))
    }
}

/// The name of a query's first parameter, where it is short and plain: else it may be anything.
fn first_name(query: &str) -> Option<&str> {
    let name = query.split(['&', '=']).next()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    ((1..=32).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}
