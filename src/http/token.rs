//! `GET /token/{appid}`: the hot path, and the token as it is written in every answer that carries one.

use std::io::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue};
use bytes::Bytes;

use super::call::Call;
use super::conditional::is_known;
use super::negotiation::prefers_text;
use super::problem::Problem;
use crate::broker::Served;
use crate::domain::app_id::AppId;
use crate::domain::caller::Verb;
use crate::domain::epoch::Version;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The current token.
pub(super) async fn read(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Read)?;
    let app = call.broker().app(id);
    let served = call.broker().token(id).await;
    let served = served.map_err(|refusal| Problem::no_token(refusal, app))?;
    call.count_served(&served);
    Ok(answer(call, app, &served))
}

fn answer(call: &Call, app: &AppId, served: &Served) -> HttpResponse {
    let etag = etag(served.grant.version);
    if is_known(call.headers(), &etag) {
        return HttpResponse::NotModified()
            .insert_header((ETAG, etag))
            .finish();
    }
    let (media_type, body) = if prefers_text(call.headers()) {
        let token = served.grant.value.expose();
        (TEXT, Bytes::copy_from_slice(token.as_bytes()))
    } else {
        (JSON, json(app, served, None))
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((ETAG, etag))
        .body(body)
}

/// The version in quotes.
fn etag(version: Version) -> HeaderValue {
    let mut text = Vec::with_capacity(24);
    // Writing into memory does not fail.
    let _ = write!(text, "\"{version}\"");
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The token as JSON, with what came of a report in front. By hand: this is most of the hot path.
pub(super) fn json(app: &AppId, served: &Served, verdict: Option<&str>) -> Bytes {
    let token = served.grant.value.expose();
    let mut out = Vec::with_capacity(app.as_str().len() + token.len() + 160);
    out.push(b'{');
    if let Some(verdict) = verdict {
        let _ = write!(out, "\"verdict\":\"{verdict}\",");
    }
    // Neither an appid nor a verdict has a character that JSON escapes.
    let _ = write!(out, "\"appid\":\"{app}\",\"access_token\":");
    write_text(&mut out, token);
    let _ = write!(
        out,
        ",\"expires_in\":{},\"expires_at\":{},\"version\":{}}}",
        served.expires_in.as_secs(),
        served.expires_at.as_secs(),
        served.grant.version
    );
    Bytes::from(out)
}

/// A token may be any printable ASCII, so that two of its characters may need escaping.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().any(|b| matches!(b, b'"' | b'\\')) {
        for b in text.bytes() {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(b);
        }
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_survives_json() {
        let graphic: String = (b'!'..=b'~').map(char::from).collect();
        let mut out = Vec::new();
        write_text(&mut out, &graphic);
        assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(graphic));
    }

    #[test]
    fn the_entity_tag_is_the_version_in_quotes() {
        assert_eq!(etag(Version(1_790_000_000_000_000)), "\"1790000000000000\"");
    }
}
