//! A broker in a process of its own, as it runs in production: it can be killed, stopped and read.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::broker::Caller;
use super::settings::Settings;

/// A running process. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    config: tempfile::NamedTempFile,
}

impl Process {
    /// Starts the real binary, or the one that `BROKER_UNDER_TEST` names.
    pub(crate) fn start(settings: &Settings) -> Self {
        Self::start_with(settings, |_| {})
    }

    /// The same, with the command changed before it is run.
    pub(crate) fn start_with(settings: &Settings, change: impl FnOnce(&mut Command)) -> Self {
        let config = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(config.path(), settings.to_toml()).expect("the configuration is written");
        let named = std::env::var_os("BROKER_UNDER_TEST");
        let binary = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_token-broker").into());
        let mut command = Command::new(binary);
        command
            .args(["serve", "--config"])
            .arg(config.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("the broker starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            keep(child.stderr.take().expect("stderr is piped"), &log),
            keep(child.stdout.take().expect("stdout is piped"), &log),
        ];
        Self {
            child,
            log,
            readers,
            config,
        }
    }

    /// Starts it so that a file over its limit is an error to it, not its end, and waits until it listens.
    pub(crate) async fn that_survives_a_full_disk(settings: &Settings) -> Self {
        let process = Self::start_with(settings, |command| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]);
            shell.arg(command.get_program()).args(command.get_args());
            shell.env_clear().stdin(Stdio::null());
            shell.stdout(Stdio::piped()).stderr(Stdio::piped());
            *command = shell;
        });
        process.address("listen").await;
        process
    }

    /// No file of it may be written past so many bytes; `None` = any number.
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        let set = prlimit(Some(self.pid()), Resource::Fsize, limit);
        set.expect("a limit of an own process is set");
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn listening(settings: &Settings) -> Self {
        let process = Self::start(settings);
        process.address("listen").await;
        process
    }

    /// What it has logged, or written to stdout, which is no place for a server to write to.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").join("\n")
    }

    /// An address from the line that says where it listens.
    pub(crate) async fn address(&self, field: &str) -> SocketAddr {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self
                .log
                .lock()
                .expect("not poisoned")
                .iter()
                .find_map(|line| {
                    let json: serde_json::Value = serde_json::from_str(line).ok()?;
                    (json["message"] == "started").then(|| json[field].as_str()?.parse().ok())?
                });
            if let Some(address) = found {
                return address;
            }
            assert!(
                Instant::now() < deadline,
                "it does not listen:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A caller of it.
    pub(crate) async fn caller(&self) -> Caller {
        Caller::new(self.address("listen").await)
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        Caller::new(self.address("ops_listen").await)
            .get("/metrics")
            .await
            .body
    }

    /// The most memory that it has had in RAM so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.expect("Linux tells it") << 10
    }

    /// What `/readyz` says.
    pub(crate) async fn readiness(&self) -> String {
        Caller::new(self.address("ops_listen").await)
            .get("/readyz")
            .await
            .body
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid")
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Writes another configuration; nothing reads it yet.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.config.path(), text).expect("the configuration is written");
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended; its exit code.
    pub(crate) async fn ended(&mut self, bound: Duration) -> Option<i32> {
        let deadline = Instant::now() + bound;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                for reader in self.readers.drain(..) {
                    reader.join().expect("its last words are read");
                }
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Reads a stream to its end, line by line.
fn keep(stream: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().expect("not poisoned").push(line);
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
