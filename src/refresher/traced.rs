//! The spans of steps: a refresh, and within it each fetch and each check. Their attributes are words from closed sets.

use tracing::field::Empty;
use tracing::{Span, info_span};

use super::{Refresher, StepEnd};
use crate::domain::credential::Credential;
use crate::domain::protocol::Reason;
use crate::domain::replica::Step;
use crate::metrics::{FetchOutcome, Purpose};
use crate::ports::Fetched;
use crate::snapshot::SlotId;
use crate::traces::TARGET;

impl Refresher {
    /// The span of a step; none for one that is no refresh.
    pub(super) fn span_of(&self, id: SlotId, step: Step) -> Span {
        let reason = match step {
            Step::Refresh(reason) => reason.as_str(),
            Step::RefreshAlone => "store_away",
            Step::Offer | Step::Watch | Step::CheckCutOff | Step::Suspect | Step::Ask => {
                return Span::none();
            }
        };
        let credential = self.publisher.credential(id);
        info_span!(
            target: TARGET,
            "refresh",
            appid = %credential.app,
            kind = %credential.kind,
            reason,
            version = Empty,
            outcome = Empty,
        )
    }

    /// What came of a refresh.
    pub(super) fn end(&self, id: SlotId, span: &Span, end: StepEnd) {
        if span.is_disabled() {
            return;
        }
        match end {
            StepEnd::Done => {
                let floor = self
                    .publisher
                    .inspect(id, crate::domain::replica::Replica::floor);
                span.record("version", floor.0);
                span.record("outcome", "done");
            }
            StepEnd::Blocked(by, _) => {
                span.record("outcome", by.as_str());
            }
        }
    }
}

/// The span of one fetch.
pub(super) fn fetching(credential: &Credential, reason: Reason) -> Span {
    info_span!(
        target: TARGET,
        "fetch",
        otel.kind = "client",
        appid = %credential.app,
        kind = %credential.kind,
        reason = reason.as_str(),
        errcode = Empty,
        outcome = Empty,
    )
}

/// What came of a fetch.
pub(super) fn fetched(span: &Span, outcome: FetchOutcome, fetched: &Fetched) {
    span.record("outcome", outcome.as_str());
    if let Fetched::Refused(error) = fetched {
        span.record("errcode", error.code);
    }
}

/// The span of one check, which may ask twice.
pub(super) fn checking(credential: &Credential, purpose: Purpose) -> Span {
    info_span!(
        target: TARGET,
        "check",
        otel.kind = "client",
        appid = %credential.app,
        reason = purpose.as_str(),
        outcome = Empty,
    )
}
