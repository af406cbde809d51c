//! The gateway: `/gateway/{appid}/…` with a caller's key, and WeChat's own paths, where an access token of the app is
//! the key.
//!
//! Only what is understood goes on to WeChat: a path of plain parts, a query whose parameters are there once, the
//! body, what it is and what is wanted. Of WeChat's reply, its body and what that is come back, never the token.

use actix_web::body::SizedStream;
use actix_web::http::Method as HttpMethod;
use actix_web::http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;

use super::call::Call;
use super::parameters::{Parameters, TEXT_MOST};
use super::problem::Problem;
use super::upload::{self, UploadBounds};
use crate::calls::{Answer, CallError, Passage};
use crate::config::GatewayConfig;
use crate::domain::api_path::ApiPath;
use crate::domain::caller::Verb;
use crate::ports::{Method, Reply, ReplyBody};
use crate::snapshot::SlotId;

/// What is passed on, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatewayBounds {
    pub(super) tokens_as_keys: bool,
    pub(super) upload: UploadBounds,
}

impl From<&GatewayConfig> for GatewayBounds {
    fn from(config: &GatewayConfig) -> Self {
        Self {
            tokens_as_keys: config.tokens_as_keys,
            upload: UploadBounds {
                kept: config.replay_body,
                most: config.max_body,
                timeout: config.timeout,
            },
        }
    }
}

const METHODS: [(HttpMethod, Method); 5] = [
    (HttpMethod::GET, Method::Get),
    (HttpMethod::POST, Method::Post),
    (HttpMethod::PUT, Method::Put),
    (HttpMethod::PATCH, Method::Patch),
    (HttpMethod::DELETE, Method::Delete),
];

const PATH: &str = "It must be a path of WeChat's: parts of letters, digits, '_' and '-' with one '/' between them, 256 characters at most.";

/// The longest name of a parameter.
const NAME_MOST: usize = 64;

/// The most parameters of a query, and the longest query in bytes.
const QUERY_MOST: (usize, usize) = (32, 8192);

/// `/gateway/{appid}/…`.
pub(super) async fn keyed(call: &Call) -> Result<HttpResponse, Problem> {
    let caller = call.caller_with_query()?;
    let method = method(call)?;
    let id = call.app_of(&caller, call.path("appid"), Verb::Call)?;
    // Taken from the request as it was sent: what the router reads is decoded.
    let sent = call.sent_path().strip_prefix("/gateway/");
    let sent = sent.and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    let path = path(sent.ok_or_else(Problem::no_such_route)?)?;
    call.opens(&caller, id, path.as_str())?;
    let answer = pass(call, id, method, path).await?;
    Ok(render(answer.reply))
}

/// WeChat's own paths.
pub(super) async fn native(call: &Call) -> Result<HttpResponse, Problem> {
    let method = method(call)?;
    // Before the token: some of the closed paths are asked with another than an app's.
    let path = path(call.sent_path())?;
    let query = query(call)?;
    let id = call.app_by_token(query.required("access_token", TEXT_MOST)?)?;
    let answer = pass(call, id, method, path).await?;
    Ok(if answer.in_vain {
        busy(answer.reply.errcode)
    } else {
        render(answer.reply)
    })
}

fn method(call: &Call) -> Result<Method, Problem> {
    let known = METHODS.iter().find(|(http, _)| http == call.method());
    known.map(|(_, method)| *method).ok_or_else(|| {
        let all = METHODS.map(|(http, _)| http);
        Problem::method_not_allowed(&all)
    })
}

fn path(sent: &str) -> Result<ApiPath, Problem> {
    let path = ApiPath::parse(sent).map_err(|_| Problem::bad_parameter(Some("path"), PATH))?;
    match path.closed() {
        Some(why) => Err(Problem::path_closed(why)),
        None => Ok(path),
    }
}

