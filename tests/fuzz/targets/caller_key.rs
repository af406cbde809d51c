//! An `Authorization` header's value, and a caller's key: what is read as one is exactly a key, and opens what that key
//! opens.

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use sha2::{Digest as _, Sha256};
use token_broker::key::CallerKey;

use super::api::{FINE, ask};
use super::rig::{SERVED, TOKEN, key, next_key};

pub(crate) fn run(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let text = text.replace("$reader", &key("reader"));
        alone(&text);
        in_a_header(&text);
        asked_with(text.as_bytes());
    } else {
        asked_with(input);
    }
}

/// A key's form, said anew: `tbk_`, an id, `_`, 64 digits.
fn is_key(text: &str) -> bool {
    let parts: Vec<_> = text.split('_').collect();
    let ["tbk", id, digits] = parts[..] else {
        return false;
    };
    let in_id = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    let in_digits = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    (1..=32).contains(&id.len())
        && id.chars().all(in_id)
        && digits.len() == 64
        && digits.chars().all(in_digits)
}

fn alone(text: &str) {
    let read = CallerKey::parse(text);
    assert_eq!(read.is_some(), is_key(text));
    let Some(read) = read else {
        return;
    };
    assert_eq!(text.split('_').nth(1), Some(read.id()));
    let hash: [u8; 32] = Sha256::digest(text).into();
    assert_eq!(read.hash().as_bytes(), &hash);
    assert!(read.is_one_of(&[*read.hash()]) && !read.is_one_of(&[]));
    let digits = text.rsplit('_').next().unwrap_or_default();
    assert!(!format!("{read:?}").contains(digits), "Debug shows a key");
}

fn in_a_header(text: &str) {
    let read = CallerKey::from_authorization(text);
    let expected = text.split_once(' ').and_then(|(scheme, key)| {
        // No header holds another kind of white space.
        let key = key.trim_matches([' ', '\t', '\n', '\x0c', '\r']);
        let is_one = scheme.to_lowercase() == "bearer" && is_key(key);
        is_one.then(|| CallerKey::parse(key))
    });
    assert_eq!(read, expected.flatten());
    assert_eq!(read.is_some(), expected.is_some());
}

fn asked_with(header: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(header) else {
        return;
    };
    let sent = value.to_str().unwrap_or_default().to_owned();
    let request = TestRequest::get().uri(&format!("/token/{SERVED}"));
    let (answer, asked) = ask(request.insert_header((AUTHORIZATION, value)), FINE);
    assert!(asked.is_empty(), "WeChat was asked");
    let opens = |key: String| {
        let bearer = sent
            .get(..7)
            .is_some_and(|scheme| scheme.to_lowercase() == "bearer ");
        bearer && sent[7..].trim() == key
    };
    let may_read = ["reader", "paced"]
        .iter()
        .any(|id| opens(key(id)) || opens(next_key(id)));
    if answer.status == 200 {
        assert!(may_read, "{sent:?} opens the token");
        assert_eq!(answer.json()["access_token"], TOKEN);
        return;
    }
    let code = answer.problem();
    let known = [
        "key_malformed",
        "key_wrong",
        "forbidden",
        "unknown_app",
        "rate_limited",
    ];
    assert!(known.contains(&code.as_str()), "{code}");
    assert!(!may_read || code == "rate_limited", "{code}");
    // What was sent may be a key with a slip in it.
    let told = answer.text();
    let is_secret = |word: &&str| word.len() >= 24 && word.bytes().any(|b| b.is_ascii_digit());
    for word in sent.split(['_', ' ']).filter(is_secret) {
        assert!(!told.contains(word), "{told}");
    }
}
