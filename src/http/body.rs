//! Reading a request's body: JSON only, bounded in size and in time.

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) most: usize,
    pub(super) time: Duration,
}

/// Reads a JSON object. `form` says in an error what is expected, since what was sent is never repeated.
pub(super) async fn object<T: DeserializeOwned>(
    headers: &HeaderMap,
    payload: Payload,
    bounds: Bounds,
    form: &str,
) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::unsupported_media_type());
    }
    let Bounds { most, time } = bounds;
    let body = tokio::time::timeout(time, whole(headers, payload, most))
        .await
        .map_err(|_| Problem::body_timeout(time))??;
    // An array would do for a struct, in its fields' order: nobody means that.
    if !body.trim_ascii_start().starts_with(b"{") {
        let detail = format!("The body must be a JSON object, {form}.");
        return Err(Problem::malformed_body(detail));
    }
    serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail =
            format!("The body must be {form}; line {line}, column {column} says something else.");
        Problem::malformed_body(detail)
    })
}

async fn whole(
    headers: &HeaderMap,
    mut payload: Payload,
    most: usize,
) -> Result<BytesMut, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(Problem::body_too_large(most));
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            let detail = String::from("The body ended before it was complete.");
            return Err(Problem::malformed_body(detail));
        };
        if body.len() + chunk.len() > most {
            return Err(Problem::body_too_large(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}
