//! One replica: a process with its own way to the store and its own wall clock, and the callers that ask it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, prlimit};

use crate::support::broker::{Caller, Reply};
use crate::support::process::Process;
use crate::support::proxy::Proxy;
use crate::support::settings::Settings;

/// Between two questions of one caller.
const EVERY: Duration = Duration::from_millis(60);

/// What a caller heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) replica: usize,
    /// Which process of this replica: a new one has served nothing yet.
    pub(crate) life: usize,
    pub(crate) app: String,
    pub(crate) at: Instant,
    pub(crate) what: What,
}

/// One answer, or none.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Token { token: String, version: u64 },
    Refused { status: u16, code: String },
    Unanswered(String),
}

/// What all callers heard since it was last taken.
pub(crate) type Ear = Arc<Mutex<Vec<Heard>>>;

/// A replica and its callers.
pub(crate) struct Replica {
    number: usize,
    life: usize,
    settings: Settings,
    apps: Vec<String>,
    /// The way to a store that is one server.
    pub(crate) way: Option<Proxy>,
    process: Process,
    clock: Clock,
    ear: Ear,
    /// Set before the process is ended on purpose.
    ended: Arc<AtomicBool>,
}

impl Replica {
    /// Starts the process, and a caller of each app.
    pub(crate) async fn start(
        number: usize,
        settings: Settings,
        way: Option<Proxy>,
        directory: &Path,
        ear: Ear,
    ) -> Self {
        let clock = Clock::new(directory.join(format!("clock-{number}")));
        let process = Process::start_with(&settings, |command| clock.give_to(command));
        let apps = settings.apps.iter().map(|app| app.appid.clone()).collect();
        let replica = Self {
            number,
            life: 0,
            settings,
            apps,
            way,
            process,
            clock,
            ear,
            ended: Arc::default(),
        };
        replica.let_callers_ask().await;
        replica
    }

    async fn let_callers_ask(&self) {
        let caller = self.caller().await;
        for app in &self.apps {
            let heard = Heard {
                replica: self.number,
                life: self.life,
                app: app.clone(),
                at: Instant::now(),
                what: What::Unanswered(String::new()),
            };
            let (ear, ended) = (Arc::clone(&self.ear), Arc::clone(&self.ended));
            tokio::spawn(ask_until(ended, caller.clone(), heard, ear));
        }
    }

    /// Speaks to this replica.
    pub(crate) async fn caller(&self) -> Caller {
        self.process.caller().await
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.process.kill();
    }

    /// A new process in its place.
    pub(crate) async fn start_again(&mut self) {
        self.life += 1;
        self.ended = Arc::default();
        self.process = Process::start_with(&self.settings, |command| self.clock.give_to(command));
        self.let_callers_ask().await;
    }

    /// SIGTERM, and waits for its end.
    pub(crate) async fn stop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.process.terminate();
        self.process.ended(Duration::from_secs(40)).await;
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.pause();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.resume();
    }

    /// Sets this replica's wall clock so many seconds off. Answers whether that can be done here.
    pub(crate) fn set_clock(&self, seconds: i64) -> bool {
        self.clock.set(seconds)
    }

    /// It may open no more files than it has open; `None` = as many as before.
    pub(crate) fn limit_files(&self, more: Option<u64>) {
        let pid = self.process.pid();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd", pid = pid.as_raw_nonzero()));
        let open = open.map(Iterator::count);
        let open = u64::try_from(open.unwrap_or_default()).unwrap_or_default();
        let current = more.map_or(1024, |more| open + more);
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(1024),
        };
        prlimit(Some(pid), Resource::Nofile, limit).expect("a limit of an own process is set");
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

async fn ask_until(ended: Arc<AtomicBool>, caller: Caller, like: Heard, ear: Ear) {
    let path = format!("/token/{}", like.app);
    loop {
        let reply = caller.try_send("GET", &path, None).await;
        if ended.load(Ordering::Acquire) {
            return;
        }
        let (at, what) = match reply {
            Ok(reply) => (reply.answered_at, What::of(&reply)),
            Err(error) => (Instant::now(), What::Unanswered(format!("{error:?}"))),
        };
        let heard = Heard {
            at,
            what,
            ..like.clone()
        };
        ear.lock().expect("not poisoned").push(heard);
        tokio::time::sleep(EVERY).await;
    }
}

impl What {
    fn of(reply: &Reply) -> Self {
        if reply.status == 200 {
            Self::Token {
                token: reply.token(),
                version: reply.version(),
            }
        } else {
            Self::Refused {
                status: reply.status,
                code: reply.code(),
            }
        }
    }
}

/// A wall clock of its own for one process, by a library that stands between it and the system's. The clock
/// that deadlines are counted by stays the machine's.
struct Clock {
    file: PathBuf,
    library: Option<PathBuf>,
}

impl Clock {
    fn new(file: PathBuf) -> Self {
        std::fs::write(&file, "+0").expect("the clock's file is written");
        let library = std::fs::read_dir("/usr/lib").ok().and_then(|entries| {
            let libraries = entries.flatten().map(|entry| entry.path());
            let mut libraries = libraries.map(|path| path.join("faketime/libfaketime.so.1"));
            libraries.find(|library| library.exists())
        });
        Self { file, library }
    }

    fn give_to(&self, command: &mut std::process::Command) {
        if let Some(library) = &self.library {
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", &self.file)
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
    }

    fn set(&self, seconds: i64) -> bool {
        std::fs::write(&self.file, format!("{seconds:+}")).expect("the clock's file is written");
        self.library.is_some()
    }
}
