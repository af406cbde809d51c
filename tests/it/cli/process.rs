//! Running the binary under an environment of the test's own, against a broker that answers by heart.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;

/// What a run left behind.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs the binary with these arguments and no environment.
pub(super) fn run(arguments: &[&str]) -> Outcome {
    run_with(arguments, &[])
}

/// Runs the binary with these arguments and this environment.
pub(super) fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_token-broker"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("the binary runs");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text on stdout"),
        stderr: String::from_utf8(output.stderr).expect("text on stderr"),
    }
}

impl Outcome {
    /// Both streams.
    pub(super) fn shown(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Answers one request and remembers it.
pub(super) struct OneAnswer {
    pub(super) url: String,
    asked: JoinHandle<String>,
}

impl OneAnswer {
    pub(super) fn new(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a whole request");
                request.extend(byte);
            }
            stream
                .write_all(answer.as_bytes())
                .expect("a written answer");
            String::from_utf8(request).expect("text in the request")
        });
        Self {
            url: format!("http://{address}"),
            asked,
        }
    }

    /// The head of the request.
    pub(super) fn asked(self) -> String {
        self.asked.join().expect("an answered request")
    }
}
