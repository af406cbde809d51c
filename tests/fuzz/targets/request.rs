//! A whole request, as text: `GET /path?query`, headers, an empty line, the body. `$reader` and the like stand for the
//! keys of callers, `$token` for the token, so that they survive being mutated.
//!
//! Whatever is sent, the answer is one of the contract's, holds no secret that the sender has not shown, and WeChat is
//! asked only what may be asked.

use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::http::{Method, Uri};
use actix_web::test::TestRequest;
use percent_encoding::percent_decode_str;
use token_broker::ports::Argument;

use super::api::{Asked, FINE, ask};
use super::rig::{Answer, TOKEN, key};

const CALLERS: [&str; 5] = ["reader", "caller", "refresher", "admin", "all-on-empty"];

/// What stands in the token wherever and however it is written.
const TELLTALE: &str = "canary-token-with-";

/// Where no key is asked for.
const OPEN: [&str; 2] = ["/openapi.json", "/docs"];

/// What WeChat is asked with a person's token, which is no key of ours.
const OF_PERSONS: [&str; 3] = ["/sns/userinfo", "/sns/auth", "/sns/oauth2/refresh_token"];

/// All that is asked for callers, but for what they know themselves.
const KNOWN: [&str; 7] = [
    "/cgi-bin/user/info",
    "/cgi-bin/user/info/batchget",
    "/sns/oauth2/access_token",
    "/sns/oauth2/refresh_token",
    "/sns/userinfo",
    "/sns/auth",
    "/sns/jscode2session",
];

pub(crate) fn run(input: &[u8]) {
    let (head, body) = split(input);
    let head = spelled_out(
        head,
        &url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect::<String>(),
    );
    let quoted = serde_json::to_string(TOKEN).expect("a text");
    let body = spelled_out(body, quoted.trim_matches('"'));
    let Some(request) = read(&head, &body) else {
        return;
    };
    let uri = request.uri.clone();
    let is_known = CALLERS
        .iter()
        .any(|id| has(&head, &key(id)) || has(&body, &key(id)))
        || has(&head, TELLTALE)
        || has(&body, TELLTALE);
    let (answer, asked) = ask(request.into_test(), FINE);
    // As the router reads it.
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    let is_open = OPEN.iter().any(|open| path.starts_with(open));
    check_form(&answer, (!is_open).then_some(input.len()));
    let of_person =
        |asked: &Asked| matches!(asked, Asked::Called(call) if OF_PERSONS.contains(&call.path));
    check_secrets(&answer, is_known, is_open || asked.iter().any(of_person));
    for asked in asked {
        check_asked(&asked, is_known);
    }
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    end.map_or((input, &[]), |end| (&input[..end], &input[end + 2..]))
}

fn spelled_out(text: &[u8], token: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(text) else {
        return text.to_vec();
    };
    let mut text = text.replace("$token", token);
    for id in CALLERS {
        text = text.replace(&format!("${id}"), &key(id));
    }
    text.into_bytes()
}

fn has(text: &[u8], what: &str) -> bool {
    text.windows(what.len())
        .any(|window| window == what.as_bytes())
}

struct Request {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

/// `None` for what the server itself would refuse before it is routed.
fn read(head: &[u8], body: &[u8]) -> Option<Request> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((
            name,
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
        ))
    };
    Some(Request {
        method: Method::from_bytes(method.as_bytes()).ok()?,
        uri: Uri::try_from(target).ok()?,
        headers: lines.map(header).collect::<Option<_>>()?,
        body: body.to_vec(),
    })
}

impl Request {
    fn into_test(self) -> TestRequest {
        let mut request = TestRequest::with_uri(&self.uri.to_string()).method(self.method);
        // How long the body is says the server, which has it.
        let framing = [CONTENT_LENGTH, TRANSFER_ENCODING];
        for header in self
            .headers
            .into_iter()
            .filter(|(name, _)| !framing.contains(name))
        {
            request = request.append_header(header);
        }
        if self.body.is_empty() {
            return request;
        }
        request
            .insert_header((CONTENT_LENGTH, self.body.len()))
            .set_payload(self.body)
    }
}

/// `sent` is how long the request was, where the answer is bounded by that.
fn check_form(answer: &Answer, sent: Option<usize>) {
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = answer.header("x-request-id");
    assert!(!id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic()));
    let status = answer.status.as_u16();
    match status {
        200 | 202 | 302 | 304 | 307 | 308 => {}
        400.. => {
            assert_ne!(status, 500, "{}", answer.text());
            let code = answer.problem();
            assert!(!code.is_empty());
        }
        _ => panic!("status {status}"),
    }
    let most = sent.map_or(usize::MAX, |sent| 16 * 1024 + 8 * sent);
    assert!(answer.body.len() <= most, "{} bytes", answer.body.len());
}

fn check_secrets(answer: &Answer, is_known: bool, needs_no_key: bool) {
    let mut told = answer.text();
    for (name, value) in &answer.headers {
        // The client's own, where it sent one.
        if name != "x-request-id" {
            told.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
    }
    let is_refusal = answer.status.as_u16() >= 400 || told.contains("\"errmsg\":\"token-broker: ");
    if is_refusal || !is_known {
        assert!(!told.contains(TELLTALE), "{told}");
    }
    if is_refusal {
        for id in CALLERS {
            let digits = &key(id)[id.len() + 5..];
            assert!(!told.contains(digits), "{told}");
        }
    }
    let is_let_in = answer.status.is_success() && !is_refusal;
    assert!(
        is_known || needs_no_key || !is_let_in,
        "without a key: {told}"
    );
}

fn check_asked(asked: &Asked, is_known: bool) {
    match asked {
        Asked::Called(call) => {
            assert!(KNOWN.contains(&call.path), "{}", call.path);
            assert!(is_known || OF_PERSONS.contains(&call.path), "{}", call.path);
            for (name, argument) in &call.query {
                if let Argument::Plain(text) = argument {
                    assert!(!text.chars().any(char::is_control), "{name}");
                }
            }
        }
        Asked::Passed(passing) => {
            assert!(is_known, "{}", passing.path);
            assert_eq!(passing.token.expose(), TOKEN);
            super::gateway_path::check_path(passing.path.as_str());
            assert_eq!(passing.path.closed(), None, "{}", passing.path);
            for (name, value) in &passing.query {
                assert!(!name.eq_ignore_ascii_case("access_token"));
                assert!(
                    name.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
                );
                assert!(!value.chars().any(char::is_control), "{name}");
            }
        }
    }
}
