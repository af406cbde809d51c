//! `GET /token/{appid}`: the hot path, and the token as it is written in every answer that carries one.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue};
use bytes::Bytes;
use utoipa::ToSchema;

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

/// A token, as [`json`] writes it.
#[derive(ToSchema)]
#[schema(as = Token)]
#[expect(
    dead_code,
    reason = "the shape of what is written by hand, for the contract"
)]
pub(super) struct TokenDocument {
    /// The app.
    appid: String,
    /// The token. Leave room for 512 characters and more.
    access_token: String,
    /// What is left of its life, in seconds.
    expires_in: u64,
    /// When it expires, in seconds since 1970 UTC.
    expires_at: u64,
    /// Grows with each new token of the app.
    version: u64,
}

/// The current token.
pub(super) async fn read(call: &Call) -> Result<HttpResponse, Problem> {
    let id = call.app_for(Verb::Read)?;
    let app = call.broker().app(id);
    let served = call.grant(id).await;
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
pub(super) fn etag(version: Version) -> HeaderValue {
    let mut text = Vec::with_capacity(24);
    text.push(b'"');
    write_number(&mut text, version.0);
    text.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The token as JSON, with what came of a report in front. By hand: neither a serializer nor `write!` is
/// cheap enough for the hot path. Neither an appid nor a verdict has a character that JSON escapes.
pub(super) fn json(app: &AppId, served: &Served, verdict: Option<&str>) -> Bytes {
    let token = served.grant.value.expose();
    let mut out = Vec::with_capacity(app.as_str().len() + token.len() + 192);
    out.push(b'{');
    if let Some(verdict) = verdict {
        out.extend_from_slice(b"\"verdict\":\"");
        out.extend_from_slice(verdict.as_bytes());
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"appid\":\"");
    out.extend_from_slice(app.as_str().as_bytes());
    out.extend_from_slice(b"\",\"access_token\":");
    write_text(&mut out, token);
    out.extend_from_slice(b",\"expires_in\":");
    write_number(&mut out, served.expires_in.as_secs());
    out.extend_from_slice(b",\"expires_at\":");
    write_number(&mut out, served.expires_at.as_secs());
    out.extend_from_slice(b",\"version\":");
    write_number(&mut out, served.grant.version.0);
    out.push(b'}');
    Bytes::from(out)
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
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
    fn numbers_are_written_whole() {
        for number in [0, 9, 10, 1_790_000_000_000_000, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(String::from_utf8_lossy(&out), number.to_string());
        }
    }

    #[test]
    fn the_entity_tag_is_the_version_in_quotes() {
        assert_eq!(etag(Version(1_790_000_000_000_000)), "\"1790000000000000\"");
    }
}
