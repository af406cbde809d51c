//! The spans of requests: one that waits for a token, and one that is passed on to WeChat. Any other is over before
//! a span would be made.

use std::future::Future;

use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use super::call::Call;
use super::problem::Problem;
use super::request_id::traceparent;
use crate::broker::{Refusal, Served};
use crate::calls::{Answer, CallError};
use crate::snapshot::SlotId;
use crate::traces::{self, TARGET};

impl Call {
    /// The grant of `id`, waited for where it is not at hand.
    pub(super) async fn grant(&self, id: SlotId) -> Result<Served, Refusal> {
        match self.broker().at_once(id) {
            Some(served) => Ok(served),
            // Apart, so that the many that need not wait are not made room for it.
            None => Box::pin(self.awaited_grant(id)).await,
        }
    }

    async fn awaited_grant(&self, id: SlotId) -> Result<Served, Refusal> {
        let credential = self.broker().reader().credential(id);
        let span = info_span!(
            target: TARGET,
            "cold_get",
            otel.kind = "server",
            appid = %credential.app,
            kind = %credential.kind,
            request_id = self.request_id().to_str().unwrap_or_default(),
            version = Empty,
            outcome = Empty,
        );
        traces::continue_from(&span, traceparent(self.headers()));
        let waited = self.broker().token(id).instrument(span.clone()).await;
        match &waited {
            Ok(served) => {
                span.record("version", served.grant.version.0);
                span.record("outcome", "served");
            }
            Err(refusal) => {
                let problem = Problem::no_token(*refusal, &credential.app);
                span.record("outcome", problem.code().as_str());
            }
        }
        waited
    }

    /// A call that is passed on: how it ends is the span's end. A reply that streams goes on after it.
    pub(super) async fn traced(
        &self,
        id: SlotId,
        passing: impl Future<Output = Result<Answer, CallError>>,
    ) -> Result<Answer, CallError> {
        let app = self.broker().app(id);
        let span = info_span!(
            target: TARGET,
            "gateway_call",
            otel.kind = "server",
            appid = %app,
            request_id = self.request_id().to_str().unwrap_or_default(),
            errcode = Empty,
            outcome = Empty,
        );
        traces::continue_from(&span, traceparent(self.headers()));
        let passed = passing.instrument(span.clone()).await;
        match &passed {
            Ok(answer) => {
                span.record("errcode", answer.reply.errcode);
                span.record("outcome", "answered");
            }
            Err(error) => {
                let problem = Problem::of_call(error.clone(), app);
                span.record("outcome", problem.code().as_str());
            }
        }
        passed
    }
}
