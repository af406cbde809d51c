//! The commands that ask a running broker.

use super::process::{OneAnswer, run, run_with};
use crate::config::Files;

const KEY: &str = "tbk_ops_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const KEY_ENVIRONMENT: [(&str, &str); 1] = [("TOKEN_BROKER_KEY", KEY)];

#[test]
fn a_token_is_printed_bare() {
    let body = r#"{"appid":"wx1","access_token":"the-token","expires_in":7000}"#;
    let broker = OneAnswer::new("200 OK", body);
    let arguments = ["token", "get", "wx1", "--url", &broker.url];
    let outcome = run_with(&arguments, &KEY_ENVIRONMENT);
    assert_eq!(outcome.stdout, "the-token\n", "{outcome:?}");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let asked = broker.asked().to_lowercase();
    assert!(asked.starts_with("get /token/wx1 http/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("authorization: bearer {KEY}\r\n")),
        "{asked}"
    );
}

#[test]
fn the_key_is_read_from_a_file_too() {
    let files = Files::new();
    let file = files
        .write("key", &format!("{KEY}\n"))
        .display()
        .to_string();
    let broker = OneAnswer::new("200 OK", r#"{"access_token":"t"}"#);
    let arguments = [
        "token",
        "get",
        "wx1",
        "--url",
        &broker.url,
        "--key-file",
        &file,
    ];
    assert_eq!(run(&arguments).stdout, "t\n");
    assert!(broker.asked().contains(KEY));
}

#[test]
fn a_problem_is_told_by_title_detail_and_code() {
    let body =
        r#"{"title":"No such app","status":404,"detail":"wx1 is unknown","code":"unknown_app"}"#;
    let broker = OneAnswer::new("404 Not Found", body);
    let outcome = run_with(
        &["token", "get", "wx1", "--url", &broker.url],
        &KEY_ENVIRONMENT,
    );
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stderr,
        "error: No such app: wx1 is unknown (unknown_app)\n"
    );
    assert!(outcome.stdout.is_empty());

    let broker = OneAnswer::new("502 Bad Gateway", "<html>");
    let outcome = run_with(
        &["token", "get", "wx1", "--url", &broker.url],
        &KEY_ENVIRONMENT,
    );
    assert_eq!(outcome.stderr, "error: 502 Bad Gateway\n");
}

#[test]
fn an_answer_of_something_else_is_told_and_not_shown() {
    for body in ["", "<html>", "{}", r#"{"access_token":1}"#] {
        let broker = OneAnswer::new("200 OK", body);
        let outcome = run_with(
            &["token", "get", "wx1", "--url", &broker.url],
            &KEY_ENVIRONMENT,
        );
        assert_eq!(outcome.code, Some(1));
        assert!(
            outcome.stderr.contains("not a token broker's"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_redirect_is_not_followed_with_the_key() {
    let broker = OneAnswer::new("302 Found\r\nlocation: http://192.0.2.1/", "");
    let outcome = run_with(
        &["token", "get", "wx1", "--url", &broker.url],
        &KEY_ENVIRONMENT,
    );
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(1), "error: 302 Found\n")
    );
}

#[test]
fn a_broker_that_is_not_there_is_told_by_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("its address");
    drop(free);
    let url = format!("http://{address}");
    let outcome = run_with(&["token", "get", "wx1", "--url", &url], &KEY_ENVIRONMENT);
    assert_eq!(outcome.code, Some(1));
    let expected = format!("error: cannot reach {url}: Connection refused");
    assert!(outcome.stderr.starts_with(&expected), "{outcome:?}");
    assert!(!outcome.shown().contains(KEY));
}

#[test]
fn a_missing_or_malformed_key_is_a_wrong_call() {
    let files = Files::new();
    let file = files.write("key", "canary").display().to_string();
    let get = ["token", "get", "wx1", "--url", "http://127.0.0.1:9"];
    let with_file = |file| [get.as_slice(), &["--key-file", file]].concat();
    for outcome in [
        run(&get),
        run_with(&get, &[("TOKEN_BROKER_KEY", "")]),
        run_with(&get, &[("TOKEN_BROKER_KEY", "canary")]),
        run(&with_file(&file)),
        run(&with_file("/nonexistent")),
    ] {
        assert_eq!(outcome.code, Some(64), "{outcome:?}");
        assert!(outcome.stderr.contains("key"), "{outcome:?}");
        assert!(!outcome.shown().contains("canary"));
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_not_shown() {
    for url in ["http://u:canary@h", "http://h/?secret=canary", "canary"] {
        let outcome = run_with(&["status", "--url", url], &KEY_ENVIRONMENT);
        assert_eq!(outcome.code, Some(64), "{outcome:?}");
        assert!(!outcome.shown().contains("canary"), "{outcome:?}");
    }
}

#[test]
fn a_healthcheck_asks_the_operations_listener_of_the_configuration() {
    for (flag, path, word) in [
        (None, "/livez", "live\n"),
        (Some("--ready"), "/readyz", "ready\n"),
    ] {
        let broker = OneAnswer::new("200 OK", "ok");
        let port = broker.url.rsplit(':').next().expect("a port").to_owned();
        let files = Files::new();
        // Broken elsewhere: a broker that runs has refused this file and kept the one before.
        let text = format!("[server]\nops_listen = '0.0.0.0:{port}'\n[[apps]]\n");
        let file = files.write("broker.toml", &text).display().to_string();
        let mut arguments = vec!["healthcheck", "--config", &file];
        arguments.extend(flag);
        let outcome = run(&arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(0), word),
            "{outcome:?}"
        );
        assert!(broker.asked().starts_with(&format!("GET {path} ")));
    }
}

#[test]
fn a_replica_that_is_not_ready_fails_the_healthcheck() {
    let broker = OneAnswer::new("503 Service Unavailable", "starting");
    let outcome = run(&["healthcheck", "--ready", "--url", &broker.url]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stderr, "error: 503 Service Unavailable\n");
}

#[test]
fn the_status_is_a_table_or_the_brokers_json() {
    let body = r#"{"apps":[{"appid":"wx1","mode":"token","status":"servable","expires_in":65}]}"#;
    let broker = OneAnswer::new("200 OK", body);
    let outcome = run_with(&["status", "--url", &broker.url], &KEY_ENVIRONMENT);
    let expected = "\
APPID  MODE   STATE     EXPIRES IN  VERSION  BUDGET LEFT  LAST FETCH  NOT REFRESHED
wx1    token  servable  1m 5s       -        -            -           -
";
    assert_eq!(outcome.stdout, expected);
    assert!(broker.asked().starts_with("GET /apps "));

    let broker = OneAnswer::new("200 OK", body);
    let outcome = run_with(
        &["status", "--json", "--url", &broker.url],
        &KEY_ENVIRONMENT,
    );
    assert_eq!(outcome.stdout, format!("{body}\n"));
}
