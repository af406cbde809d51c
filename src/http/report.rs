//! `POST /token/{appid}/report`: a caller's token was refused; what is true of it, and which to use now.

use actix_web::HttpResponse;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::call::Call;
use super::problem::Problem;
use super::token::json;
use crate::domain::caller::Verb;
use crate::domain::grant::is_plausible_value;
use crate::domain::secret::Digest;
use crate::refresher::ReportVerdict;

/// How a body must look, for people.
const FORM: &str = r#"either {"access_token": "..."} or {"sha256": "<64 hexadecimal digits>"}"#;

/// The body. Not `Debug`: it may hold a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    access_token: Option<String>,
    sha256: Option<String>,
}

/// What came of a report, as [`json`] writes it.
#[derive(ToSchema)]
#[schema(as = Reported)]
#[expect(
    dead_code,
    reason = "the shape of what is written by hand, for the contract"
)]
pub(super) struct ReportDocument {
    /// `stale`: it was not the current token any more, and WeChat was not asked. `refused`: it was, and is
    /// replaced. `still_valid`: WeChat accepts it. `inconclusive`: nobody could tell.
    #[schema(schema_with = verdicts)]
    verdict: &'static str,
    /// The app.
    appid: String,
    /// The token to use now.
    access_token: String,
    /// What is left of its life, in seconds.
    expires_in: u64,
    /// When it expires, in seconds since 1970 UTC.
    expires_at: u64,
    /// Grows with each new token of the app.
    version: u64,
}

/// Looks into a report.
pub(super) async fn report(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Read)?;
    let reported = call.object::<Body>(FORM).await?.digest()?;
    let broker = call.broker();
    let reported = broker.report(id, reported).await;
    let (app, verdict) = (broker.app(id), word(reported.verdict));
    let served = reported
        .current
        .map_err(|refusal| Problem::no_token(refusal, app).with_verdict(verdict))?;
    call.count_served(&served);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(json(app, &served, Some(verdict))))
}

impl Body {
    /// Which token it is about.
    fn digest(&self) -> Result<Digest, Problem> {
        let digest = match (&self.access_token, &self.sha256) {
            (Some(token), None) if is_plausible_value(token) => {
                Some(Digest::new(Sha256::digest(token).into()))
            }
            (None, Some(hex)) => Digest::parse(hex),
            (Some(_) | None, Some(_) | None) => None,
        };
        digest.ok_or_else(|| Problem::malformed_body(format!("The body must be {FORM}.")))
    }
}

fn verdicts() -> Object {
    use ReportVerdict::{Inconclusive, Refused, Stale, StillValid};
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .enum_values(Some([Stale, StillValid, Refused, Inconclusive].map(word)))
        .build()
}

/// The word for a verdict in answers.
const fn word(verdict: ReportVerdict) -> &'static str {
    match verdict {
        ReportVerdict::Stale => "stale",
        ReportVerdict::StillValid => "still_valid",
        ReportVerdict::Refused => "refused",
        ReportVerdict::Inconclusive => "inconclusive",
    }
}
