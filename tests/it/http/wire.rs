//! Over real sockets: what actix makes of heads that are no HTTP, and of bodies that never come.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use token_broker::http::{Leaving, Limits, serve_api, serve_ops};

use super::rig::{Rig, TOKEN, key};
use crate::support::timed::timed_in_actix;

/// Sends bytes as they are and reads until the server closes.
fn exchange(address: SocketAddr, sent: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(sent)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
            // A server that closes without reading all of it.
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn serve(rig: &Rig) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let limits = Limits {
        workers: 1,
        // What a busy machine needs for a head that is sent whole, and what one that is not is waited for.
        head_timeout: Duration::from_secs(3),
        ..Limits::default()
    };
    let server = serve_api(listener, rig.api_state(), &limits, None, Leaving::default())?;
    actix_web::rt::spawn(server);
    Ok(address)
}

async fn ask(rig: &Rig, sent: impl Into<Vec<u8>>) -> String {
    let sent = sent.into();
    let address = serve(rig).await;
    let asked = async {
        let address = address?;
        let exchanged = actix_web::rt::task::spawn_blocking(move || exchange(address, &sent));
        exchanged.await.map_err(std::io::Error::other)?
    };
    asked.await.unwrap_or_else(|error| panic!("{error}"))
}

fn head(line: &str) -> String {
    let key = key("reader");
    format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n")
}

#[test]
fn a_head_request_is_answered_without_a_body() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let get = ask(&rig, head("GET /token/wx-served") + "\r\n").await;
        let head = ask(&rig, head("HEAD /token/wx-served") + "\r\n").await;
        assert!(get.starts_with("HTTP/1.1 200"), "{get}");
        assert!(get.contains("canary-token"), "{get}");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(!head.contains("canary"), "{head}");
        let length = |answer: &str| {
            let line = answer
                .lines()
                .find(|line| line.starts_with("content-length"));
            line.map(str::to_owned)
        };
        assert_eq!(length(&get), length(&head));
        assert!(head.ends_with("\r\n\r\n"));
    });
}

#[test]
fn a_body_that_never_comes_is_given_up() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let head = head("POST /token/wx-served/report");
        let sent = head + "content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        let answer = ask(&rig, sent).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("body_timeout"), "{answer}");
    });
}

#[test]
fn a_chunked_body_is_measured_as_it_comes() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let head = head("POST /token/wx-served/report");
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let sent = head + "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = ask(&rig, sent + &chunk + &chunk + "0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("body_too_large"), "{answer}");
    });
}

#[test]
fn heads_that_are_no_http_are_refused() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        for (sent, status) in [
            (b"GET /token/\x00 HTTP/1.1\r\n\r\n".to_vec(), "400"),
            (b"nonsense\r\n\r\n".to_vec(), "400"),
            (
                format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000)).into_bytes(),
                "431",
            ),
        ] {
            let answer = ask(&rig, sent).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
    });
}

#[test]
fn an_absolute_target_is_served_like_its_path() {
    timed_in_actix(async || {
        let rig = Rig::new();
        rig.serve();
        let answer = ask(&rig, head("GET http://x/token/wx-served") + "\r\n").await;
        assert!(
            answer.contains(&TOKEN.replace('\\', "\\\\").replace('"', "\\\"")),
            "{answer}"
        );
    });
}

#[test]
fn the_operations_listener_serves_metrics() {
    timed_in_actix(async || {
        let rig = Rig::new();
        let served = async {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let server = serve_ops(listener, rig.ops_state(), rig.page(), &Limits::default())?;
            actix_web::rt::spawn(server);
            let sent = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let asked = actix_web::rt::task::spawn_blocking(move || exchange(address, sent));
            asked.await.map_err(std::io::Error::other)?
        };
        let answer = served.await.unwrap_or_else(|error| panic!("{error}"));
        assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("token_broker_build_info"));
    });
}
