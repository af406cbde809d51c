//! What requests leave in the log: lines within bounds, and no secret at any level.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix_web::dev::Service as _;
use actix_web::test::TestRequest;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;

use super::rig::{Rig, key, service, with_key};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Everything at TRACE that this thread logs, until the guard is dropped.
    fn capture() -> (Self, DefaultGuard) {
        // With a single subscriber alive, the thread that comes by a line of code first decides for good
        // whether it is written, and other tests' threads have none. With a second one, all are asked.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[actix_web::test]
async fn neither_a_token_nor_a_key_is_ever_logged() {
    let (lines, _guard) = Lines::capture();
    let rig = Rig::working();
    rig.issue("canary-token");
    rig.get("all-on-empty", "/token/wx-empty").await;
    for body in [
        "{\"access_token\":\"canary-token\"}",
        "{\"canary-field\":\"canary-token\"}",
        "canary-token",
    ] {
        rig.post("all-on-empty", "/token/wx-empty/report", body)
            .await;
    }
    for path in [
        "/token/canary-token",
        "/canary-token",
        "/token/wx-empty?access_token=canary-token",
        &format!("/token/{}", key("all-on-empty")),
    ] {
        rig.get("all-on-empty", path).await;
    }
    rig.send(
        TestRequest::get()
            .uri("/apps")
            .insert_header(("authorization", "Bearer canary-key")),
    )
    .await;
    let text = lines.text();
    assert!(text.contains("refused"), "{text}");
    assert!(text.contains("answered"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(!text.contains("tbk_"), "{text}");
    let digest = super::rig::digest("canary-token").to_string();
    assert!(!text.contains(&digest), "{text}");
}

#[actix_web::test]
async fn a_refusal_says_who_asked_for_what_and_why_not() {
    let (lines, _guard) = Lines::capture();
    let rig = Rig::new();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = TestRequest::get().uri("/token/wx-served");
    let request = with_key("admin", request)
        .insert_header(("x-request-id", "trace-42"))
        .insert_header(("traceparent", trace));
    rig.send(request).await;
    let text = lines.text();
    for part in [
        "caller=admin",
        "appid=wx-served",
        "code=\"forbidden\"",
        "request_id=\"trace-42\"",
        &format!("traceparent=\"{trace}\""),
        "route=\"token\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[actix_web::test]
async fn a_line_names_the_client_and_only_a_trusted_proxy_is_believed() {
    let (lines, _guard) = Lines::capture();
    let rig = Rig::new();
    let trusted = "10.0.0.0/8".parse().unwrap_or_else(|e| panic!("{e}"));
    let service = service(rig.api_state().behind(vec![trusted])).await;
    for (peer, client) in [("10.0.0.7", "192.0.2.9"), ("203.0.113.7", "203.0.113.7")] {
        let address = (peer.parse::<IpAddr>()).unwrap_or_else(|e| panic!("{e}"));
        let request = with_key("admin", TestRequest::get().uri("/token/wx-served"))
            .peer_addr((address, 4711).into())
            .insert_header(("x-forwarded-for", "198.51.100.1, 192.0.2.9"));
        let answered = service.call(request.to_request()).await;
        assert!(answered.is_ok());
        let text = lines.text();
        let line = text.lines().last().unwrap_or_default();
        assert!(line.contains(&format!("client={client} ")), "{line}");
        assert!(!line.contains("198.51.100.1"), "{line}");
    }
}
