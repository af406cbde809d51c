//! Clients that take their time, over real sockets: each gets so much, and none keeps the others from being
//! answered.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use token_broker::http::{Leaving, Limits, serve_api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::rig::{COLD_WAIT, Rig, key};
use crate::support::timed::timed_in_actix;

/// Longer than anything here may take on a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// As short as a busy machine can bear, which may need a while for a head that is sent whole.
fn limits() -> Limits {
    Limits {
        workers: 1,
        head_timeout: Duration::from_secs(3),
        reply_timeout: Duration::from_secs(3),
        ..Limits::default()
    }
}

async fn serve(rig: &Rig, limits: Limits, leaving: Leaving) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = serve_api(listener, rig.api_state(), &limits, None, leaving).expect("a server");
    actix_web::rt::spawn(server);
    // A worker goes by a clock of its own, which for its first moments is from before it was made.
    bounded(async {
        let hello = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let mut answer = Vec::new();
        while !answer.starts_with(b"HTTP/1.1 404") {
            answer.clear();
            let mut stream = connect(address).await;
            let _ = stream.write_all(hello).await;
            let _ = stream.read_to_end(&mut answer).await;
        }
    })
    .await;
    address
}

async fn bounded<T>(what: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(BOUND, what).await;
    done.unwrap_or_else(|_| panic!("not within {BOUND:?}"))
}

async fn connect(address: SocketAddr) -> TcpStream {
    bounded(TcpStream::connect(address))
        .await
        .expect("a connection")
}

fn get(path: &str) -> String {
    let key = key(if path.ends_with("empty") {
        "all-on-empty"
    } else {
        "reader"
    });
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n")
}

/// Asks, and reads the head and as much of a body as the head says.
async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let sent = stream.write_all(get(path).as_bytes()).await;
    sent.expect("a request sent");
    let mut answer = Vec::new();
    bounded(async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= length(head)
            {
                return text;
            }
            let read = stream.read_buf(&mut answer).await.expect("an answer");
            assert!(read > 0, "closed after {text:?}");
        }
    })
    .await
}

fn length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    line.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Waits until the server has closed the connection, whatever it says before.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    bounded(async { while stream.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {} }).await;
}

fn cuts(rig: &Rig, why: &str) -> u64 {
    let name = format!("token_broker_http_connections_cut_total{{why=\"{why}\"}} ");
    let text = rig.metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

async fn cut_once(rig: &Rig, why: &str, before: u64) {
    bounded(async {
        while cuts(rig, why) == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(cuts(rig, why), before + 1);
}

#[test]
fn a_first_head_that_dribbles_is_given_up_and_others_are_answered_meanwhile() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let before = cuts(&rig, "slow_head");
        let mut slow = connect(address).await;
        slow.write_all(b"GET /token/wx-ser")
            .await
            .expect("a part of a head");
        let mut quick = connect(address).await;
        assert!(
            ask(&mut quick, "/token/wx-served")
                .await
                .starts_with("HTTP/1.1 200")
        );
        let mut answer = String::new();
        bounded(slow.read_to_string(&mut answer))
            .await
            .expect("an end");
        assert_eq!(answer, "", "closed without a word");
        cut_once(&rig, "slow_head", before).await;
    });
}

#[test]
fn a_later_head_that_dribbles_is_given_up_as_well() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let before = cuts(&rig, "slow_head");
        let mut slow = connect(address).await;
        assert!(
            ask(&mut slow, "/token/wx-served")
                .await
                .starts_with("HTTP/1.1 200")
        );
        let begun = Instant::now();
        // A byte now and then: it is the whole head that has a time.
        let dribbled = bounded(async {
            for byte in get("/token/wx-served").bytes().cycle() {
                if slow.write_all(&[byte]).await.is_err() || slow.try_read(&mut [0]).is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            begun.elapsed()
        })
        .await;
        assert!(dribbled >= limits().head_timeout, "{dribbled:?}");
        cut_once(&rig, "slow_head", before).await;
    });
}

#[test]
fn a_request_that_takes_long_is_no_slow_head() {
    timed_in_actix(async || {
        // Waits for a first token for longer than a head may take.
        let rig = Rig::patient(limits().head_timeout + Duration::from_millis(500));
        rig.serve();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let before = cuts(&rig, "slow_head");
        let mut stream = connect(address).await;
        for (path, status) in [
            ("/token/wx-served", "200"),
            ("/token/wx-empty", "503"),
            ("/token/wx-served", "200"),
        ] {
            let answer = ask(&mut stream, path).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        assert_eq!(cuts(&rig, "slow_head"), before);
    });
}

/// A client whose buffers are small, and that has asked for more than all buffers between hold.
async fn greedy(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .set_recv_buffer_size(16 << 10)
        .expect("a small buffer");
    let mut stream = bounded(socket.connect(address))
        .await
        .expect("a connection");
    let many = get("/openapi.json").repeat(REPLIES);
    stream
        .write_all(many.as_bytes())
        .await
        .expect("requests sent");
    stream
}

const REPLIES: usize = 30;

#[test]
fn a_reader_that_takes_nothing_is_cut_and_others_are_answered_meanwhile() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let before = cuts(&rig, "slow_reader");
        let _slow = greedy(address).await;
        let mut quick = connect(address).await;
        assert!(
            ask(&mut quick, "/token/wx-served")
                .await
                .starts_with("HTTP/1.1 200")
        );
        cut_once(&rig, "slow_reader", before).await;
        assert!(
            ask(&mut quick, "/token/wx-served")
                .await
                .starts_with("HTTP/1.1 200")
        );
    });
}

