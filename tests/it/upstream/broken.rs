//! Upstreams that are away, slow, broken or somebody else: what is certain not to have been sent, and
//! what may have cost a token.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::secret::Secret;
use token_broker::ports::{Checked, Fetched, Upstream};

use super::wire_server::{
    SHORT, Step, TOKEN, WireServer, client, credential, ok, settings, token_body,
};
use crate::support::timed::{timed, timed_in_a_crowd};

/// How a fetch from a server with these steps ends, and that a check there ends as *away*. Neither takes
/// longer than its time-out (and a little).
async fn ambiguous(steps: impl Into<Vec<Step>>) -> String {
    let steps = steps.into();
    let is_slow = steps.iter().any(|step| match step {
        Step::Hang => true,
        Step::Repeat(_, pause) => !pause.is_zero(),
        Step::Read | Step::Send(_) | Step::Pause(_) | Step::Again => false,
    });
    let server = WireServer::start(steps).await;
    let mut settings = server.settings();
    if is_slow {
        settings.timeout = SHORT;
    }
    let client = client(&settings);
    let limit = settings.timeout + Duration::from_secs(2);

    let began = Instant::now();
    let fetched = client.fetch(&credential(Mode::Token), false).await;
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    assert_eq!(server.connections(), 1, "one attempt");

    let began = Instant::now();
    let checked = client
        .check(&credential(Mode::Token), &Secret::new(TOKEN))
        .await;
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    assert!(matches!(checked, Checked::Away(_)), "{checked:?}");

    match fetched {
        Fetched::Ambiguous(reason) => reason,
        other => panic!("{other:?}"),
    }
}

async fn ambiguous_reply(reply: impl AsRef<[u8]>) -> String {
    ambiguous([Step::Read, Step::Send(reply.as_ref().to_vec())]).await
}

