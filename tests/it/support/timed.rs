//! Tests that time: nothing heavy runs beside them, and a run in which the machine stood still is no measurement.

#![expect(
    clippy::print_stdout,
    reason = "what the machine did is for whoever reads why a test failed"
)]

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use tokio::runtime::{Builder, Runtime};

use super::places::{Need, Place};
use super::stalls::{WINDOW, Watch};

/// A failure counts where the machine withheld less than this of any half second. What the tests bound most tightly,
/// some tenths of a second, is a chain of a dozen calls between threads, each of which waits for its turn.
pub(crate) const CALM: Duration = Duration::from_millis(50);
/// How often a test is run at most: the last failure counts, whatever the machine does. `TIMED_RUNS=1` is for mutants,
/// whose tests are to fail.
const RUNS: usize = 4;
/// How long all further runs of a process may take together: of a machine that stands still for longer, a person has
/// to hear.
pub(crate) const REPEATS: Duration = Duration::from_secs(400);
/// How long a further run waits for a machine that is calm at last.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what a failed run has left may take to stop.
const TEARDOWN: Duration = Duration::from_secs(5);

/// Runs a test that times a few replicas: to the tenth of a second, or over lives of seconds.
pub(crate) fn timed<T>(test: impl AsyncFn() -> T) -> T {
    measured(Need::Time, || in_tokio(&test))
}

/// Runs one that times a dozen replicas, or hundreds of callers.
pub(crate) fn timed_in_a_crowd<T>(test: impl AsyncFn() -> T) -> T {
    measured(Need::MuchTime, || in_tokio(&test))
}

/// Runs one that times a part of the interface by itself, on one thread, as actix runs it.
pub(crate) fn timed_in_actix<T>(test: impl AsyncFn() -> T) -> T {
    measured(Need::Time, || {
        catch_unwind(AssertUnwindSafe(|| System::new().block_on(test())))
    })
}

fn measured<T>(need: Need, attempt: impl Fn() -> thread::Result<T>) -> T {
    static REPEATED: Mutex<Duration> = Mutex::new(Duration::ZERO);
    let repeated = || REPEATED.lock().expect("nobody panics with it");
    let runs = std::env::var("TIMED_RUNS").ok();
    let runs = runs.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let mut place = Some(Place::wait_for(need));
    until_it_counts(|run| {
        if run > 1 {
            say_that_it_runs_again(run);
            place = None;
            place = Some(Place::wait_for(Need::AllTime));
        }
        let begun = Instant::now();
        if run > 1 {
            wait_for_calm();
        }
        let watch = Watch::begin();
        let outcome = attempt();
        let withheld = watch.most_withheld();
        println!("run {run}: the machine stood still for up to {withheld:?} of any {WINDOW:?}");
        if run > 1 {
            *repeated() += begun.elapsed();
        }
        (outcome, run >= runs || counts(withheld, *repeated()))
    })
}

/// Whether a failure is one of the test: with so much withheld meanwhile, and all further runs having taken so long.
pub(crate) fn counts(withheld: Duration, repeated: Duration) -> bool {
    withheld < CALM || repeated > REPEATS
}

/// Calls `run`, with the number of the run, until it passes, or fails and says that this counts.
pub(crate) fn until_it_counts<T>(mut run: impl FnMut(usize) -> (thread::Result<T>, bool)) -> T {
    let mut number = 1;
    loop {
        match run(number) {
            (Ok(passed), _) => return passed,
            (Err(panic), true) => resume_unwind(panic),
            (Err(_), false) => number += 1,
        }
    }
}

/// Not by `eprintln!`, which is heard only of tests that fail.
fn say_that_it_runs_again(run: usize) {
    let test = thread::current();
    let name = test.name().unwrap_or_default();
    let mut terminal = std::io::stderr();
    let _ = writeln!(
        terminal,
        "run {run} of {name}: the machine stood still in the one before, which is no measurement"
    );
}

/// One run in a runtime of its own, so that nothing of it goes on beside the next.
fn in_tokio<T>(test: &impl AsyncFn() -> T) -> thread::Result<T> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test())));
    if outcome.is_err() {
        tear_down(&runtime);
    }
    runtime.shutdown_timeout(TEARDOWN);
    outcome
}

/// Brokers stop, as by SIGTERM, once their handles are dropped, and callers once nobody answers them.
fn tear_down(runtime: &Runtime) {
    let deadline = Instant::now() + TEARDOWN;
    while runtime.metrics().num_alive_tasks() > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_calm() {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let watch = Watch::begin();
        thread::sleep(2 * WINDOW);
        if watch.most_withheld() < CALM {
            return;
        }
    }
}