/// The query, every parameter once and of a plain name.
fn query(call: &Call) -> Result<Parameters, Problem> {
    let (count, bytes) = QUERY_MOST;
    if call.sent_query().is_some_and(|query| query.len() > bytes) {
        return Err(Problem::bad_parameter(None, "The query is too long."));
    }
    let query = call.any_query()?;
    if query.names().count() > count {
        return Err(Problem::bad_parameter(
            None,
            "The query has too many parameters.",
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    for name in query.names() {
        if name.is_empty() || name.len() > NAME_MOST || !name.bytes().all(plain) {
            let why = "A parameter's name must be letters, digits, '_', '-' and '.', 64 at most.";
            return Err(Problem::bad_parameter(None, why));
        }
    }
    Ok(query)
}

/// What of the query goes on: all but a token.
fn forwarded(query: &Parameters) -> Result<Vec<(String, String)>, Problem> {
    let is_token = |name: &str| name.eq_ignore_ascii_case("access_token");
    let mut tokens = query.names().filter(|name| is_token(name));
    if tokens.next().is_some() && tokens.next().is_some() {
        let why = "It is there twice, and only one of the two can be meant.";
        return Err(Problem::bad_parameter(Some("access_token"), why));
    }
    let others = query.texts().filter(|(name, _)| !is_token(name));
    others
        .map(|(name, value)| {
            if value.chars().any(char::is_control) {
                let why = "It holds a control character.";
                return Err(Problem::bad_parameter(Some(name), why));
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

async fn pass(call: &Call, id: SlotId, method: Method, path: ApiPath) -> Result<Answer, Problem> {
    let query = forwarded(&query(call)?)?;
    let content_type = single(call.headers(), CONTENT_TYPE)?;
    let accept = single(call.headers(), ACCEPT)?;
    let begun = upload::begin(call.headers(), call.payload()?, call.gateway().upload).await?;
    let progress = begun.rest.as_ref().map(|rest| rest.progress.clone());
    let passage = Passage {
        method,
        path,
        query,
        content_type,
        accept,
        body: begun.body,
        progress,
    };
    let passing = call.traced(id, call.calls().pass(id, passage));
    let failed = |error: CallError| Problem::of_call(error, call.broker().app(id));
    let Some(rest) = begun.rest else {
        return passing.await.map_err(failed);
    };
    tokio::pin!(passing);
    // Whatever ends first ends both, but for a body that went on whole.
    tokio::select! {
        passed = &mut passing => return passed.map_err(failed),
        flowed = rest.flow() => flowed?,
    }
    passing.await.map_err(failed)
}

/// A header that goes on: there once at most, and visible text.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(&name);
    let Some(value) = all.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| text.len() <= TEXT_MOST);
    match text {
        Some(text) if all.next().is_none() => Ok(Some(text.to_owned())),
        Some(_) | None => {
            let why = "The header is there twice, too long, or not plain text.";
            Err(Problem::bad_parameter(Some(name.as_str()), why))
        }
    }
}

fn render(reply: Reply) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let mut set = |name: HeaderName, text: Option<String>| {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.insert_header((name, value));
        }
    };
    set(CONTENT_TYPE, reply.content_type);
    set(CONTENT_DISPOSITION, reply.content_disposition);
    body(response, reply.body)
}

fn body(mut response: HttpResponseBuilder, body: ReplyBody) -> HttpResponse {
    match body {
        ReplyBody::Whole(whole) => response.body(whole),
        ReplyBody::Stream {
            length: Some(length),
            chunks,
        } => response.body(SizedStream::new(length, chunks)),
        ReplyBody::Stream {
            length: None,
            chunks,
        } => response.streaming(chunks),
    }
}

/// In place of WeChat's refusal of a token that it takes elsewhere: an unmodified client would fetch the same token
/// again, and call again, without end.
fn busy(errcode: i64) -> HttpResponse {
    let errmsg = format!(
        "token-broker: WeChat answers {errcode} to this call, and there is no other token to make it with"
    );
    HttpResponse::Ok().json(json!({"errcode": -1, "errmsg": errmsg}))
}
