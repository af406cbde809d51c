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
    let served = call.grant(id).await;
    let served = served.map_err(|refusal| Problem::no_token(refusal, call.broker().app(id)))?;
    call.count_served(&served);
    Ok(answer(call, call.path("appid"), &served))
}

/// `app` as the request named it, which is how it was found: the configuration's own lies elsewhere.
fn answer(call: &Call, app: &str, served: &Served) -> HttpResponse {
    let version = Digits::of(served.grant.version.0);
    let etag = in_quotes(&version);
    if is_known(call.headers(), &etag) {
        return HttpResponse::NotModified()
            .insert_header((ETAG, etag))
            .finish();
    }
    let (media_type, body) = if prefers_text(call.headers()) {
        let token = served.grant.value.expose();
        (TEXT, Bytes::copy_from_slice(token.as_bytes()))
    } else {
        (JSON, document(app, served, &version, None))
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((ETAG, etag))
        .body(body)
}

/// The version in quotes.
pub(super) fn etag(version: Version) -> HeaderValue {
    in_quotes(&Digits::of(version.0))
}

fn in_quotes(version: &Digits) -> HeaderValue {
    let digits = version.as_bytes();
    let mut text = [b'"'; Digits::MOST + 2];
    text[1..=digits.len()].copy_from_slice(digits);
    HeaderValue::from_bytes(&text[..digits.len() + 2])
        .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The token as JSON, with what came of a report in front.
pub(super) fn json(app: &AppId, served: &Served, verdict: Option<&str>) -> Bytes {
    document(
        app.as_str(),
        served,
        &Digits::of(served.grant.version.0),
        verdict,
    )
}

/// By hand, and into just as much memory as it takes: neither a serializer nor `write!` is cheap enough for the
/// hot path, and `Bytes` allocates once more for a `Vec` with room to spare. Neither an appid nor a verdict has
/// a character that JSON escapes.
fn document(app: &str, served: &Served, version: &Digits, verdict: Option<&str>) -> Bytes {
    let token = served.grant.value.expose();
    let expires_in = Digits::of(served.expires_in.as_secs());
    let expires_at = Digits::of(served.expires_at.as_secs());
    let told = |verdict| [&b"\"verdict\":\""[..], verdict, b"\","];
    let verdict = verdict.map_or([&b""[..]; 3], |verdict| told(verdict.as_bytes()));
    let before = [
        &b"\"appid\":\""[..],
        app.as_bytes(),
        b"\",\"access_token\":",
    ];
    let after = [
        &b",\"expires_in\":"[..],
        expires_in.as_bytes(),
        b",\"expires_at\":",
        expires_at.as_bytes(),
        b",\"version\":",
        version.as_bytes(),
        b"}",
    ];
    let length = |parts: &[&[u8]]| parts.iter().map(|part| part.len()).sum::<usize>();
    let quotes_and_brace = 3;
    let room = length(&verdict) + length(&before) + token.len() + length(&after) + quotes_and_brace;
    let mut out = Vec::with_capacity(room);
    out.push(b'{');
    for part in verdict.iter().chain(&before) {
        out.extend_from_slice(part);
    }
    write_text(&mut out, token);
    for part in after {
        out.extend_from_slice(part);
    }
    Bytes::from(out)
}

/// The numbers below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// A number in decimal digits.
struct Digits {
    /// Filled from the end.
    all: [u8; Self::MOST],
    first: usize,
}

impl Digits {
    /// How many the greatest number has.
    const MOST: usize = 20;

    /// Four by four: a version has sixteen.
    fn of(mut number: u64) -> Self {
        let mut digits = Self {
            all: [0; Self::MOST],
            first: Self::MOST,
        };
        while number >= 10_000 {
            let four = (number % 10_000) as usize;
            number /= 10_000;
            digits.put(&PAIRS[four % 100]);
            digits.put(&PAIRS[four / 100]);
        }
        let mut rest = number as usize;
        while rest >= 10 {
            digits.put(&PAIRS[rest % 100]);
            rest /= 100;
        }
        if rest > 0 || digits.first == Self::MOST {
            digits.put(&PAIRS[rest][1..]);
        }
        digits
    }

    fn put(&mut self, before: &[u8]) {
        let end = self.first;
        self.first -= before.len();
        self.all[self.first..end].copy_from_slice(before);
    }

    fn as_bytes(&self) -> &[u8] {
        &self.all[self.first..]
    }
}

/// A token may be any printable ASCII, so that two of its characters may need escaping.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if memchr::memchr2(b'"', b'\\', text.as_bytes()).is_some() {
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
        for number in [0, 9, 10, 99, 100, 101, 1_790_000_000_000_000, u64::MAX] {
            let digits = Digits::of(number);
            assert_eq!(digits.as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn the_entity_tag_is_the_version_in_quotes() {
        assert_eq!(etag(Version(1_790_000_000_000_000)), "\"1790000000000000\"");
    }
}