#[test]
fn a_reader_that_is_slow_and_goes_on_gets_all_of_it() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let one = ask(&mut connect(address).await, "/openapi.json").await;
        let mut slow = greedy(address).await;
        let mut chunk = vec![0; 16 << 10];
        let begun = Instant::now();
        let mut left = one.len() * REPLIES;
        while left > 0 {
            let read = bounded(slow.read(&mut chunk)).await.expect("more of it");
            assert!(read > 0, "closed before the last {left} bytes");
            left -= read;
            // For longer than the time after which one that takes nothing is cut; then all at once.
            if begun.elapsed() < limits().reply_timeout * 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(
            begun.elapsed() > limits().reply_timeout,
            "too quick to tell"
        );
        assert_eq!(cuts(&rig, "slow_reader"), 0);
    });
}

#[test]
fn a_connection_is_kept_and_closed_once_it_has_been_idle_for_long() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let brief = Limits {
            keep_alive: Duration::from_secs(3),
            ..limits()
        };
        let address = serve(&rig, brief, Leaving::default()).await;
        let before = cuts(&rig, "slow_head");
        let mut stream = connect(address).await;
        let mut begun = Instant::now();
        for _ in 0..2 {
            begun = Instant::now();
            let answer = ask(&mut stream, "/token/wx-served").await;
            assert!(!answer.contains("connection: close"), "{answer}");
        }
        closed(&mut stream).await;
        assert!(
            begun.elapsed() >= brief.keep_alive,
            "closed after {:?}",
            begun.elapsed()
        );
        assert_eq!(cuts(&rig, "slow_head"), before);
    });
}

#[test]
fn a_connection_is_idle_only_after_a_reply_that_took_long() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let brief = Limits {
            keep_alive: COLD_WAIT * 3 / 4,
            ..limits()
        };
        let address = serve(&rig, brief, Leaving::default()).await;
        let mut stream = connect(address).await;
        let begun = Instant::now();
        let refused = ask(&mut stream, "/token/wx-empty").await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert!(!refused.contains("connection: close"), "{refused}");
        closed(&mut stream).await;
        assert!(
            begun.elapsed() >= COLD_WAIT + brief.keep_alive,
            "closed after {:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn a_broker_that_leaves_has_its_clients_come_back_elsewhere() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let leaving = Leaving::default();
        let address = serve(&rig, limits(), leaving.clone()).await;
        let mut stream = connect(address).await;
        let before = ask(&mut stream, "/token/wx-served").await;
        assert!(!before.contains("connection: close"), "{before}");
        leaving.begin();
        let after = ask(&mut stream, "/token/wx-served").await;
        assert!(after.starts_with("HTTP/1.1 200"), "{after}");
        assert!(after.contains("connection: close"), "{after}");
        closed(&mut stream).await;
        // Who comes back before a balancer looks away is answered, too.
        let mut again = connect(address).await;
        let answer = ask(&mut again, "/token/wx-served").await;
        assert!(answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn what_is_no_http_is_counted() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let mut stream = connect(address).await;
        stream
            .write_all(b"nonsense\r\n\r\n")
            .await
            .expect("bytes sent");
        closed(&mut stream).await;
        cut_once(&rig, "malformed", 0).await;
        let mut stream = connect(address).await;
        let head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(200_000));
        // It may be closed before it has all of it.
        let _ = stream.write_all(head.as_bytes()).await;
        closed(&mut stream).await;
        cut_once(&rig, "head_too_large", 0).await;
    });
}

#[test]
fn a_connection_by_which_nothing_comes_is_closed_without_a_word() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let address = serve(&rig, limits(), Leaving::default()).await;
        let before = cuts(&rig, "slow_head");
        let begun = Instant::now();
        let mut silent = connect(address).await;
        let mut answer = String::new();
        bounded(silent.read_to_string(&mut answer))
            .await
            .expect("an end");
        assert_eq!(answer, "");
        assert!(begun.elapsed() >= limits().head_timeout);
        cut_once(&rig, "slow_head", before).await;
    });
}
