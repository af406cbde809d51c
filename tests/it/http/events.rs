//! `GET /token/{appid}/events`, over real sockets.
#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use token_broker::domain::epoch::Version;
use token_broker::http::{Leaving, Limits, serve_api};
use token_broker::ports::Clock as _;

use super::rig::{Rig, SERVED, TOKEN, VERSION, key};
use crate::support::events::EventStream;
use crate::support::timed::timed_in_actix;

const SOON: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);

fn serve(rig: &Rig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let server =
        serve_api(listener, rig.api_state(), &limits, None, Leaving::default()).expect("a server");
    actix_web::rt::spawn(server);
    address
}

async fn open(address: SocketAddr, last: Option<&str>) -> EventStream {
    let stream = EventStream::open(address, &key("reader"), SERVED, last).await;
    let mut stream = stream.unwrap_or_else(|refused| panic!("{refused:?}"));
    let hint = stream.next(SOON).await.expect("a hint");
    assert!(hint.retry.is_some(), "{hint:?}");
    stream
}

fn streams_open(rig: &Rig) -> String {
    let text = rig.metrics.render();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("token_broker_http_streams_open "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn the_current_token_comes_first_under_its_version() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let mut stream = open(serve(rig.serve()), None).await;
        let event = stream.next(SOON).await.expect("an event");
        assert_eq!(event.name, "token");
        assert_eq!(event.id, VERSION.to_string());
        assert_eq!(event.json()["access_token"], TOKEN);
        assert_eq!(event.json()["version"], VERSION);
        assert!(stream.is_silent_for(SILENCE).await);
    });
}

#[test]
fn whoever_has_the_current_version_or_a_newer_one_is_sent_nothing_again() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(rig.serve());
        for last in [VERSION, VERSION + 1_000] {
            let mut stream = open(address, Some(&last.to_string())).await;
            assert!(stream.is_silent_for(SILENCE).await);
        }
        drop(rig);
    });
}

#[test]
fn whoever_has_an_older_version_or_none_of_ours_is_sent_the_current_one() {
    timed_in_actix(async || {
        for last in [(VERSION - 1).to_string(), "nonsense".to_owned()] {
            let rig = Rig::new();
            let mut stream = open(serve(rig.serve()), Some(&last)).await;
            let event = stream.next(SOON).await.expect("an event");
            assert_eq!(event.id, VERSION.to_string(), "{last}");
        }
    });
}

#[test]
fn the_death_of_the_token_is_told_with_its_reason() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let mut stream = open(serve(rig.serve()), None).await;
        stream.next(SOON).await.expect("the token");
        let now = rig.clock.now();
        rig.publisher.update(rig.id(SERVED), |replica| {
            replica.refused(Version(VERSION), now);
        });
        let event = stream.next(SOON).await.expect("an event");
        assert_eq!((event.name.as_str(), event.id.as_str()), ("gone", ""));
        assert_eq!(event.json()["code"], "starting");
        assert_eq!(event.json()["appid"], SERVED);
        assert!(!event.data.contains("canary"));
        assert!(stream.is_silent_for(SILENCE).await, "told once");
    });
}

#[test]
fn a_caller_has_a_bounded_number_of_streams_and_a_disconnect_frees_one() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(rig.serve());
        let first = open(address, None).await;
        let _second = open(address, None).await;
        assert_eq!(streams_open(&rig), "2");
        let refused = EventStream::open(address, &key("reader"), SERVED, None).await;
        let refused = refused.err().expect("a refusal");
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        let document: serde_json::Value = refused.json().await.expect("a document");
        assert_eq!(document["code"], "too_many_streams");

        drop(first);
        let deadline = Instant::now() + SOON;
        while streams_open(&rig) != "1" {
            assert!(Instant::now() < deadline, "the slot was never freed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        open(address, None).await;
    });
}

#[test]
fn a_shutdown_ends_each_stream_with_a_hint_when_to_come_back() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(rig.serve());
        let mut streams = [open(address, None).await, open(address, None).await];
        for stream in &mut streams {
            stream.next(SOON).await.expect("the token");
        }
        rig.stopping.cancel();
        let mut waits = Vec::new();
        for stream in &mut streams {
            waits.push(stream.next(SOON).await.and_then(|hint| hint.retry));
            assert_eq!(stream.next(SOON).await, None);
        }
        assert!(waits[0].is_some() && waits[0] != waits[1], "{waits:?}");
        let refused = EventStream::open(address, &key("reader"), SERVED, None).await;
        assert_eq!(
            refused.err().map(|answer| answer.status().as_u16()),
            Some(503)
        );
    });
}

#[test]
fn a_key_that_is_withdrawn_ends_its_stream() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let mut stream = open(serve(rig.serve()), None).await;
        stream.next(SOON).await.expect("the token");
        rig.withdraw("reader");
        assert_eq!(stream.next(SOON).await, None);
    });
}

#[test]
fn the_stream_needs_the_same_right_as_the_token() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(rig.serve());
        for (caller, status) in [("caller", 403), ("all-on-empty", 404), ("nobody", 401)] {
            let refused = EventStream::open(address, &key(caller), SERVED, None).await;
            let refused = refused.err().expect("a refusal");
            assert_eq!(refused.status().as_u16(), status, "{caller}");
        }
        assert_eq!(streams_open(&rig), "0");
    });
}