async fn not_sent(base_url: &str) -> String {
    let mut settings = settings(base_url);
    settings.timeout = SHORT;
    let client = client(&settings);
    let checked = client
        .check(&credential(Mode::Token), &Secret::new(TOKEN))
        .await;
    let fetched = client.fetch(&credential(Mode::Stable), false).await;
    match (fetched, checked) {
        (Fetched::NotSent(reason), Checked::Away(same)) if reason == same => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_connection_sent_nothing() {
    timed(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(
            not_sent(&format!("http://{address}")).await,
            "no connection: connection refused"
        );
    });
}

#[test]
fn a_name_that_does_not_resolve_sent_nothing() {
    timed(async || {
        // A name that is never resolved (RFC 6761); a resolver that hangs ends in the connect time-out.
        let reason = not_sent("http://upstream.invalid").await;
        assert!(
            [
                "the name of the upstream host cannot be resolved",
                "no connection within the time limit"
            ]
            .contains(&reason.as_str()),
            "{reason}"
        );
    });
}

#[test]
fn a_handshake_that_never_ends_sent_nothing() {
    timed(async || {
        let server = WireServer::start([Step::Hang]).await;
        assert_eq!(
            not_sent(&format!("https://{}", server.address)).await,
            "no connection within the time limit"
        );
    });
}

#[test]
fn a_server_that_does_not_speak_tls_was_sent_nothing() {
    timed(async || {
        let server =
            WireServer::start([Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]).await;
        let reason = not_sent(&format!("https://{}", server.address)).await;
        assert!(reason.starts_with("no "), "{reason}");
    });
}

#[test]
fn an_app_without_a_secret_is_not_asked_for() {
    timed(async || {
        let server = WireServer::answering(ok(&token_body())).await;
        let stranger = Credential::access_token(AppId::parse("wx2").unwrap(), Mode::Token);

        let fetched = server.client().fetch(&stranger, false).await;

        assert!(matches!(fetched, Fetched::NotSent(_)), "{fetched:?}");
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn a_connection_closed_before_a_reply_is_ambiguous() {
    timed(async || {
        ambiguous([]).await;
        ambiguous([Step::Read]).await;
        ambiguous_reply("HTTP/1.1 200 OK\r\nContent-Ty").await;
    });
}

#[test]
fn a_server_that_hangs_is_ambiguous_within_the_time_limit() {
    timed(async || {
        assert_eq!(
            ambiguous([Step::Read, Step::Hang]).await,
            "no reply within the time limit"
        );
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{".to_vec();
        assert_eq!(
            ambiguous([Step::Read, Step::Send(head), Step::Hang]).await,
            "no whole reply within the time limit"
        );
    });
}

#[test]
fn a_slow_drip_is_cut_by_the_time_limit_however_often_it_drips() {
    timed(async || {
        let every = Duration::from_millis(20);
        let head = b"HTTP/1.1 200 OK\r\nX-Drip: ".to_vec();
        let drip = Step::Repeat(b"x".to_vec(), every);
        ambiguous([Step::Read, Step::Send(head), drip]).await;

        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n".to_vec();
        let drip = Step::Repeat(b" ".to_vec(), every);
        assert_eq!(
            ambiguous([Step::Read, Step::Send(head), drip]).await,
            "no whole reply within the time limit"
        );
    });
}

#[test]
fn an_endless_body_is_left_at_64_kib() {
    timed(async || {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                u64::MAX / 2
            ),
        ] {
            let flood = Step::Repeat(vec![b' '; 16 * 1024], Duration::ZERO);
            let steps = [Step::Read, Step::Send(head.into_bytes()), flood];
            assert_eq!(ambiguous(steps).await, "the reply is longer than 64 KiB");
        }
        let chunk = [b"4000\r\n".to_vec(), vec![b' '; 0x4000], b"\r\n".to_vec()].concat();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let flood = Step::Repeat(chunk, Duration::ZERO);
        assert_eq!(
            ambiguous([Step::Read, Step::Send(head), flood]).await,
            "the reply is longer than 64 KiB"
        );
    });
}

#[test]
fn endless_headers_are_left_too() {
    timed(async || {
        let head = Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec());
        let flood = Step::Repeat(b"X-More: and more\r\n".repeat(1000), Duration::ZERO);
        ambiguous([Step::Read, head, flood]).await;
    });
}

#[test]
fn a_redirect_is_not_followed() {
    timed(async || {
        let elsewhere = WireServer::answering(ok(&token_body())).await;
        for status in [301, 302, 303, 307, 308] {
            let location = elsewhere.address;
            let reply = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n"
            );
            assert_eq!(
                ambiguous_reply(reply).await,
                format!("HTTP status {status} instead of 200")
            );
        }
        assert_eq!(elsewhere.connections(), 0);
    });
}

#[test]
fn another_status_is_ambiguous_even_with_a_token_or_an_error_in_its_body() {
    timed_in_a_crowd(async || {
        let error = r#"{"errcode":40001,"errmsg":"invalid credential"}"#.to_owned();
        for status in [201, 204, 400, 403, 404, 429, 500, 502, 503] {
            for body in [token_body(), error.clone(), String::new()] {
                let length = if status == 204 { 0 } else { body.len() };
                let reply = format!(
                    "HTTP/1.1 {status} Odd\r\nRetry-After: 1\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                assert_eq!(
                    ambiguous_reply(reply).await,
                    format!("HTTP status {status} instead of 200")
                );
            }
        }
    });
}

#[test]
fn a_reply_that_is_not_whole_or_not_http_is_ambiguous() {
    timed(async || {
        let body = token_body();
        let half = &body[..body.len() / 2];
        let length = body.len();
        for reply in [
            // Cut: less than announced, or the JSON ends early.
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{half}"),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                length + 1
            ),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                length - 1
            ),
            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{body}"),
            format!("HTTP/1.1 200 OK\r\n\r\n{half}"),
            // Chunks that are none, or never end.
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"
            ),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n"
            ),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{half}"),
            // Lengths that contradict each other, or are no numbers.
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
            format!("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{body}"),
            // Not HTTP/1.
            body.clone(),
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            "HTTP/2 200\r\n\r\n".to_owned(),
            "HTTP/1.1 two hundred\r\n\r\n".to_owned(),
        ] {
            ambiguous_reply(reply).await;
        }
    });
}

#[test]
fn a_compressed_reply_that_nobody_asked_for_is_ambiguous() {
    timed(async || {
        let gzip =
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            gzip.len()
        );
        assert_eq!(
            ambiguous_reply([head.as_bytes(), gzip].concat()).await,
            "the reply is not one JSON object"
        );
    });
}

#[test]
fn a_reply_that_comes_late_but_in_time_is_granted() {
    timed(async || {
        let (pause, body) = (Duration::from_millis(100), token_body());
        let (first, second) = body.split_at(30);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}",
            body.len()
        );
        let server = WireServer::start([
            Step::Read,
            Step::Pause(pause),
            Step::Send(head.into_bytes()),
            Step::Pause(pause),
            Step::Send(second.as_bytes().to_vec()),
        ])
        .await;
        let fetched = server.client().fetch(&credential(Mode::Token), false).await;
        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
    });
}
