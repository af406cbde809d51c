//! WeChat is slow, cuts its replies or says nothing; callers are slow or go away. Everything ends, and as what it is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use wechat_simulator::{Endpoint, Fault, FaultKind};

use super::super::rig::APP;
use super::passing::upload;
use super::rig::{ECHO, Gateway, exchange, json};
use crate::support::settings::KEY;
use crate::support::timed::timed;

/// Longer than any bound here, and shorter than what holds where none is set.
const LONG: Duration = Duration::from_secs(20);

const BRIEF: &str = "timeout = \"1s\"\nlongest = \"3s\"";

#[test]
fn a_reply_that_is_cut_or_never_comes_is_unclear() {
    timed(async || {
        let gateway = Gateway::with(BRIEF).await;
        for kind in [
            FaultKind::ActThenCut,
            FaultKind::CutBefore,
            FaultKind::HalfReply,
            FaultKind::HalfThenSilence,
            FaultKind::Hang { acts: true },
            FaultKind::Status(502),
            FaultKind::ActThenStatus(500),
        ] {
            let fault = Fault::new(kind).on(Endpoint::Echo).once();
            gateway.wechat.faults().add(fault);
            let before = gateway.wechat.count(APP, Endpoint::Echo);
            let begun = Instant::now();
            let problem = json(gateway.keyed("POST", ECHO).body("x"), 504).await;
            assert_eq!(problem["code"], "upstream_unclear", "{kind:?}");
            assert!(
                begun.elapsed() < LONG,
                "{kind:?} took {:?}",
                begun.elapsed()
            );
            assert_eq!(
                gateway.wechat.count(APP, Endpoint::Echo),
                before + 1,
                "{kind:?} was sent again"
            );
        }
        let token = gateway.token().await;
        gateway
            .wechat
            .faults()
            .add(Fault::new(FaultKind::Status(502)).on(Endpoint::Echo).once());
        let told = json(
            gateway.bare("GET", &format!("{ECHO}?access_token={token}")),
            200,
        )
        .await;
        assert_eq!(told["errcode"], -1);
        // A slow reply within the time is a reply.
        gateway.wechat.faults().add(
            Fault::new(FaultKind::ActThenDelay(Duration::from_millis(700)))
                .on(Endpoint::Echo)
                .once(),
        );
        assert_eq!(json(gateway.keyed("GET", ECHO), 200).await["errcode"], 0);
    });
}

#[test]
fn a_file_that_is_cut_under_way_is_seen_to_be_cut() {
    timed(async || {
        let gateway = Gateway::with(BRIEF).await;
        let bytes = vec![9; 300_000];
        let id = json(upload(&gateway, &bytes), 200).await["media_id"].clone();
        let path = format!(
            "/cgi-bin/media/get?media_id={}",
            id.as_str().expect("an id")
        );
        for kind in [FaultKind::HalfReply, FaultKind::HalfThenSilence] {
            gateway
                .wechat
                .faults()
                .add(Fault::new(kind).on(Endpoint::MediaGet).once());
            let response = gateway.keyed("GET", &path).send().await.expect("a head");
            assert_eq!(response.status(), 200);
            let begun = Instant::now();
            assert!(
                response.bytes().await.is_err(),
                "{kind:?}: half a file was taken for a whole one"
            );
            assert!(begun.elapsed() < LONG);
        }
    });
}

#[test]
fn wechat_away_is_told_as_such() {
    timed(async || {
        let gateway = Gateway::with(BRIEF).await;
        gateway
            .wechat
            .pause_listening()
            .await
            .expect("the simulator stops");
        let problem = json(gateway.keyed("GET", ECHO), 503).await;
        assert_eq!(problem["code"], "upstream_away");
        assert!(problem["retry_after"].is_number());
    });
}

