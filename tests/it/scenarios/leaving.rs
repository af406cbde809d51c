//! A broker that stops behind a balancer: it says so first, and has the clients on its connections come back elsewhere.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wechat_simulator::Simulator;

use crate::support::fleet::{APP, apps, wechat_with};
use crate::support::process::Process;
use crate::support::settings::{KEY, Settings, StoreUnderTest};
use crate::support::timed::timed;

const SOON: Duration = Duration::from_secs(20);

/// One request on a connection that is kept, and its whole answer.
async fn ask(stream: &mut TcpStream) -> String {
    let request =
        format!("GET /token/{APP} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("a request sent");
    let mut answer = Vec::new();
    // A token ends its object.
    while !answer.ends_with(b"}") {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut answer)).await;
        let read = read.expect("in time").expect("an answer");
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_replica_that_stops_answers_on_and_closes_each_connection_with_its_answer() {
    timed(async || {
        let wechat = Simulator::start(wechat_with(&apps(1))).await;
        let wechat = wechat.expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let store = StoreUnderTest::Embedded {
            path: directory.path().join("store.redb"),
        };
        let settings = Settings::new(&wechat.base_url(), store).server("lame_duck", "3s");
        let mut process = Process::listening(&settings).await;
        process.caller().await.token_within(APP, SOON).await;
        let address = process.address("listen").await;
        let connect = async || TcpStream::connect(address).await.expect("a connection");
        let mut kept = connect().await;
        for _ in 0..2 {
            let answer = ask(&mut kept).await;
            assert!(!answer.contains("connection: close"), "{answer}");
        }
        process.terminate();
        let deadline = Instant::now() + SOON;
        while !process.readiness().await.contains("stopping") {
            assert!(Instant::now() < deadline, "{}", process.log());
        }
        // The pooled connection, and one that a balancer makes before it looks away.
        for mut stream in [kept, connect().await] {
            let answer = ask(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await;
            assert!(closed.is_ok() && rest.is_empty(), "{rest:?}");
        }
        assert_eq!(process.ended(SOON).await, Some(0));
    });
}
