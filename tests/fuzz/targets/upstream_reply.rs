//! A reply of WeChat's, or of whatever answers in its place: to the fetch of a token, of a ticket, to a check, and to
//! each call that is made for a caller. Nothing is believed that is not there, and no message tells what was sent.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::test::TestRequest;
use serde_json::Value;
use token_broker::adapters::wechat::{classify_call, classify_check, classify_fetch, errcode_of};
use token_broker::domain::secret::Secret;
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::ports::{Called, Checked, Fetched};

use super::api::ask;
use super::rig::{SERVED, TOKEN, key};

/// An AppSecret, and a token with the characters that tokens have.
const SENT: [&str; 2] = [
    "0c79e1fa963cd80cc0be99b20a18faeb",
    "57_uPLDTvbLZDOlzVk-0gGnsIXTz8Q_q4dAhEzKyYYy-FbXzZ3Cs6lLbOPpoJ",
];

/// From how many characters in a row on it would be given away.
const TELLTALE: usize = 8;

/// What is never repeated of a reply that nothing can be made of.
const CANARY: &str = "CANARY7f3a9c";

pub(crate) fn run(input: &[u8]) {
    for sent in SENT {
        let secret = Secret::new(sent);
        for mark in ["access_token", "ticket"] {
            fetched(
                mark,
                input,
                &classify_fetch(mark, 200, input, &secret),
                sent,
            );
        }
        checked(input, &classify_check(200, input, &secret), sent);
        called(input, classify_call(200, input.to_vec(), &secret), sent);
    }
    let secret = Secret::new(SENT[0]);
    let other = classify_fetch("access_token", 502, input, &secret);
    assert_eq!(
        other,
        Fetched::Ambiguous("HTTP status 502 instead of 200".to_owned())
    );
    told(input);
}

/// The reply as another reader has it: the last of two equal keys counts.
fn object(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn fetched(mark: &str, body: &[u8], fetched: &Fetched, sent: &str) {
    assert!(
        !format!("{fetched:?}").contains(CANARY) || is_error(fetched),
        "a reply is repeated"
    );
    match fetched {
        Fetched::Granted { value, life, .. } => {
            let reply = object(body);
            assert_eq!(reply[mark], value.expose());
            assert_eq!(reply["expires_in"], life.as_secs());
            assert!((1..=30 * 24 * 3600).contains(&life.as_secs()));
            assert!(matches!(reply["errcode"].as_i64(), None | Some(0)));
            assert!(value.expose().bytes().all(|b| b.is_ascii_graphic()));
            assert!((1..=2048).contains(&value.expose().len()));
        }
        Fetched::Refused(error) => {
            assert_eq!(object(body).get(mark), None, "a token beside an error");
            clean(error, body, sent);
        }
        Fetched::Ambiguous(why) => brief(why),
        Fetched::NotSent(why) => panic!("{why}"),
    }
}

const fn is_error(fetched: &Fetched) -> bool {
    matches!(fetched, Fetched::Refused(_))
}

fn checked(body: &[u8], checked: &Checked, sent: &str) {
    match checked {
        Checked::Accepted => assert!(object(body)["ip_list"].is_array()),
        Checked::Refused(error) => {
            assert!(matches!(error.code, 40001 | 40014 | 42001));
            clean(error, body, sent);
        }
        Checked::Inconclusive(error) => clean(error, body, sent),
        Checked::Away(why) => brief(why),
    }
}

fn called(body: &[u8], called: Called, sent: &str) {
    match called {
        Called::Answered(reply) => {
            assert_eq!(reply.len(), body.len());
            let read = object(&reply);
            assert!(read.is_object() && matches!(read["errcode"].as_i64(), None | Some(0)));
            assert_eq!(errcode_of(body), 0);
        }
        Called::Refused(error) => {
            clean(&error, body, sent);
            assert_eq!(errcode_of(body), error.code);
        }
        Called::Unclear(why) => brief(&why),
        Called::NotSent(why) => panic!("{why}"),
    }
}

/// A sentence of ours.
fn brief(why: &str) {
    assert!(
        !why.is_empty() && why.len() <= 100 && why.is_ascii(),
        "{why}"
    );
    assert!(!why.contains(CANARY), "{why}");
}

/// An error that may be logged.
fn clean(error: &UpstreamError, body: &[u8], sent: &str) {
    assert_ne!(error.code, 0);
    assert!(error.message.chars().count() <= 200, "{error}");
    assert!(
        error.rid.as_ref().is_none_or(|rid| rid.len() <= 64),
        "{error}"
    );
    let ip = error.ip.as_deref().unwrap_or("::1");
    assert!(ip.parse::<std::net::IpAddr>().is_ok(), "{ip}");
    let shown = format!("{error} {error:?} {ip}").to_ascii_lowercase();
    assert!(!shown.chars().any(char::is_control));
    assert!(shown.len() <= 4096 && shown.len() <= 512 + 16 * body.len());
    let sent: Vec<char> = sent.chars().collect();
    for piece in sent.windows(TELLTALE) {
        let piece: String = piece.iter().map(char::to_ascii_lowercase).collect();
        assert!(!shown.contains(&piece), "{piece} of a secret in {shown}");
    }
}

/// What callers are told of such a reply.
fn told(reply: &[u8]) {
    let of_app = |rest: &str| rest.replace("$app", SERVED);
    let posts = [
        ("/user/$app/batch", r#"{"openids":["o1","o2"]}"#),
        ("/oauth/$app/exchange", r#"{"code":"0a1b2c3d4e"}"#),
        ("/oauth/$app/refresh", r#"{"refresh_token":"r"}"#),
        (
            "/oauth/$app/userinfo",
            r#"{"access_token":"t","openid":"o1"}"#,
        ),
        ("/oauth/$app/check", r#"{"access_token":"t","openid":"o1"}"#),
        ("/session/$app", r#"{"js_code":"0a1b2c3d4e"}"#),
    ];
    let posts = posts.map(|(path, body)| {
        let request = TestRequest::post().uri(&of_app(path)).set_payload(body);
        request.insert_header((CONTENT_TYPE, "application/json"))
    });
    let profile = TestRequest::get().uri(&of_app("/user/$app/o1"));
    for request in posts.into_iter().chain([profile]) {
        let bearer = format!("Bearer {}", key("caller"));
        let (answer, asked) = ask(request.insert_header((AUTHORIZATION, bearer)), reply);
        assert!(
            (1..=2).contains(&asked.len()),
            "WeChat was asked {} times",
            asked.len()
        );
        if answer.status == 200 {
            assert!(answer.json().is_object() || answer.json().is_array());
            assert!(answer.body.len() <= 1024 + 16 * reply.len());
            continue;
        }
        let code = answer.problem();
        let known = ["upstream_error", "upstream_unclear"];
        assert!(known.contains(&code.as_str()), "{code}");
        assert!(!answer.text().contains(TOKEN));
        assert!(answer.body.len() <= 8192);
    }
}
