//! What everything in a simulated history shares: the true time, chance, and the log.
//!
//! The true time is tokio's paused clock plus `skipped`: time during which every machine was suspended.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock;

/// How many of the latest lines a failure shows, unless told by `SIMULATION_LINES`.
const LINES: usize = 80;

/// How long a fault that is over may show itself.
pub(crate) const SHOWS_FOR: Duration = Duration::from_secs(30 * 60);

/// Locks, also after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number of the environment.
pub(crate) fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// splitmix64: small, and the same for ever, so that a seed means the same history in every release.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Anywhere in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.roll() >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Anywhere between the two, in whole milliseconds.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let spread = millis(most).saturating_sub(millis(least)) + 1;
        Duration::from_millis(millis(least) + self.below(spread))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Lets time pass, if any.
pub(crate) async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// How far a refresh has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `begin` is about to be sent.
    Asks,
    /// The store has handed a lease out; nobody knows yet.
    Leased,
    /// The fetch is about to be sent.
    Sends,
    /// WeChat has issued a token; nobody knows yet.
    Issued,
    /// The answer was read.
    Answered,
    /// The store has taken the grant; nobody knows yet.
    Stored,
}

impl Stage {
    pub(crate) const ALL: [Self; 6] = [
        Self::Asks,
        Self::Leased,
        Self::Sends,
        Self::Issued,
        Self::Answered,
        Self::Stored,
    ];
}

/// The true time, chance, and what happened.
#[derive(Debug)]
pub(crate) struct World {
    /// In nanoseconds.
    skipped: AtomicU64,
    /// Whether what happens is written down. It can be done when the history is repeated.
    tells: bool,
    sprung: Notify,
    stirred: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Until when what happened may show itself.
    stirred_until: Duration,
    /// The stage somebody waits for, and the replica that reached it.
    trap: Option<(Stage, Option<usize>)>,
    dice: Dice,
    lines: VecDeque<String>,
    keep: usize,
    hash: u64,
    violations: Vec<String>,
}

impl World {
    /// A world at its beginning, that `tells` what happens or not. Only inside a runtime whose time is paused, and that
    /// was made for it.
    pub(crate) fn new(seed: u64, tells: bool) -> Arc<Self> {
        let keep = from_environment("SIMULATION_LINES").and_then(|lines| lines.try_into().ok());
        Arc::new(Self {
            skipped: AtomicU64::new(0),
            tells,
            sprung: Notify::new(),
            stirred: Notify::new(),
            inner: Mutex::new(Inner {
                stirred_until: SHOWS_FOR,
                trap: None,
                dice: Dice::new(seed),
                lines: VecDeque::new(),
                keep: keep.unwrap_or(LINES),
                hash: 0xCBF2_9CE4_8422_2325,
                violations: Vec::new(),
            }),
        })
    }

    /// The true time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        let skipped = self.skipped.load(Ordering::Relaxed);
        clock::now() + Duration::from_nanos(skipped)
    }

    /// Every machine is suspended for this long: timers stand still.
    pub(crate) fn skip(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.skipped.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Something happens that may show itself for so long.
    pub(crate) fn stir(&self, shows_for: Duration) {
        let until = self.now() + shows_for;
        let mut inner = lock(&self.inner);
        inner.stirred_until = inner.stirred_until.max(until);
        drop(inner);
        self.stirred.notify_waiters();
    }

    /// Something may happen at any time.
    pub(crate) fn never_rests(&self) {
        lock(&self.inner).stirred_until = Duration::MAX;
    }

    /// Whether whatever happened has shown itself by now, if it does at all.
    pub(crate) fn is_calm(&self) -> bool {
        self.now() >= lock(&self.inner).stirred_until
    }

    /// Waits until something happens.
    pub(crate) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    pub(crate) fn dice<R>(&self, use_them: impl FnOnce(&mut Dice) -> R) -> R {
        use_them(&mut lock(&self.inner).dice)
    }

    /// A time between two requests, `most` at most.
    pub(crate) fn pause(&self, most: Duration, fine: bool) -> Duration {
        let pause = self.dice(|dice| dice.between(Duration::from_millis(1), most));
        clock::to_an_edge(self.now(), pause, fine)
    }

    /// Waits until a replica reaches the stage, and answers which. Nothing goes on before the caller has
    /// acted.
    pub(crate) async fn reached(&self, stage: Stage) -> usize {
        lock(&self.inner).trap = Some((stage, None));
        loop {
            self.sprung.notified().await;
            if let Some((_, Some(replica))) = lock(&self.inner).trap.take() {
                return replica;
            }
        }
    }

    /// A replica reaches a stage; whoever waits for it acts within this.
    pub(crate) async fn reach(&self, stage: Stage, replica: usize) {
        let sprung = match &mut lock(&self.inner).trap {
            Some((waited, by @ None)) if *waited == stage => {
                *by = Some(replica);
                true
            }
            _ => false,
        };
        if sprung {
            self.log(format_args!("r{replica} reaches {stage:?}"));
            self.stir(SHOWS_FOR);
            self.sprung.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Writes one line of history.
    pub(crate) fn log(&self, line: Arguments<'_>) {
        if !self.tells {
            return;
        }
        let now = self.now();
        let mut inner = lock(&self.inner);
        let line = format!("{:>12.3} {line}", now.as_secs_f64());
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if inner.lines.len() == inner.keep {
            inner.lines.pop_front();
        }
        inner.lines.push_back(line);
    }

    /// A promise was broken. Only the first few are kept, with the history up to the first.
    pub(crate) fn violation(&self, what: Arguments<'_>) {
        self.log(format_args!("VIOLATION {what}"));
        let now = self.now().as_secs_f64();
        let mut inner = lock(&self.inner);
        if inner.violations.is_empty() {
            let history: Vec<_> = inner.lines.iter().cloned().collect();
            inner.violations.push(history.join("\n"));
        }
        if inner.violations.len() < 12 {
            inner.violations.push(format!("at {now:.3}: {what}"));
        }
    }

    /// Whether somebody reads this.
    pub(crate) fn is_verbose(&self) -> bool {
        self.tells && lock(&self.inner).keep > LINES
    }

    /// Whether a promise was broken.
    pub(crate) fn is_broken(&self) -> bool {
        !lock(&self.inner).violations.is_empty()
    }

    /// The broken promises, the first preceded by what led to it.
    pub(crate) fn violations(&self) -> Vec<String> {
        lock(&self.inner).violations.clone()
    }

    /// A number that two equal histories share: of the log, where there is one, and of what was drawn.
    pub(crate) fn fingerprint(&self) -> u64 {
        let inner = lock(&self.inner);
        inner.hash ^ inner.dice.0
    }
}

/// The product's own log, a part of the history. A line that calls itself a bug breaks a promise.
#[derive(Clone, Debug)]
pub(crate) struct LogLines(pub(crate) Arc<World>);

impl io::Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let line = line.trim_end();
        self.0.log(format_args!("   {line}"));
        if line.contains("bug of the broker") {
            self.0.violation(format_args!("the broker says: {line}"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
