//! What travels between a replica and the store or upstream: a question, and its answer.

use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use token_broker::domain::time::Timestamp;

use super::scale::Tick;
use super::upstream::Token;

/// A question.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Call {
    Begin(Begin),
    Commit(Box<Commit>),
    Fail(Failure),
    Release(Attempt),
    Claim(Claim),
    Judge(Judge),
    PutBack(Box<PutBack>),
    Suspect(Suspect),
    SetPause(SetPause),
    Read,
    Ask,
    Fetch {
        /// When its lease was asked for.
        begun: Tick,
        /// A stable token is to be replaced, whatever is left of it.
        force: bool,
    },
    Check(Box<Grant>),
    /// The same of the access token that a ticket is asked for with.
    CheckAccessToken,
}

impl Call {
    /// Whether it goes to the store; the others go to upstream.
    pub(crate) const fn is_for_store(&self) -> bool {
        !matches!(
            self,
            Self::Fetch { .. } | Self::Check(_) | Self::CheckAccessToken
        )
    }

    /// Whether it changes anything: a read or a check that comes late does not.
    pub(crate) const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Read | Self::Ask | Self::Check(_) | Self::CheckAccessToken
        )
    }
}

/// An answer, or that none came.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Answer {
    Begun {
        begun: Begun,
        confirmed: bool,
        at: Timestamp,
    },
    Committed(Committed),
    Done,
    Claimed(Claimed, Timestamp),
    Judged(Judged),
    PutBack(PutBackAnswer),
    Record(Box<Record>, Timestamp),
    /// Upstream issued this, with so much left of its life.
    Issued(Token, Tick),
    /// A well-formed error: "busy".
    Definite,
    /// The request never left.
    NotSent,
    Accepted,
    Refused,
    /// No answer; what was asked may or may not have happened.
    Away,
}
