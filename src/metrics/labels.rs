//! The closed sets that serve as labels, where the domain does not have them already.

use crate::domain::credential::Kind;
use crate::domain::upstream_error::ErrorClass;
use crate::ports::Fetched;

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

impl FetchOutcome {
    /// How this fetch of `kind` ended.
    #[must_use]
    pub const fn of(kind: Kind, fetched: &Fetched) -> Self {
        match fetched {
            Fetched::Granted { .. } => Self::Granted,
            Fetched::Refused(error) => Self::Refused(error.class_for(kind)),
            Fetched::NotSent(_) => Self::NotSent,
            Fetched::Ambiguous(_) => Self::Ambiguous,
        }
    }
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

impl FetchOutcome {
    /// The word for it in metrics; the class of a refusal is counted apart.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused(_) => "refused",
            Self::NotSent => "not_sent",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [
        Self::Watch,
        Self::CutOff,
        Self::Repair,
        Self::PutBack,
        Self::Report,
    ];

    /// The word for it in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::CutOff => "cut_off",
            Self::Repair => "repair",
            Self::PutBack => "put_back",
            Self::Report => "report",
        }
    }
}

impl CheckOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [
        Self::Accepted,
        Self::Refused,
        Self::Inconclusive,
        Self::Away,
    ];

    /// The word for it in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Inconclusive => "inconclusive",
            Self::Away => "away",
        }
    }
}

/// A loop of the write flow that has to go on: the label of `token_broker_loop_turns_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turning {
    /// Plans and starts steps.
    Scheduler,
    /// Brings in what other replicas did.
    Follower,
}

impl Turning {
    /// Every one, each at its place.
    pub const ALL: [Self; 2] = [Self::Scheduler, Self::Follower];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Follower => "follower",
        }
    }
}
