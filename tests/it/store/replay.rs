//! Histories once more, on a Redis whose scripts were changed: what the stores asked then is asked again, all of one
//! history at once, and whatever the server answers and tells must be the same to the byte. That is all that there is to
//! compare: as long as it is the same, the stores would ask the same.
//!
//! Beside the answers it is each message to the other replicas, and each key that is written.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::way::{Command, Way, written};
use crate::support::redis::{RedisOptions, RedisServer};

/// How long a server may take to answer beside whatever else the machine does: what is silent is found out by nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The last answer to a history.
const END: &str = "that was all";

/// What stores asked, and the scripts that they asked for.
#[derive(Default)]
pub(super) struct Recording {
    pub(super) scripts: Vec<String>,
    hashes: HashMap<Vec<u8>, usize>,
    pub(super) histories: Vec<Asked>,
}

/// What was asked in one history, as it is sent.
pub(super) struct Asked {
    bytes: Vec<u8>,
    /// Where the hash of which script stands in it.
    calls: Vec<(usize, usize)>,
}

impl Recording {
    /// What was asked on this way since the last one is a history.
    pub(super) fn end_history(&mut self, way: &Way) {
        let mut asked: Vec<Command> = Vec::new();
        for command in way.asked() {
            match command[0].as_slice() {
                b"SCRIPT" => {
                    let hash = self.learn(&command[2]);
                    // It was called in vain, and is called again.
                    asked.pop_if(|last| last[1] == hash);
                }
                b"EVALSHA" | b"HSET" | b"DEL" | b"SET" | b"ACL" => asked.push(command),
                _ => {}
            }
        }
        let (mut bytes, mut calls) = (Vec::new(), Vec::new());
        for command in &asked {
            if let Some(script) = self.hashes.get(&command[1]) {
                let before_it = written(&command[..1].to_vec()).len() + "$40\r\n".len();
                let digits = command.len().to_string().len() - 1;
                calls.push((bytes.len() + before_it + digits, *script));
            }
            bytes.extend(written(command));
        }
        let end = vec![b"ECHO".to_vec(), END.as_bytes().to_vec()];
        bytes.extend(written(&end));
        self.histories.push(Asked { bytes, calls });
    }

    fn learn(&mut self, script: &[u8]) -> Vec<u8> {
        let script = String::from_utf8_lossy(script);
        let hash = hash_of(&script);
        if !self.hashes.contains_key(&hash) {
            self.hashes.insert(hash.clone(), self.scripts.len());
            self.scripts.push(script.into_owned());
        }
        hash
    }
}

fn hash_of(script: &str) -> Vec<u8> {
    redis::Script::new(script).get_hash().as_bytes().to_vec()
}

/// A Redis on which histories are played again, with scripts that take the place of those of the product.
pub(super) struct Stage {
    _server: RedisServer,
    stream: TcpStream,
}

impl Stage {
    pub(super) fn build() -> Self {
        let lines = [
            // A hash tells its fields in the order in which they were written, however long they are.
            "hash-max-listpack-value 65536",
            // Each key that is written, and how.
            "notify-keyspace-events KA",
        ];
        let server = RedisServer::start_with(RedisOptions {
            lines: lines.map(str::to_owned).into(),
            ..RedisOptions::default()
        });
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stage = Self {
            _server: server,
            stream,
        };
        // On the same connection, where messages have their place between the answers.
        stage.ask(&["HELLO", "3"]);
        stage.ask(&["PSUBSCRIBE", "__keyspace@0__:*", "*:signals"]);
        stage
    }

    /// Forgets all, and has these scripts; `Err` where one of them is no Lua.
    pub(super) fn set(&mut self, scripts: &[String]) -> Result<(), ()> {
        self.ask(&["FLUSHALL"]);
        self.ask(&["SCRIPT", "FLUSH"]);
        for script in scripts {
            if self.ask(&["SCRIPT", "LOAD", script]).starts_with(b"-") {
                return Err(());
            }
        }
        Ok(())
    }

    /// All that is answered and told where each script is called by the hash that stands in its place.
    pub(super) fn play(&mut self, asked: &Asked, hashes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = asked.bytes.clone();
        for (at, script) in &asked.calls {
            bytes[*at..*at + 40].copy_from_slice(&hashes[*script]);
        }
        self.answers_to(&bytes)
    }

    fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        let command = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let end = vec![b"ECHO".to_vec(), END.as_bytes().to_vec()];
        let both = [written(&command), written(&end)].concat();
        self.answers_to(&both)
    }

    fn answers_to(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.stream.write_all(bytes).unwrap();
        let end = format!("${}\r\n{END}\r\n", END.len());
        let (mut answers, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
        while !answers.ends_with(end.as_bytes()) {
            match self.stream.read(&mut buffer) {
                Ok(read @ 1..) => answers.extend_from_slice(&buffer[..read]),
                other => panic!("Redis does not answer: {other:?}"),
            }
        }
        answers
    }
}

/// The hashes of scripts, in their order.
pub(super) fn hashes_of(scripts: &[String]) -> Vec<Vec<u8>> {
    scripts.iter().map(|script| hash_of(script)).collect()
}

/// What was answered with every hash of these as that of those: an error names the script that it comes from.
pub(super) fn renamed(answers: &[u8], these: &[Vec<u8>], those: &[Vec<u8>]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(answers).into_owned();
    for (this, that) in these.iter().zip(those) {
        let hash = |hash: &[u8]| String::from_utf8_lossy(hash).into_owned();
        text = text.replace(&hash(this), &hash(that));
    }
    text.into_bytes()
}
