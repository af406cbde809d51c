//! A refusal as it is answered: `application/problem+json` (RFC 9457), with a stable `code`, and where
//! waiting helps, how long.

mod as_wechat;
mod code;
mod from_call;
mod from_core;
mod from_request;

pub(super) use as_wechat::InWeChatsShape;
pub use code::Code;
pub(super) use from_call::Brief;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::app_id::AppId;
use crate::domain::upstream_error::UpstreamError;

/// What `Content-Type` says of a problem document.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request is refused. Never holds a token, a key or anything else out of a body.
/// Boxed, so that the way of a request that is answered stays narrow.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Refused>);

#[derive(Clone, Debug)]
struct Refused {
    code: Code,
    detail: Cow<'static, str>,
    appid: Option<AppId>,
    retry_after: Option<Duration>,
    verdict: Option<&'static str>,
    verb: Option<&'static str>,
    cause: Option<&'static str>,
    parameter: Option<String>,
    /// What WeChat said to a call that was made for a caller.
    upstream: Option<UpstreamError>,
    header: Option<(HeaderName, Cow<'static, str>)>,
}

/// A refusal. Never holds a key, a token, nor any value out of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// The code as a URI.
    r#type: String,
    /// What it is, for people; may change.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What happened and what to do, for people; may change.
    detail: &'a str,
    #[schema(value_type = Code)]
    code: &'a str,
    /// The app that the request named.
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<&'a str>,
    /// After how many seconds to ask again. Without it, the same request will be refused again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// What came of a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    /// Which verb the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'a str>,
    /// The class of WeChat's refusal to issue a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// Which parameter is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// WeChat's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<i64>,
    /// WeChat's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    errmsg: Option<&'a str>,
    /// What WeChat's support asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<&'a str>,
}

impl Problem {
    /// What is wrong, for people.
    pub(in crate::http) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let header = (code.status().as_u16() == 401).then(|| {
            let challenge = Cow::Borrowed("Bearer realm=\"token-broker\"");
            (WWW_AUTHENTICATE, challenge)
        });
        Self(Box::new(Refused {
            code,
            detail: detail.into(),
            appid: None,
            retry_after: None,
            verdict: None,
            verb: None,
            cause: None,
            parameter: None,
            upstream: None,
            header,
        }))
    }

    /// Which app it is about.
    pub(super) fn about(mut self, app: &AppId) -> Self {
        self.0.appid = Some(app.clone());
        self
    }

    /// What came of the report that led here.
    pub(super) fn with_verdict(mut self, verdict: &'static str) -> Self {
        self.0.verdict = Some(verdict);
        self
    }

    fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    fn allowing(mut self, methods: &[Method]) -> Self {
        let names: Vec<_> = methods.iter().map(Method::as_str).collect();
        self.0.header = Some((ALLOW, Cow::Owned(names.join(", "))));
        self
    }

    pub(super) fn code(&self) -> Code {
        self.0.code
    }

    pub(super) fn render(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.code.status());
        response.content_type(MEDIA_TYPE);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some((name, value)) = &self.0.header {
            response.insert_header((name.clone(), value.as_ref()));
        }
        let wait = self.0.retry_after.map(whole_seconds);
        if let Some(wait) = wait {
            response.insert_header((RETRY_AFTER, wait));
        }
        response.body(self.document())
    }

    /// The document alone, on one line.
    pub(super) fn document(&self) -> Vec<u8> {
        let upstream = self.0.upstream.as_ref();
        let document = Document {
            r#type: format!("urn:token-broker:problem:{}", self.0.code.as_str()),
            title: self.0.code.title(),
            status: self.0.code.status().as_u16(),
            detail: &self.0.detail,
            code: self.0.code.as_str(),
            appid: self.0.appid.as_ref().map(AppId::as_str),
            retry_after: self.0.retry_after.map(whole_seconds),
            verdict: self.0.verdict,
            verb: self.0.verb,
            cause: self.0.cause,
            parameter: self.0.parameter.as_deref(),
            errcode: upstream.map(|error| error.code),
            errmsg: upstream.map(|error| error.message.as_str()),
            rid: upstream.and_then(|error| error.rid.as_deref()),
        };
        // Texts and numbers only: nothing in it can fail to be written.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// Rounded up: whoever comes back then is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
