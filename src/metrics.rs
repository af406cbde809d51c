//! Placeholder: the measurements the flows make.

use std::time::Duration;

use crate::domain::app_id::AppId;
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;
use crate::domain::upstream_error::ErrorClass;

/// How a fetch ended: a closed set, the label of `token_broker_fetches_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchOutcome {
    /// Upstream issued a grant.
    Granted,
    /// A well-formed error.
    Refused(ErrorClass),
    /// The request never left.
    NotSent,
    /// A grant may have been issued.
    Ambiguous,
}

/// Why a check was made: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The regular look at a live grant.
    Watch,
    /// The store cannot be asked.
    CutOff,
    /// Before a repair spends budget.
    Repair,
    /// Before a grant goes back to the store.
    PutBack,
    /// A caller's report.
    Report,
}

/// What a check said: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckOutcome {
    /// Accepted.
    Accepted,
    /// Refused, twice.
    Refused,
    /// An answer that says nothing about the token.
    Inconclusive,
    /// No answer.
    Away,
}

/// Everything the flows count.
#[derive(Debug, Default)]
pub struct Metrics;

impl Metrics {
    /// A fetch ended after `took`.
    pub fn fetched(&self, _app: &AppId, _reason: Reason, _outcome: FetchOutcome, _took: Duration) {}
    /// A check ended.
    pub fn checked(&self, _app: &AppId, _purpose: Purpose, _outcome: CheckOutcome) {}
    /// A refresh was kept from happening.
    pub fn blocked(&self, _app: &AppId, _by: BlockedBy) {}
    /// A grant was found dead that no fetch of ours explains.
    pub fn foreign_invalidation(&self, _app: &AppId) {}
    /// Two fetches overlapped.
    pub fn overlap_detected(&self, _app: &AppId) {}
    /// A grant died before it expired.
    pub fn died(&self, _app: &AppId) {}
    /// A grant could not be stored and is served meanwhile.
    pub fn pending(&self, _app: &AppId) {}
    /// A grant was put back into the store.
    pub fn put_back(&self, _app: &AppId) {}
    /// A task or a step panicked.
    pub fn panicked(&self, _task: &'static str) {}
}
