//! What came of a call to WeChat that was made for a caller, as problems.

use serde::Serialize;

use super::from_core::SOON;
use super::{Code, Problem};
use crate::calls::CallError;
use crate::domain::app_id::AppId;

/// A problem within an answer that is none: one of a batch.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Brief {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<String>,
}

impl Problem {
    /// A call brought nothing.
    pub(in crate::http) fn of_call(error: CallError, app: &AppId) -> Self {
        match error {
            CallError::NoToken(refusal) => return Self::no_token(refusal, app),
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
        .about(app)
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
