//! No AppSecret, token or URL leaves the adapter: not in what it answers, and not in any log line of any
//! library at the level `trace`.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::ports::{Fetched, Upstream};
use token_broker::telemetry;

use super::tls::self_signed;
use super::wire_server::{
    SECRET, Step, TOKEN, WireServer, client, credential, ok, settings, token_body,
};
use crate::support::timed::timed;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Nothing of a canary, whole or in part, in either case or in bytes printed as numbers.
fn assert_clean(text: &str) {
    let lower = text.to_lowercase();
    for canary in [SECRET, TOKEN] {
        let canary = canary.to_lowercase();
        for piece in canary.as_bytes().windows(10) {
            let piece = std::str::from_utf8(piece).unwrap();
            let numbers = format!("{:?}", piece.as_bytes());
            let numbers = numbers.trim_matches(['[', ']']);
            let found = lower.find(piece).or_else(|| lower.find(numbers));
            if let Some(at) = found {
                let from = lower[..at].rfind('\n').map_or(0, |line| line + 1);
                panic!("{piece}: {}", lower[from..].lines().next().unwrap());
            }
        }
    }
    assert!(!lower.contains("cgi-bin"), "a path of WeChat's");
}

/// Asks every kind of upstream, good and bad, and returns all that was answered as text.
async fn ask_everybody() -> String {
    let echo = format!(
        r#"{{"errcode":40001,"errmsg":"bad {SECRET} {} {TOKEN} rid: {SECRET}"}}"#,
        SECRET.to_uppercase()
    );
    let both =
        format!(r#"{{"access_token":"{TOKEN}","expires_in":7200,"errcode":1,"errmsg":"x"}}"#);
    let odd_life = format!(r#"{{"access_token":"{TOKEN}","expires_in":"7200"}}"#);
    let head =
        |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TOKEN}");
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/cgi-bin/token?secret={SECRET}&t={TOKEN}\r\n\r\n"
    );
    let header = format!("HTTP/1.1 200 {SECRET}\r\n{TOKEN}\r\n: {SECRET}\r\n\r\n");
    let read_and = |reply: Vec<u8>| vec![Step::Read, Step::Send(reply)];
    let scripts = [
        read_and(ok(&token_body())),
        read_and(ok(r#"{"ip_list":[]}"#)),
        read_and(ok(&echo)),
        read_and(ok(&both)),
        read_and(ok(&odd_life)),
        read_and(ok(TOKEN)),
        read_and(head(500).into_bytes()),
        read_and(redirect.into_bytes()),
        read_and(header.into_bytes()),
        read_and(TOKEN.as_bytes().to_vec()),
        vec![],
        vec![Step::Read],
        vec![Step::Read, Step::Hang],
    ];
    let mut answers = String::new();
    for steps in scripts {
        let server = WireServer::start(steps).await;
        answers += &ask(&server.settings()).await;
    }

    let (tls, ca_file) = self_signed("localhost");
    let server = WireServer::start_tls(tls, read_and(ok(&token_body()))).await;
    let mut settings = settings(&format!("https://localhost:{}", server.address.port()));
    answers += &ask(&settings).await;
    settings.ca_file = Some(ca_file.path().to_owned());
    answers += &ask(&settings).await;

    for unreachable in [
        "http://127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://upstream.invalid",
    ] {
        answers += &ask(&super::wire_server::settings(unreachable)).await;
    }
    answers
}

async fn ask(settings: &token_broker::adapters::wechat::UpstreamSettings) -> String {
    let mut settings = settings.clone();
    settings.timeout = Duration::from_millis(300);
    let client = client(&settings);
    let mut answers = format!("{client:?}\n");
    for mode in [Mode::Token, Mode::Stable] {
        let fetched = client.fetch(&credential(mode), false).await;
        answers += &format!("{fetched:?}\n");
        if let Fetched::Refused(error) = &fetched {
            answers += &format!("{error}\n");
        }
    }
    let checked = client
        .check(&credential(Mode::Token), &Secret::new(TOKEN))
        .await;
    answers + &format!("{checked:?}\n")
}

#[test]
fn no_answer_and_no_log_line_of_any_library_at_trace_holds_a_secret() {
    timed(async || {
        let captured = Captured::default();
        let writer = captured.clone();
        let everything = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false);
        let logging = tracing_subscriber::registry()
            .with(everything)
            .set_default();

        let answers = ask_everybody().await;
        drop(logging);

        let logs = captured.text();
        for speaker in ["hyper_util", "reqwest", "rustls"] {
            assert!(logs.contains(speaker), "the capture hears {speaker}");
        }
        assert_clean(&answers);
        assert_clean(&logs);
    });
}

#[test]
fn the_brokers_own_logging_at_trace_lets_no_library_speak_of_requests() {
    timed(async || {
        let captured = Captured::default();
        let writer = captured.clone();
        let level = "trace,reqwest=trace,hyper=trace,hyper_util=trace,rustls=trace";
        let logging = telemetry::subscriber(level, true, false, move || writer.clone())
            .unwrap()
            .set_default();

        ask_everybody().await;
        drop(logging);

        assert_clean(&captured.text());
    });
}