#[test]
fn too_many_calls_at_once_are_refused_and_places_come_back() {
    timed(async || {
        let gateway = Gateway::with("side_by_side = 2\ntimeout = \"2s\"").await;
        let slow =
            Fault::new(FaultKind::ActThenDelay(Duration::from_millis(400))).on(Endpoint::Echo);
        gateway.wechat.faults().add(slow.times(2));
        let calls = (0..6).map(|_| async {
            let response = gateway.keyed("GET", ECHO).send().await.expect("an answer");
            (
                response.status().as_u16(),
                response.headers().contains_key("retry-after"),
            )
        });
        let told = futures_util::future::join_all(calls).await;
        let refused = told.iter().filter(|told| **told == (429, true)).count();
        assert_eq!(refused, 4, "{told:?}");
        assert_eq!(json(gateway.keyed("GET", ECHO), 200).await["errcode"], 0);
    });
}

#[test]
fn a_body_that_is_too_large_or_stalls_is_refused() {
    timed(async || {
        let gateway = Gateway::with("max_body = 20000\nreplay_body = 1000\ntimeout = \"1s\"").await;
        let problem = json(gateway.keyed("POST", ECHO).body(vec![b'x'; 20_001]), 413).await;
        assert_eq!(problem["code"], "body_too_large");
        assert_eq!(
            gateway.asked(),
            0,
            "what was announced too large was not begun"
        );
        let head = |length: &str| {
            format!(
                "POST /gateway/{APP}{ECHO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
                 connection: close\r\n{length}\r\n\r\n"
            )
        };
        let chunk = format!("3000\r\n{}\r\n", "x".repeat(0x3000));
        let sent = head("transfer-encoding: chunked") + &chunk + &chunk + &chunk;
        let answer = exchange(gateway.broker.api, sent.into_bytes()).await;
        assert!(answer.contains("body_too_large"), "{answer}");
        for sent in [
            head("content-length: 5000") + "x",
            head("content-length: 5000") + &"x".repeat(3000),
        ] {
            let answer = exchange(gateway.broker.api, sent.into_bytes()).await;
            assert!(answer.contains("body_timeout"), "{answer}");
        }
        let acted = gateway.wechat.calls();
        assert!(
            acted.iter().all(|call| call.endpoint != Endpoint::Echo),
            "half a body was acted on"
        );
    });
}

#[test]
fn half_of_a_body_is_never_taken_for_all_of_it() {
    timed(async || {
        let gateway = Gateway::with("replay_body = 1000\ntimeout = \"2s\"").await;
        for length in ["content-length: 50000", "transfer-encoding: chunked"] {
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            let head = format!(
                "POST /gateway/{APP}{ECHO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{length}\r\n\r\n{chunk}"
            );
            let address = gateway.broker.api;
            let leaving = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).expect("a connection");
                stream.write_all(head.as_bytes()).expect("sent");
                std::thread::sleep(Duration::from_millis(100));
            });
            leaving.await.expect("it left");
        }
        // What follows is served, and by then the halves have come to their end.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(json(gateway.keyed("GET", ECHO), 200).await["errcode"], 0);
        assert_eq!(gateway.wechat.count(APP, Endpoint::Echo), 1);
    });
}

#[test]
fn a_caller_that_stops_reading_gives_its_place_back() {
    timed(async || {
        let gateway = Gateway::with("side_by_side = 1\ntimeout = \"1s\"").await;
        let id = json(upload(&gateway, &vec![3; 20 << 20]), 200).await["media_id"].clone();
        let path = format!(
            "/cgi-bin/media/get?media_id={}",
            id.as_str().expect("an id")
        );
        let head = format!(
            "GET /gateway/{APP}{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(gateway.broker.api).expect("a connection");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut begun = [0; 1024];
        assert!(stream.read(&mut begun).expect("a beginning") > 0);
        assert_eq!(
            json(gateway.keyed("GET", ECHO), 429).await["code"],
            "too_many_calls"
        );
        let freed = async {
            while gateway
                .keyed("GET", ECHO)
                .send()
                .await
                .expect("an answer")
                .status()
                != 200
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let bound = LONG;
        assert!(
            tokio::time::timeout(bound, freed).await.is_ok(),
            "its place is still taken"
        );
        // And one that hangs up at once.
        drop(stream);
        let response = gateway.keyed("GET", &path).send().await.expect("a head");
        drop(response);
        let freed = async {
            while gateway
                .keyed("GET", ECHO)
                .send()
                .await
                .expect("an answer")
                .status()
                != 200
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            tokio::time::timeout(bound, freed).await.is_ok(),
            "its place is still taken"
        );
    });
}
