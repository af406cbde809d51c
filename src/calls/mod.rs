//! What the broker asks WeChat on a caller's behalf, so that the caller holds neither a token nor an AppSecret.
//!
//! A call is sent once. Only where WeChat refuses the access token is it sent again, once, and only if looking
//! into that (a report, as a caller would make it) brought another token: a fetch is never the answer to a
//! single 40001, since some of WeChat's calls say it falsely.
//!
//! Most are calls that the broker knows, typed; [`passage`] passes on those that only their callers know.

mod passage;
mod persons;
pub mod pipe;
mod places;
mod profile;
mod users;
mod web;

pub use passage::{Answer, Passage, PassageLimits};
pub use profile::Profile;
pub use users::{BATCH_GET, BATCH_MOST, Lang, USER_INFO, UserResult};
pub use web::{Consent, EXCHANGE, RENEW, SESSION, Scope, Session, WEB_CHECK, WEB_USER, WebToken};

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::broker::{Broker, Refusal};
use crate::domain::app_id::AppId;
use crate::domain::secret::Secret;
use crate::domain::upstream_error::UpstreamError;
use crate::metrics::CallMetrics;
use crate::ports::{Called, Outgoing, WeChatCalls, WeChatPassage};
use crate::snapshot::SlotId;
use passage::Gate;

/// Makes calls for callers.
#[derive(Clone)]
pub struct Calls {
    broker: Broker,
    wechat: Arc<dyn WeChatCalls>,
    passage: Arc<dyn WeChatPassage>,
    gate: Gate,
    metrics: Arc<CallMetrics>,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is no token to make it with.
    NoToken(Refusal),
    /// As many calls as may be are under way for the app, or with people's tokens; how many that is.
    TooMany(usize),
    /// WeChat refused it, in so many words.
    Refused(UpstreamError),
    /// It never left this machine; why.
    NotSent(String),
    /// WeChat may have seen it; there is no reply that can be used, and why.
    Unclear(String),
}

impl Calls {
    /// Calls with the tokens that `broker` serves. `limits` bound what is passed on for callers.
    #[must_use]
    pub fn new(
        broker: Broker,
        wechat: Arc<impl WeChatCalls + WeChatPassage + 'static>,
        limits: PassageLimits,
        metrics: Arc<CallMetrics>,
    ) -> Self {
        Self {
            broker,
            wechat: wechat.clone(),
            passage: wechat,
            gate: Gate::new(limits),
            metrics,
        }
    }

    /// Where the tokens come from.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// One call with the app's access token, made again if that was refused and there is another.
    async fn with_token<T: DeserializeOwned>(
        &self,
        id: SlotId,
        make: impl Fn(&Secret) -> Outgoing,
    ) -> Result<T, CallError> {
        let served = self.broker.token(id).await.map_err(CallError::NoToken)?;
        let error = match self.send(id, make(&served.grant.value)).await {
            Err(CallError::Refused(error)) if error.is_about_token() => error,
            outcome => return outcome,
        };
        let reported = self.broker.saw_refused(id, served.grant.digest).await;
        let current = reported.current.map_err(CallError::NoToken)?;
        if current.grant.digest == served.grant.digest {
            return Err(CallError::Refused(error));
        }
        self.send(id, make(&current.grant.value)).await
    }

    /// One call for an app, sent once.
    async fn send<T: DeserializeOwned>(&self, id: SlotId, call: Outgoing) -> Result<T, CallError> {
        self.send_for(Some(self.broker.app(id)), call).await
    }

    async fn send_for<T: DeserializeOwned>(
        &self,
        app: Option<&AppId>,
        call: Outgoing,
    ) -> Result<T, CallError> {
        match self.wechat.send(app, call).await {
            // What the reply says otherwise is not repeated: it may hold tokens.
            Called::Answered(body) => serde_json::from_slice(&body).map_err(|_| {
                CallError::Unclear("the reply is not what this call answers".to_owned())
            }),
            Called::Refused(error) => Err(CallError::Refused(error)),
            Called::NotSent(why) => Err(CallError::NotSent(why)),
            Called::Unclear(why) => Err(CallError::Unclear(why)),
        }
    }
}
