//! A path that is to be passed on, on the first line, and on the second a pattern of paths: a path that is taken never
//! leaves WeChat's host, means one thing to every reader, and is passed on as it was judged.

use actix_web::http::Uri;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use token_broker::domain::api_path::{ApiPath, FAMILIES};
use token_broker::domain::path_pattern::PathPattern;
use url::Url;

use super::api::{Asked, FINE, ask};
use super::rig::{SERVED, TOKEN, key};

/// What the broker keeps to itself, whatever is written below it.
const OWNED: [&str; 6] = [
    "/cgi-bin/token",
    "/cgi-bin/stable_token",
    "/cgi-bin/ticket/getticket",
    "/cgi-bin/clear_quota",
    "/cgi-bin/openapi/quota/clear",
    "/sns/userinfo",
];

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (path, pattern) = text.split_once('\n').unwrap_or((text, "/**"));
    let read = ApiPath::parse(path).ok();
    if let Some(read) = &read {
        assert_eq!(read.as_str(), path);
        check_path(path);
        for spelled in [path.to_ascii_uppercase(), path.to_ascii_lowercase()] {
            let same = ApiPath::parse(&spelled).expect("a path in another case");
            assert_eq!(same.closed(), read.closed(), "{spelled}");
        }
        let is_owned = OWNED.contains(&path.to_ascii_lowercase().as_str());
        assert!(!is_owned || read.closed().is_some(), "{path} is passed on");
    }
    if let Ok(read) = PathPattern::parse(pattern) {
        let again = PathPattern::parse(&format!("{read:?}"));
        assert_eq!(again.as_ref(), Ok(&read));
        let asked: Vec<_> = path.split('/').skip(1).collect();
        let parts: Vec<_> = pattern.split('/').skip(1).collect();
        assert_eq!(
            read.matches(path),
            stands_for(&parts, &asked),
            "{pattern} {path}"
        );
    }
    keyed(path);
    native(path);
}

/// What holds of every path that goes on to WeChat.
pub(crate) fn check_path(path: &str) {
    assert!(path.len() <= 256, "{path}");
    for never in ["..", "//", ".", "%", "\\", ";", ":", "@", "?", "#", " "] {
        assert!(!path.contains(never), "{path} holds {never}");
    }
    for base in [
        "https://api.weixin.qq.com",
        "https://api.weixin.qq.com/by/a/proxy",
    ] {
        let base = Url::parse(base).expect("a base");
        let whole = format!("{}{path}", base.as_str().trim_end_matches('/'));
        let url = Url::parse(&whole).expect("an address");
        assert_eq!(url.origin(), base.origin(), "{path} leaves its host");
        assert_eq!(url.as_str(), whole, "{path} is read otherwise");
        assert_eq!(
            url.join(path).map(|joined| joined.path().to_owned()),
            Ok(path.to_owned())
        );
    }
}

/// A pattern's meaning, said anew.
fn stands_for(parts: &[&str], path: &[&str]) -> bool {
    match (parts, path) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        ([part, parts @ ..], [asked, path @ ..]) if *part == "*" || part == asked => {
            stands_for(parts, path)
        }
        _ => false,
    }
}

/// By `/gateway`, with a key.
fn keyed(path: &str) {
    let Ok(target) = Uri::try_from(format!("/gateway/{SERVED}{path}")) else {
        return;
    };
    let request = TestRequest::post()
        .uri(&target.to_string())
        .insert_header((AUTHORIZATION, format!("Bearer {}", key("caller"))));
    let (answer, asked) = ask(request, FINE);
    let sent = target.path().strip_prefix(&format!("/gateway/{SERVED}"));
    check_passed(&asked, sent);
    // A query may be refused for itself.
    if target.query().is_none() {
        let expected = usize::from(sent.is_some_and(may_pass));
        assert_eq!(asked.len(), expected, "{target}: {}", answer.text());
    }
}

/// By WeChat's own path, with the token.
fn native(path: &str) {
    let token: String = url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
    let mark = if path.contains('?') { '&' } else { '?' };
    let Ok(target) = Uri::try_from(format!("{path}{mark}access_token={token}")) else {
        return;
    };
    // Another form than a path names a host, which is nobody's here.
    if target.authority().is_some() {
        return;
    }
    let (answer, asked) = ask(TestRequest::post().uri(&target.to_string()), FINE);
    check_passed(&asked, Some(target.path()));
    let in_family = FAMILIES.iter().any(|family| {
        let rest = target.path().strip_prefix(family);
        rest.is_some_and(|rest| rest.starts_with('/'))
    });
    if target.query() == Some(&*format!("access_token={token}")) {
        let may = in_family && may_pass(target.path());
        assert_eq!(asked.len(), usize::from(may), "{target}: {}", answer.text());
    }
}

fn may_pass(path: &str) -> bool {
    ApiPath::parse(path).is_ok_and(|path| path.closed().is_none())
}

fn check_passed(asked: &[Asked], sent: Option<&str>) {
    assert!(asked.len() <= 1, "WeChat was asked twice");
    for asked in asked {
        let Asked::Passed(passing) = asked else {
            panic!("WeChat was asked for something else");
        };
        check_path(passing.path.as_str());
        assert_eq!(passing.path.closed(), None, "{}", passing.path);
        assert_eq!(
            Some(passing.path.as_str()),
            sent,
            "another path than the one that was sent"
        );
        assert_eq!(passing.token.expose(), TOKEN);
    }
}
