//! A way to Redis on which is noted what is asked, and on which scripts can be changed: whatever is loaded has one
//! file of it replaced, and whatever is called by the hash of the one is called by the hash of the other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A file of scripts, and what stands in its place.
#[derive(Clone)]
pub(super) struct Replacement {
    pub(super) original: String,
    pub(super) mutant: String,
}

impl Replacement {
    /// A script as it becomes.
    pub(super) fn of(&self, script: &str) -> String {
        script.replace(&self.original, &self.mutant)
    }
}

/// A command's words, as they were sent.
pub(super) type Command = Vec<Vec<u8>>;

/// The way, on a port of its own.
pub(super) struct Way {
    address: SocketAddr,
    traffic: Arc<Traffic>,
    carriers: Option<Runtime>,
}

#[derive(Default)]
struct Traffic {
    replacement: Option<Replacement>,
    /// The hash of a script as it is in the product → of what Redis has of it.
    hashes: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    asked: Mutex<Vec<Command>>,
    /// The name of an argument, and what it says the next time.
    amended: Mutex<Option<(&'static str, &'static str)>>,
}

impl Way {
    /// To the Redis on this port.
    pub(super) fn to(port: u16, replacement: Option<Replacement>) -> Self {
        let carriers = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let traffic = Arc::new(Traffic {
            replacement,
            ..Traffic::default()
        });
        let of_all = Arc::clone(&traffic);
        carriers.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&of_all)));
            }
        });
        Self {
            address,
            traffic,
            carriers: Some(carriers),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Has the next call with this argument say something else.
    pub(super) fn amend(&self, name: &'static str, value: &'static str) {
        *self.traffic.amended.lock().unwrap() = Some((name, value));
    }

    /// What was asked since this was last looked at.
    pub(super) fn asked(&self) -> Vec<Command> {
        std::mem::take(&mut *self.traffic.asked.lock().unwrap())
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // Also inside of a test that is a future, where nobody may wait.
        if let Some(carriers) = self.carriers.take() {
            carriers.shutdown_background();
        }
    }
}

impl Traffic {
    /// The command as Redis is to have it.
    fn pass(&self, mut command: Command) -> Command {
        self.amended.lock().unwrap().take_if(|(name, value)| {
            let at = command.iter().position(|word| word == name.as_bytes());
            let says = at.and_then(|at| command.get_mut(at + 1));
            says.map(|word| *word = value.as_bytes().to_vec()).is_some()
        });
        match &self.replacement {
            None => {
                self.asked.lock().unwrap().push(command.clone());
                command
            }
            Some(replacement) => command
                .into_iter()
                .map(|word| self.change(replacement, word))
                .collect(),
        }
    }

    fn change(&self, replacement: &Replacement, word: Vec<u8>) -> Vec<u8> {
        let hashes = || self.hashes.lock().unwrap();
        if let Some(mutant) = hashes().get(&word) {
            return mutant.clone();
        }
        match String::from_utf8(word) {
            Ok(text) if text.contains(&replacement.original) => {
                let mutant = replacement.of(&text);
                let hash = |text: &str| redis::Script::new(text).get_hash().as_bytes().to_vec();
                hashes().insert(hash(&text), hash(&mutant));
                mutant.into_bytes()
            }
            Ok(text) => text.into_bytes(),
            Err(bytes) => bytes.into_bytes(),
        }
    }
}

async fn carry(client: TcpStream, server: TcpStream, traffic: Arc<Traffic>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async move {
        let mut waiting = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            waiting.extend_from_slice(&buffer[..read]);
            while let Some((command, rest)) = command_in(&waiting) {
                let written = written(&traffic.pass(command));
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
fn command_in(bytes: &[u8]) -> Option<(Command, usize)> {
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

/// A command as clients send it.
pub(super) fn written(command: &Command) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}
