//! `POST /cgi-bin/media/upload` and `GET /cgi-bin/media/get`: files, as multipart forms in and as they are out.

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::{Answer, Content, File, Parameter, Route};
use crate::platform::Platform;
use crate::platform::calls::{Endpoint, Outcome};
use crate::platform::errcode::Refusal;
use crate::platform::media::Media;
use crate::server::Request;

const TOKEN: Parameter = Parameter {
    name: "access_token",
    missing: Some(41001),
};

pub(super) const UPLOAD: Route = Route {
    endpoint: Endpoint::MediaUpload,
    method: Method::POST,
    path: "/cgi-bin/media/upload",
    query: &[
        TOKEN,
        Parameter {
            name: "type",
            missing: Some(40004),
        },
    ],
    strict: true,
    credential: "media_id",
    act: upload,
};

pub(super) const GET: Route = Route {
    endpoint: Endpoint::MediaGet,
    method: Method::GET,
    path: "/cgi-bin/media/get",
    query: &[
        TOKEN,
        Parameter {
            name: "media_id",
            missing: Some(41006),
        },
    ],
    strict: true,
    credential: "media_id",
    act: get,
};

fn upload(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    let appid = platform.accept(value("access_token"), now)?.appid.clone();
    let kind = value("type").to_owned();
    if !["image", "voice", "video", "thumb"].contains(&kind.as_str()) {
        return Err(Refusal::violating(40004, "unknown type of media"));
    }
    let Some((name, content_type, bytes)) = file_in(request) else {
        return Err(Refusal::violating(41005, "no file in the form"));
    };
    let media_id = platform.media.keep(Media {
        appid,
        name,
        content_type,
        bytes,
    });
    Ok(Answer {
        body: json!({"type": kind, "media_id": media_id, "created_at": 1_380_000_000}).into(),
        outcome: Outcome::Answered,
    })
}

fn get(platform: &mut Platform, request: &Request, now: Instant) -> Result<Answer, Refusal> {
    let value = |name| request.value(name).unwrap_or_default();
    let appid = platform.accept(value("access_token"), now)?.appid.clone();
    let media = platform.media.find(&appid, value("media_id"));
    let media = media.ok_or_else(|| Refusal::new(40007))?;
    Ok(Answer {
        body: Content::File(File {
            content_type: media.content_type.clone(),
            name: Some(media.name.clone()),
            bytes: media.bytes.clone(),
        }),
        outcome: Outcome::Answered,
    })
}

/// The file `media` of a multipart form: its name, what it is, and its bytes. Only as much of the form's grammar as
/// clients write.
fn file_in(request: &Request) -> Option<(String, String, Bytes)> {
    let form = request.content_type()?;
    let boundary = form.strip_prefix("multipart/form-data")?;
    let boundary = boundary.split_once("boundary=")?.1.split(';').next()?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let body = &request.body;
    let mut from = find(body, delimiter.as_bytes(), 0)?;
    loop {
        let head = from + delimiter.len() + 2;
        let data = find(body, b"\r\n\r\n", head)? + 4;
        let end = find(body, format!("\r\n{delimiter}").as_bytes(), data)?;
        let fields = std::str::from_utf8(&body[head..data]).ok()?;
        if fields.contains("name=\"media\"") {
            let name = fields.split_once("filename=\"")?.1.split('"').next()?;
            let said = fields.to_ascii_lowercase();
            let said = said.split_once("content-type:").map(|(_, rest)| rest);
            let said = said.and_then(|rest| rest.split("\r\n").next());
            let content_type = said.map_or("application/octet-stream", str::trim);
            let bytes = request.body.slice(data..end);
            return Some((name.to_owned(), content_type.to_owned(), bytes));
        }
        from = end + 2;
    }
}

/// Where `needle` next stands. Its first byte is looked for first: a file may be large.
fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let (first, mut at) = (needle.first()?, from);
    loop {
        at += text.get(at..)?.iter().position(|byte| byte == first)?;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}
