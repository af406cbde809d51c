//! The table of replies: what WeChat documents, and what may come instead.

use super::*;

const CANARY: &str = "canary-0123456789abcdef-canary";

fn fetched(status: u16, body: impl AsRef<[u8]>) -> Fetched {
    classify_fetch("access_token", status, body.as_ref(), &Secret::new(CANARY))
}

fn checked(status: u16, body: impl AsRef<[u8]>) -> Checked {
    classify_check(status, body.as_ref(), &Secret::new(CANARY))
}

fn granted(value: &str, seconds: u64) -> Fetched {
    Fetched::Granted {
        value: Secret::new(value),
        digest: digest_of(value),
        life: Duration::from_secs(seconds),
    }
}

#[test]
fn what_wechat_documents_is_granted() {
    let longest = "t".repeat(2048);
    for (body, expected) in [
        (
            r#"{"access_token":"ACCESS_TOKEN","expires_in":7200}"#.to_owned(),
            granted("ACCESS_TOKEN", 7200),
        ),
        (
            r#" {"expires_in" : 1, "access_token":"a", "extra":{"x":[null]}} "#.to_owned(),
            granted("a", 1),
        ),
        (
            r#"{"errcode":0,"errmsg":"ok","access_token":"a-_~.!","expires_in":2592000}"#
                .to_owned(),
            granted("a-_~.!", 2_592_000),
        ),
        (
            format!(r#"{{"access_token":"{longest}","expires_in":300}}"#),
            granted(&longest, 300),
        ),
        (
            r#"{"access_token":"\u0061\/b","expires_in":300}"#.to_owned(),
            granted("a/b", 300),
        ),
    ] {
        assert_eq!(fetched(200, &body), expected, "{body}");
    }
}

#[test]
fn a_well_formed_error_is_refused_with_its_code() {
    for (body, code) in [
        (r#"{"errcode":40013,"errmsg":"invalid appid"}"#, 40013),
        (r#"{"errcode":-1,"errmsg":"system error"}"#, -1),
        (r#"{"errcode":45009}"#, 45009),
        (
            r#"{"errcode":40164,"errmsg":null,"expires_in":7200}"#,
            40164,
        ),
        (
            r#"{"errmsg":["odd"],"errcode":9223372036854775807}"#,
            i64::MAX,
        ),
    ] {
        assert!(
            matches!(fetched(200, body), Fetched::Refused(error) if error.code == code),
            "{body}"
        );
    }
}

/// Bodies under status 200 that must never be taken for a token, nor for a refusal.
fn garbage() -> Vec<Vec<u8>> {
    let texts = [
        // Not one object.
        "",
        " ",
        "null",
        "true",
        "7200",
        r#""access_token""#,
        "[]",
        r#"["tok",7200]"#,
        r#"[{"access_token":"tok","expires_in":7200}]"#,
        "{}",
        "<html><body>502 Bad Gateway</body></html>",
        "access_token=tok&expires_in=7200",
        r#"callback({"access_token":"tok","expires_in":7200})"#,
        r#"{"access_token":"tok","expires_in":7200"#,
        r#"{"access_token":"tok","expires_in":7200}}"#,
        r#"{"access_token":"tok","expires_in":7200}{"errcode":40001}"#,
        r#"{"access_token":"tok","expires_in":7200,}"#,
        r#"{'access_token':'tok','expires_in':7200}"#,
        "{\"access_token\":\"tok\",\"expires_in\":7200}\0",
        "\u{feff}{\"access_token\":\"tok\",\"expires_in\":7200}",
        // Keys that are there twice.
        r#"{"access_token":"tok","access_token":"other","expires_in":7200}"#,
        r#"{"access_token":"tok","expires_in":7200,"expires_in":60}"#,
        r#"{"errcode":0,"access_token":"tok","expires_in":7200,"errcode":40001}"#,
        r#"{"errcode":40001,"errcode":0}"#,
        r#"{"access_token":"tok","expires_in":7200,"x":1,"x":2}"#,
        r#"{"access_token":"tok","access\u005ftoken":"tok","expires_in":7200}"#,
        // No token.
        r#"{"expires_in":7200}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
        r#"{"ACCESS_TOKEN":"tok","EXPIRES_IN":7200}"#,
        r#"{"data":{"access_token":"tok","expires_in":7200}}"#,
        r#"{"access_token":null,"expires_in":7200}"#,
        r#"{"access_token":"","expires_in":7200}"#,
        r#"{"access_token":" ","expires_in":7200}"#,
        r#"{"access_token":"a b","expires_in":7200}"#,
        r#"{"access_token":"tok\n","expires_in":7200}"#,
        r#"{"access_token":"tok\u0000","expires_in":7200}"#,
        r#"{"access_token":"tøk","expires_in":7200}"#,
        r#"{"access_token":"\ud800","expires_in":7200}"#,
        r#"{"access_token":12345,"expires_in":7200}"#,
        r#"{"access_token":["tok"],"expires_in":7200}"#,
        r#"{"access_token":true,"expires_in":7200}"#,
        // No life.
        r#"{"access_token":"tok"}"#,
        r#"{"access_token":"tok","expires_in":null}"#,
        r#"{"access_token":"tok","expires_in":"7200"}"#,
        r#"{"access_token":"tok","expires_in":7200.0}"#,
        r#"{"access_token":"tok","expires_in":72e2}"#,
        r#"{"access_token":"tok","expires_in":0}"#,
        r#"{"access_token":"tok","expires_in":-0}"#,
        r#"{"access_token":"tok","expires_in":-1}"#,
        r#"{"access_token":"tok","expires_in":2592001}"#,
        r#"{"access_token":"tok","expires_in":18446744073709551616}"#,
        r#"{"access_token":"tok","expires_in":1e400}"#,
        r#"{"access_token":"tok","expires_in":07200}"#,
        r#"{"access_token":"tok","expires_in":NaN}"#,
        r#"{"access_token":"tok","expires_in":true}"#,
        r#"{"access_token":"tok","expires_in":[7200]}"#,
        // A token beside an error, and error codes that are none.
        r#"{"access_token":"tok","expires_in":7200,"errcode":40001,"errmsg":"x"}"#,
        r#"{"access_token":"tok","expires_in":7200,"errcode":-1}"#,
        r#"{"access_token":"","errcode":40001}"#,
        r#"{"access_token":null,"errcode":40001}"#,
        r#"{"access_token":"tok","expires_in":7200,"errcode":null}"#,
        r#"{"access_token":"tok","expires_in":7200,"errcode":"0"}"#,
        r#"{"access_token":"tok","expires_in":7200,"errcode":0.0}"#,
        r#"{"errcode":"40001","errmsg":"invalid credential"}"#,
        r#"{"errcode":40001.0}"#,
        r#"{"errcode":9223372036854775808}"#,
        r#"{"errcode":true}"#,
        r#"{"errcode":[40001]}"#,
        r#"{"errmsg":"invalid credential"}"#,
    ];
    let long = format!(
        r#"{{"access_token":"{}","expires_in":7200}}"#,
        "t".repeat(2049)
    );
    let deep = format!(
        r#"{{"access_token":"tok","expires_in":7200,"x":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    texts
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([long.into_bytes(), deep.into_bytes()])
        .chain([b"\x1f\x8b\x08\x00\x00".to_vec()])
        .chain([b"{\"access_token\":\"t\xff\",\"expires_in\":7200}".to_vec()])
        .collect()
}

#[test]
fn what_cannot_be_a_token_is_ambiguous_and_its_text_is_not_repeated() {
    for body in garbage() {
        let shown = String::from_utf8_lossy(&body);
        match fetched(200, &body) {
            Fetched::Ambiguous(reason) => {
                assert!(reason.len() < 80 && !reason.contains("tok\""), "{reason}");
            }
            other => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn only_status_200_is_wechat_speaking() {
    let token = r#"{"access_token":"tok","expires_in":7200}"#;
    let error = r#"{"errcode":40001,"errmsg":"x"}"#;
    for status in [
        100, 201, 204, 206, 301, 302, 304, 400, 401, 404, 429, 500, 502, 503, 599,
    ] {
        for body in [token, error, ""] {
            let expected = format!("HTTP status {status} instead of 200");
            assert_eq!(fetched(status, body), Fetched::Ambiguous(expected.clone()));
            assert_eq!(checked(status, body), Checked::Away(expected));
        }
    }
}

#[test]
fn a_check_is_accepted_by_a_list_of_addresses_only() {
    for body in [
        r#"{"ip_list":["101.226.62.77","101.226.62.78"]}"#,
        r#"{"errcode":0,"errmsg":"ok","ip_list":[]}"#,
    ] {
        assert_eq!(checked(200, body), Checked::Accepted, "{body}");
    }
    let away = [
        r#"{"ip_list":null}"#,
        r#"{"ip_list":"127.0.0.1"}"#,
        r#"{"ip_list":[],"ip_list":[]}"#,
        r#"{"ip_list":[],"errcode":40001}"#,
        r#"{"ip_list":[],"errcode":"0"}"#,
        r#"{"errcode":-1,"errmsg":"system error"}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ];
    for body in away
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain(garbage())
    {
        let shown = String::from_utf8_lossy(&body).into_owned();
        // An error code beside a field that means nothing to a check is an error code.
        let is_error = shown.contains(r#""errcode":-1"#) || shown.contains(r#""errcode":40001"#);
        match checked(200, &body) {
            Checked::Away(_) => {}
            Checked::Refused(error) if is_error => assert_eq!(error.code, 40001, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn a_check_is_refused_by_three_codes_only() {
    for code in [40001, 40014, 42001] {
        let body = format!(r#"{{"errcode":{code},"errmsg":"invalid {CANARY} rid: 1-2"}}"#);
        match checked(200, body) {
            Checked::Refused(error) => {
                assert_eq!((error.code, error.rid.as_deref()), (code, Some("1-2")));
                assert!(
                    !format!("{error:?}{error}").contains("0123456789"),
                    "{error:?}"
                );
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    for code in [
        40002, 40013, 40164, 45009, 45011, 48001, 50007, 61004, -2, 1,
    ] {
        let body = format!(r#"{{"errcode":{code}}}"#);
        assert!(
            matches!(checked(200, body), Checked::Inconclusive(error) if error.code == code),
            "{code}"
        );
    }
}
