//! A real Redis for a test: its own process, port and directory, killed when the test ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a broker needs to be allowed, on keys and a channel that begin with `test`: the line of
/// `docs/redis.md`, which a test holds equal.
pub(crate) const ACL: &str = "~test:{* resetchannels &test:signals -@all +ping +info +wait +evalsha +script|load +publish \
                              +subscribe +select +asking +cluster|slots +time +hgetall +hset +hdel +del +pexpire";

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct RedisOptions {
    /// Write each change to the disk, so that a restart finds it.
    pub(crate) append_only: bool,
    /// Ask for this password.
    pub(crate) password: Option<String>,
    /// Follow the server at this port.
    pub(crate) replica_of: Option<u16>,
    /// More lines of its configuration.
    pub(crate) lines: Vec<String>,
    /// Be a Sentinel.
    pub(crate) is_sentinel: bool,
    /// Be a node of a cluster, whose nodes also talk on a port 10000 above.
    pub(crate) is_node: bool,
}

/// A running server.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    options: RedisOptions,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one that keeps nothing.
    pub(crate) fn start() -> Self {
        Self::start_with(RedisOptions::default())
    }

    /// Starts one with options.
    pub(crate) fn start_with(options: RedisOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Another process may take the port between its choice and its use: choose again then.
        for _ in 0..20 {
            let port = if options.is_node {
                free_pair()
            } else {
                free_port()
            };
            let mut child = spawn(port, &options, &directory);
            if is_up(port, &mut child) {
                return Self {
                    child,
                    port,
                    options,
                    directory,
                };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("redis-server did not start on any of 20 ports");
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, with the password where there is one.
    pub(crate) fn url(&self) -> String {
        let login = self
            .options
            .password
            .as_ref()
            .map(|password| format!(":{password}@"))
            .unwrap_or_default();
        format!("redis://{login}127.0.0.1:{}/0", self.port)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it was not killed.
    pub(crate) fn is_running(&self) -> bool {
        // The process of a killed one was waited for, so that nobody answers by its number.
        let path = format!("/proc/{}/stat", self.child.id());
        std::path::Path::new(&path).exists()
    }

    /// Kills it and starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            self.child = spawn(self.port, &self.options, &self.directory);
            if is_up(self.port, &mut self.child) {
                return;
            }
            self.kill();
        }
        panic!("redis-server did not start again on port {}", self.port);
    }

    /// Stops it as a paused machine would: connections stay, nothing answers.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Forgets all data.
    pub(crate) fn flush(&self) {
        assert_eq!(self.command(&["FLUSHALL"]), "+OK\r\n");
    }

    /// Sends one command and returns the reply as it came: for what the store under test does not do.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        if let Some(password) = &self.options.password {
            send(&mut stream, &["AUTH", password]);
        }
        send(&mut stream, words)
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // SIGKILL also ends a process that SIGSTOP has stopped.
        self.kill();
    }
}

/// A port that nobody listens on right now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port()
}

/// One that is free together with the one 10000 above.
fn free_pair() -> u16 {
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = rand::random_range(12_000..22_000);
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn spawn(port: u16, options: &RedisOptions, directory: &TempDir) -> Child {
    let path = directory.path().join("redis.conf");
    std::fs::write(&path, configuration(port, options, directory)).unwrap();
    // Another server than the one on the path: an older or a newer release, or Valkey.
    let program = std::env::var("TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let mut command = Command::new(program);
    command
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if options.is_sentinel {
        command.arg("--sentinel");
    }
    match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!(
            "redis-server cannot be run ({error}): install it, for example `apt-get install redis-server`"
        ),
    }
}

fn configuration(port: u16, options: &RedisOptions, directory: &TempDir) -> String {
    let mut lines = vec![
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        format!("dir {}", directory.path().display()),
    ];
    if !options.is_sentinel {
        let append_only = if options.append_only { "yes" } else { "no" };
        lines.push(format!("appendonly {append_only}"));
        lines.push("appendfsync always".to_owned());
        lines.push("save \"\"".to_owned());
        lines.push("repl-diskless-sync-delay 0".to_owned());
    }
    if options.is_node {
        lines.push("cluster-enabled yes".to_owned());
    }
    if let Some(password) = &options.password {
        lines.push(format!("requirepass {password}"));
    }
    if let Some(master) = options.replica_of {
        lines.push(format!("replicaof 127.0.0.1 {master}"));
    }
    lines.extend(options.lines.iter().cloned());
    lines.join("\n") + "\n"
}

fn is_up(port: u16, child: &mut Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let reply = send(&mut stream, &["PING"]);
            if reply.starts_with("+PONG") || reply.starts_with("-NOAUTH") {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// One command and the first piece of its reply, which for a short one is all.
fn send(stream: &mut TcpStream, words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    let mut reply = vec![0; 64 * 1024];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let read = stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read(&mut reply))
        .unwrap_or(0);
    reply.truncate(read);
    String::from_utf8_lossy(&reply).into_owned()
}
