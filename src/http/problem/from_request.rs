//! What is wrong with a request, as problems. A detail never repeats what was sent: it may be a secret
//! in the wrong place.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;

use super::{Code, Problem};
use crate::domain::app_id::AppId;
use crate::domain::caller::Verb;

/// When a stream of a client that is gone has been given up at the latest.
const STREAM_FREED: Duration = Duration::from_secs(30);

impl Problem {
    pub(in crate::http) fn certificate_unknown() -> Self {
        Self::new(
            Code::KeyMissing,
            "No caller has a name of the client certificate that was shown (callers.certificates), and no key \
             was sent beside it.",
        )
    }

    pub(in crate::http) fn key_missing() -> Self {
        Self::new(
            Code::KeyMissing,
            "Send the caller's key as 'Authorization: Bearer tbk_...'.",
        )
    }

    pub(in crate::http) fn key_malformed() -> Self {
        Self::new(
            Code::KeyMalformed,
            "A key is sent as 'Authorization: Bearer tbk_<id>_<64 hexadecimal digits>', once.",
        )
    }

    pub(in crate::http) fn key_wrong() -> Self {
        Self::new(
            Code::KeyWrong,
            "No caller in the broker's configuration has this key. It may have been replaced.",
        )
    }

    pub(in crate::http) fn forbidden(verb: Verb, app: &AppId) -> Self {
        let word = verb.as_str();
        let detail = format!(
            "This needs the verb '{word}' on this app, which the caller's configuration does not give."
        );
        let mut problem = Self::new(Code::Forbidden, detail).about(app);
        problem.0.verb = Some(word);
        problem
    }

    pub(in crate::http) fn admin_of_none() -> Self {
        let word = Verb::Admin.as_str();
        let detail = "This needs the verb 'admin' on at least one app, which the caller's configuration does not give.";
        let mut problem = Self::new(Code::Forbidden, detail);
        problem.0.verb = Some(word);
        problem
    }

    /// Word for word the same for an app that does not exist and for one that the caller may not know of.
    pub(in crate::http) fn unknown_app(app: Option<AppId>) -> Self {
        let mut problem = Self::new(
            Code::UnknownApp,
            "The broker has no such app, or the caller has no right on it. Check the appid and the caller's configuration.",
        );
        problem.0.appid = app;
        problem
    }

    pub(in crate::http) fn no_such_route() -> Self {
        Self::new(
            Code::NoSuchRoute,
            "Nothing is served under this path. Paths are taken literally: no slash twice, none at the end.",
        )
    }

    pub(in crate::http) fn method_not_allowed(methods: &[Method]) -> Self {
        Self::new(
            Code::MethodNotAllowed,
            "This path does not take this method; the Allow header names those it takes.",
        )
        .allowing(methods)
    }

    pub(in crate::http) fn unexpected_query(parameter: Option<&str>) -> Self {
        let hint = "Remove it; keys and tokens never go into a query.";
        Self::new(
            Code::UnexpectedQuery,
            match parameter {
                Some(name) => {
                    format!("This path takes no query parameters, and '{name}' was sent. {hint}")
                }
                None => {
                    format!("This path takes no query parameters, and one was sent. {hint}")
                }
            },
        )
    }

    pub(in crate::http) fn rate_limited(each_second: NonZeroU32, wait: Duration) -> Self {
        Self::new(
            Code::RateLimited,
            format!(
                "This caller may make {each_second} requests a second (callers.rate), and twice as many at once. A token may be kept for as long as refresh.caller_cache."
            ),
        )
        .retry_after(wait)
    }

    pub(in crate::http) fn too_many_streams(most: usize) -> Self {
        Self::new(
            Code::TooManyStreams,
            format!(
                "A caller may have {most} streams open (server.max_streams_per_caller). One stream an app is enough for a process; one whose client is gone is given up within half a minute."
            ),
        )
        .retry_after(STREAM_FREED)
    }

    pub(in crate::http) fn too_many_viewers(most: usize) -> Self {
        Self::new(
            Code::TooManyStreams,
            format!(
                "{most} status pages are live at this replica; the page itself can be had without."
            ),
        )
        .retry_after(STREAM_FREED)
    }

    pub(in crate::http) fn body_too_large(most: usize) -> Self {
        Self::new(
            Code::BodyTooLarge,
            format!("A body may have at most {most} bytes here (see server.max_body)."),
        )
    }

    pub(in crate::http) fn body_timeout(bound: Duration) -> Self {
        let seconds = bound.as_secs();
        Self::new(
            Code::BodyTimeout,
            format!("The whole body must arrive within {seconds} s."),
        )
    }

    pub(in crate::http) fn upload_too_large(most: u64) -> Self {
        Self::new(
            Code::BodyTooLarge,
            format!("A body that is passed on may have at most {most} bytes (gateway.max_body)."),
        )
    }

    pub(in crate::http) fn body_stalled(bound: Duration) -> Self {
        let seconds = bound.as_secs();
        Self::new(
            Code::BodyTimeout,
            format!("Nothing of the body came for {seconds} s (gateway.timeout)."),
        )
    }

    pub(in crate::http) fn coded_body() -> Self {
        Self::new(
            Code::UnsupportedMediaType,
            "Send the body as it is, without 'Content-Encoding'.",
        )
    }

    pub(in crate::http) fn unsupported_media_type() -> Self {
        Self::new(
            Code::UnsupportedMediaType,
            "Send the body as JSON, with 'Content-Type: application/json'.",
        )
    }

    pub(in crate::http) fn malformed_body(detail: String) -> Self {
        Self::new(Code::MalformedBody, detail)
    }
}
