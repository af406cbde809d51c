//! The calls that are passed on: what of a caller's request goes to WeChat, and what of WeChat's reply comes back.
//!
//! A request is made anew of what was understood; nothing else of the caller's goes along, no header that it does
//! not need and no spelling of its own. A reply streams through in constant memory; only its beginning is looked
//! at, as far as it may be one of WeChat's short error objects.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    HeaderMap, HeaderName,
};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::Value;

use super::client::WeChat;
use super::failure::Failure;
use super::mask::Mask;
use super::object::Object;
use crate::domain::app_id::AppId;
use crate::ports::{Chunks, Cut, Method, Passed, Passing, Reply, ReplyBody, Upload, WeChatPassage};

/// How much of a reply is looked at before it goes on. An error object has some 200 bytes.
const LOOKED_AT: usize = 16 * 1024;

#[async_trait]
impl WeChatPassage for WeChat {
    async fn pass(&self, _app: &AppId, passing: Passing) -> Passed {
        let mask = Mask::of(&passing.token);
        let Some(request) = self.request(passing) else {
            return Passed::NotSent("the address of the call cannot be built".to_owned());
        };
        let response = match self.hosts.send(request).await {
            Ok(response) => response,
            Err(failure) => return failed(failure),
        };
        let status = response.status().as_u16();
        if status != 200 {
            return Passed::Unclear(format!("HTTP status {status} instead of 200"));
        }
        if !is_plain(response.headers()) {
            // It was asked for as it is, and the token cannot be looked for within anything else.
            return Passed::Unclear("the reply is compressed, unasked".to_owned());
        }
        match look_at(response, mask).await {
            Ok(reply) => Passed::Answered(reply),
            Err(failure) => failed(failure),
        }
    }
}

fn failed(failure: Failure) -> Passed {
    if failure.maybe_sent {
        Passed::Unclear(failure.reason)
    } else {
        Passed::NotSent(failure.reason)
    }
}

impl WeChat {
    fn request(&self, passing: Passing) -> Option<RequestBuilder> {
        let mut address = self.address(passing.path.as_str())?;
        address
            .query_pairs_mut()
            .append_pair("access_token", passing.token.expose())
            .extend_pairs(&passing.query);
        let method = match passing.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.passing_client().request(method, address);
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(accept) = passing.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(content_type) = passing.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        Some(match passing.body {
            // Without a body there is no length either, unless the method wants one.
            Upload::Whole(body) if body.is_empty() && passing.method == Method::Get => request,
            Upload::Whole(body) => request.body(body),
            Upload::Stream { length, chunks } => {
                let request = match length {
                    Some(length) => request.header(CONTENT_LENGTH, length),
                    None => request,
                };
                request.body(Body::wrap_stream(chunks))
            }
        })
    }
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads as much of a reply as may be an error, and leaves the rest to come.
async fn look_at(mut response: Response, mut mask: Mask) -> Result<Reply, Failure> {
    let text = |name: HeaderName| {
        let value = response.headers().get(name)?.to_str().ok()?;
        (!mask.finds(value.as_bytes())).then(|| value.to_owned())
    };
    let (content_type, content_disposition) = (text(CONTENT_TYPE), text(CONTENT_DISPOSITION));
    let length = response.content_length();
    let mut read = BytesMut::new();
    let is_whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(error) => return Err(Failure::amid_reply(&error)),
        }
        if read.len() > LOOKED_AT || !may_be_object(&read) {
            break false;
        }
    };
    let errcode = if is_whole { errcode_of(&read) } else { 0 };
    let first = mask.push(read.freeze());
    let body = if is_whole {
        let rest = mask.finish();
        let whole = if rest.is_empty() {
            first
        } else {
            [first, rest].concat().into()
        };
        ReplyBody::Whole(whole)
    } else {
        let chunks = rest_of(response, mask, first);
        ReplyBody::Stream { length, chunks }
    };
    Ok(Reply {
        errcode,
        content_type,
        content_disposition,
        body,
    })
}

/// Whether what begins so may be an object of JSON.
fn may_be_object(begun: &[u8]) -> bool {
    begun
        .trim_ascii_start()
        .first()
        .is_none_or(|byte| *byte == b'{')
}

/// The error that a whole reply tells of; 0 for none.
#[must_use]
pub fn errcode_of(body: &[u8]) -> i64 {
    // Names hold control characters that are no JSON.
    let spaced: Vec<u8> = body.iter().map(|byte| (*byte).max(b' ')).collect();
    let reply = Object::parse(&spaced);
    let errcode = reply.as_ref().and_then(|reply| reply.get("errcode"));
    errcode.and_then(Value::as_i64).unwrap_or(0)
}

/// What is still to come of a reply, the token masked.
fn rest_of(response: Response, mask: Mask, first: Bytes) -> Chunks {
    struct Rest {
        response: Option<Response>,
        mask: Mask,
        ready: VecDeque<Bytes>,
    }
    let rest = Rest {
        response: Some(response),
        mask,
        ready: VecDeque::from([first]),
    };
    let next = |mut rest: Rest| async {
        loop {
            if let Some(piece) = rest.ready.pop_front() {
                if piece.is_empty() {
                    continue;
                }
                return Some((Ok(piece), rest));
            }
            let chunk = rest.response.as_mut()?.chunk().await;
            match chunk {
                Ok(Some(chunk)) => rest.ready.push_back(rest.mask.push(chunk)),
                Ok(None) => {
                    rest.response = None;
                    rest.ready.push_back(rest.mask.finish());
                }
                Err(error) => {
                    rest.response = None;
                    return Some((Err(Cut(Failure::amid_reply(&error).reason)), rest));
                }
            }
        }
    };
    stream::unfold(rest, next).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_objects_errcode_counts() {
        for (body, errcode) in [
            (&br#"{"errcode":40001,"errmsg":"x"}"#[..], 40001),
            (b"{\"nickname\":\"a\x01b\",\"errcode\":45009}", 45009),
            (br#" {"errcode":0}"#, 0),
            (br#"{"user":{"errcode":1}}"#, 0),
            (br#"{"errcode":"40001"}"#, 0),
            (br#"{"errcode":1,"errcode":2}"#, 0),
            (b"", 0),
            (b"\x89PNG", 0),
        ] {
            assert_eq!(
                errcode_of(body),
                errcode,
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn what_begins_otherwise_than_an_object_is_not_waited_for() {
        assert!(may_be_object(b""));
        assert!(may_be_object(b" \r\n{"));
        for other in [&b"\x89PNG"[..], b"[1]", b"<xml>", b" x"] {
            assert!(!may_be_object(other));
        }
    }
}
