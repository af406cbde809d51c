//! A way to Redis that changes the scripts on it: whatever is loaded has one file of it replaced, and whatever
//! is called by the hash of the one is called by the hash of the other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// A file of scripts, and what stands in its place.
pub(super) struct Replacement {
    pub(super) original: String,
    pub(super) mutant: String,
}

/// The way, on a port of its own.
pub(super) struct MutatingWay {
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl MutatingWay {
    /// To the Redis on this port.
    pub(super) async fn start(port: u16, replacement: Replacement) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scripts = Arc::new(Scripts {
            replacement,
            hashes: Mutex::default(),
        });
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&scripts)));
            }
        });
        Self { address, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }
}

impl Drop for MutatingWay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Scripts {
    replacement: Replacement,
    /// The hash of a script as it is in the product → of what Redis has of it.
    hashes: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Scripts {
    fn change(&self, argument: Vec<u8>) -> Vec<u8> {
        let hashes = || self.hashes.lock().unwrap();
        if let Some(mutants) = hashes().get(&argument) {
            return mutants.clone();
        }
        match String::from_utf8(argument) {
            Ok(text) if text.contains(&self.replacement.original) => {
                let mutant = text.replace(&self.replacement.original, &self.replacement.mutant);
                let hash = |text: &str| redis::Script::new(text).get_hash().as_bytes().to_vec();
                hashes().insert(hash(&text), hash(&mutant));
                mutant.into_bytes()
            }
            Ok(text) => text.into_bytes(),
            Err(bytes) => bytes.into_bytes(),
        }
    }
}

async fn carry(client: TcpStream, server: TcpStream, scripts: Arc<Scripts>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async move {
        let mut waiting = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            waiting.extend_from_slice(&buffer[..read]);
            while let Some((command, rest)) = command_in(&waiting) {
                let changed = command.into_iter().map(|word| scripts.change(word));
                let written = written(changed.collect());
                waiting.drain(..waiting.len() - rest);
                if to_server.write_all(&written).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = requests => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

/// The first whole command, an array of strings as all clients send them, and how many bytes follow it.
fn command_in(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (words, mut rest) = count_in(bytes, b'*')?;
    let mut command = Vec::with_capacity(words);
    for _ in 0..words {
        let (length, text) = count_in(rest, b'$')?;
        command.push(text.get(..length)?.to_vec());
        rest = text.get(length + 2..)?;
    }
    Some((command, rest.len()))
}

/// The number behind a mark, and what follows its line.
fn count_in(bytes: &[u8], mark: u8) -> Option<(usize, &[u8])> {
    let end = bytes.windows(2).position(|end| end == b"\r\n")?;
    assert_eq!(bytes[0], mark, "no command as clients send them");
    let digits = std::str::from_utf8(&bytes[1..end]).ok()?;
    Some((digits.parse().ok()?, &bytes[end + 2..]))
}

fn written(command: Vec<Vec<u8>>) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}
