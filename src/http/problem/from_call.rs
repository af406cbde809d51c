//! What came of a call to WeChat that was made for a caller, as problems.

use serde::Serialize;
use utoipa::ToSchema;

use super::from_core::SOON;
use super::{Code, Problem};
use crate::calls::CallError;
use crate::domain::api_path::Closed;
use crate::domain::app_id::AppId;

/// A problem within an answer that is none: one of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Brief {
    #[schema(value_type = Code)]
    code: &'static str,
    /// WeChat's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<i64>,
    /// WeChat's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<String>,
    /// What WeChat's support asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<String>,
}

impl Problem {
    /// A call brought nothing.
    pub(in crate::http) fn of_call(error: CallError, app: &AppId) -> Self {
        match error {
            CallError::NoToken(refusal) => Self::no_token(refusal, app),
            other => Self::of_persons_call(other).about(app),
        }
    }

    /// A call with a person's token, for no app that is known, brought nothing.
    pub(in crate::http) fn of_persons_call(error: CallError) -> Self {
        match error {
            // It needs none of ours.
            CallError::NoToken(_) => Self::unknown_app(None),
            CallError::TooMany(most) => Self::new(
                Code::TooManyCalls,
                format!(
                    "{most} calls of this kind are under way at this replica (gateway.side_by_side); each takes as long as WeChat does."
                ),
            )
            .retry_after(SOON),
            CallError::Refused(error) => {
                let mut problem = Self::new(
                    Code::UpstreamError,
                    "WeChat refused the call; errcode and errmsg are its own words.",
                );
                problem.0.upstream = Some(error);
                problem
            }
            CallError::NotSent(why) => Self::new(
                Code::UpstreamAway,
                format!("The call could not be sent to WeChat: {why}."),
            )
            .retry_after(SOON),
            CallError::Unclear(why) => Self::new(
                Code::UpstreamUnclear,
                format!("WeChat may have acted on the call, and no usable reply came: {why}."),
            ),
        }
    }

    /// The caller's `paths` do not open this path of WeChat's.
    pub(in crate::http) fn path_forbidden(app: &AppId) -> Self {
        Self::new(
            Code::PathForbidden,
            "The caller's configuration does not open this path of WeChat's: see 'paths' in callers.allow.",
        )
        .about(app)
    }

    /// Nobody may have this path of WeChat's passed on.
    pub(in crate::http) fn path_closed(why: Closed) -> Self {
        Self::new(
            Code::PathClosed,
            match why {
                Closed::Fetches => {
                    "This path fetches a token or a ticket, which only the broker does: ask for it by /token or /ticket."
                }
                Closed::ClearsQuota => {
                    "This path clears the app's counts of calls, which WeChat allows ten times a month for all callers together. Do it by hand."
                }
                Closed::OtherToken => {
                    "This path takes another token than the app's: a person's (see /oauth and /session), or a third-party platform's."
                }
            },
        )
    }

    /// Nobody has a right that would open this path to people's tokens.
    pub(in crate::http) fn closed_to_persons() -> Self {
        Self::new(
            Code::PathClosed,
            "No caller in the broker's configuration may ask WeChat for this path, or no token is a key here: see 'paths' in callers.allow, and gateway.tokens_as_keys.",
        )
    }

    /// What came in the place of an app's access token is none.
    pub(in crate::http) fn token_unknown() -> Self {
        Self::new(
            Code::TokenUnknown,
            "The access token is neither the current nor the previous one of any app here. Fetch it from the broker.",
        )
    }

    /// A parameter is not as it must be. Its name is told where it is short and plain, its value never.
    pub(in crate::http) fn bad_parameter(name: Option<&str>, why: &'static str) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let name = name.filter(|name| (1..=32).contains(&name.len()) && name.bytes().all(plain));
        let mut problem = match name {
            Some(name) => Self::new(Code::BadParameter, format!("The parameter '{name}': {why}")),
            None => Self::new(Code::BadParameter, why),
        };
        problem.0.parameter = name.map(str::to_owned);
        problem
    }
}

impl Brief {
    /// The same in brief.
    pub(in crate::http) fn of_call(error: &CallError) -> Self {
        let (code, refused) = match error {
            CallError::NoToken(_) => (Code::Starting, None),
            CallError::TooMany(_) => (Code::TooManyCalls, None),
            CallError::Refused(error) => (Code::UpstreamError, Some(error)),
            CallError::NotSent(_) => (Code::UpstreamAway, None),
            CallError::Unclear(_) => (Code::UpstreamUnclear, None),
        };
        Self {
            code: code.as_str(),
            errcode: refused.map(|error| error.code),
            errmsg: refused.map(|error| error.message.clone()),
            rid: refused.and_then(|error| error.rid.clone()),
        }
    }
}
