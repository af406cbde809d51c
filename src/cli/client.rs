//! Asking a running broker by HTTP.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, redirect};
use serde::Deserialize;

use super::failure::Failure;
use crate::domain::secret::Secret;

/// Longer than a broker may let a request wait for a first grant, by default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A probe is asked again anyway.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a broker could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer.
    #[error("cannot reach {base}: {reason}")]
    Unreachable {
        /// The broker's URL.
        base: String,
        /// Why not.
        reason: String,
    },
    /// An answer that is an error.
    #[error("{0}")]
    Refused(String),
    /// An answer that cannot be understood.
    #[error("{base} gave an answer that is not a token broker's")]
    Unreadable {
        /// The broker's URL.
        base: String,
    },
}

/// An RFC 9457 problem, as far as it is shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
}

/// The body that `path` answers a caller.
pub(super) fn get(base: &str, path: &str, key: &Secret) -> Result<String, Failure> {
    let request = |client: &Client| {
        client
            .get(format!("{base}{path}"))
            .bearer_auth(key.expose())
            .timeout(TIMEOUT)
    };
    ask(base, request)
}

/// The body that a probe answers.
pub(super) fn probe(base: &str, path: &str) -> Result<String, Failure> {
    ask(base, |client| {
        client.get(format!("{base}{path}")).timeout(PROBE_TIMEOUT)
    })
}

fn ask(base: &str, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<String, Failure> {
    let unreachable = |error: reqwest::Error| ClientError::Unreachable {
        base: base.to_owned(),
        reason: reason(error),
    };
    // The key must go to this address and to no other: no proxy, no redirect.
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .map_err(unreachable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (status, body) = runtime
        .block_on(async {
            let response = request(&client).send().await?;
            let status = response.status();
            response.text().await.map(|body| (status, body))
        })
        .map_err(unreachable)?;
    if status.is_success() {
        return Ok(body);
    }
    let problem: Problem = serde_json::from_str(&body).unwrap_or_default();
    Err(ClientError::Refused(problem.describe(status)).into())
}

impl Problem {
    fn describe(self, status: reqwest::StatusCode) -> String {
        let mut text = self.title.unwrap_or_else(|| status.to_string());
        if let Some(detail) = self.detail {
            text = format!("{text}: {detail}");
        }
        match self.code {
            Some(code) => format!("{text} ({code})"),
            None => text,
        }
    }
}

/// What lies at the bottom of an error, which says most, and has no URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
