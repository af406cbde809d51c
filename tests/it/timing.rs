//! How timed tests are run: what runs beside them, what the watch over the machine sees, and which failures count.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::places::Need;
use crate::support::stalls::{Stalls, Watch, look};
use crate::support::timed::{CALM, REPEATS, counts, until_it_counts};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn what_is_timed_and_what_is_heavy_are_never_side_by_side() {
    for timed in [Need::Time, Need::MuchTime, Need::AllTime] {
        assert!(!Need::Work.fits_beside(&[timed]));
        assert!(!timed.fits_beside(&[Need::Work]));
    }
    assert!(Need::Work.fits_beside(&[Need::Work; 9]));
}

#[test]
fn what_is_timed_shares_the_machine_by_what_it_needs() {
    assert!(Need::Time.fits_beside(&[Need::Time; 3]));
    assert!(!Need::Time.fits_beside(&[Need::Time; 4]));
    assert!(Need::MuchTime.fits_beside(&[Need::Time; 2]));
    assert!(Need::MuchTime.fits_beside(&[Need::MuchTime]));
    assert!(!Need::MuchTime.fits_beside(&[Need::Time; 3]));
    assert!(!Need::AllTime.fits_beside(&[Need::Time]));
    assert!(Need::AllTime.fits_beside(&[]));
}

/// One look by a clock that advances by `step` with each reading, but for one reading, which comes `late`; after a
/// rest of so long.
fn look_with(rest: Duration, step: Duration, late: Duration) -> Duration {
    let (now, readings) = (Cell::new(Instant::now()), Cell::new(0));
    let clock = || {
        readings.set(readings.get() + 1);
        let late = if readings.get() == 9 {
            late
        } else {
            Duration::ZERO
        };
        now.set(now.get() + step + late);
        now.get()
    };
    look(clock, || now.set(now.get() + rest))
}

#[test]
fn a_look_sees_what_is_withheld_from_it_and_nothing_else() {
    let step = Duration::from_micros(1);
    assert!(look_with(ms(27), step, Duration::ZERO) <= step);
    let late_to_wake = look_with(ms(27 + 80), step, Duration::ZERO);
    assert!((ms(80)..ms(81)).contains(&late_to_wake), "{late_to_wake:?}");
    let put_off = look_with(ms(27), step, ms(300));
    assert!((ms(300)..ms(301)).contains(&put_off), "{put_off:?}");
}

#[test]
fn what_is_withheld_is_summed_up_over_a_window() {
    let began = Instant::now();
    let mut stalls = Stalls::default();
    for (at, withheld) in [(10, 900), (100, 30), (200, 40), (300, 50), (900, 60)] {
        stalls.add(began + ms(at), ms(withheld));
    }
    let most = |window, since| stalls.most_within(ms(window), began + ms(since));
    assert_eq!(
        most(500, 50),
        ms(30 + 40 + 50),
        "what was before does not count"
    );
    assert_eq!(most(100, 50), ms(40 + 50));
    assert_eq!(most(500, 250), ms(60), "nor what lies too far apart");
    assert_eq!(most(500, 0), ms(900 + 30 + 40 + 50));
    assert_eq!(most(500, 900), Duration::ZERO);
}

/// The test runs itself once more, as the process that is stopped.
#[test]
fn a_process_that_was_stopped_has_seen_it() {
    const STOPPED: &str = "TIMING_STOPPED_PROCESS";
    let name = "timing::a_process_that_was_stopped_has_seen_it";
    if std::env::var_os(STOPPED).is_some() {
        let watch = Watch::begin();
        // Once it has looked, it is looking.
        let _ = watch.most_withheld();
        let mut terminal = std::io::stderr();
        let _ = writeln!(terminal, "watching");
        let _ = std::io::stdin().read(&mut [0]);
        let _ = writeln!(terminal, "{}", watch.most_withheld().as_millis());
        return;
    }
    let mut child = Command::new(std::env::current_exe().expect("this test's own file"))
        .args(["--exact", name])
        .env(STOPPED, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
    let mut line = || lines.next().expect("a line").expect("a line of text");
    assert_eq!(line(), "watching");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).expect("it is stopped");
    thread::sleep(ms(400));
    kill_process(pid, Signal::CONT).expect("it goes on");
    drop(child.stdin.take());

    // It may have been stopped while it rested.
    let withheld: u64 = line().parse().expect("a number");
    assert!(withheld > 300, "{withheld} ms");
    child.wait().expect("it ends");
}

/// How many runs there were of a test that fails in so many, where failures count from this run on; and whether the
/// last one failed.
fn runs(failing: usize, counting: usize) -> (usize, bool) {
    let mut runs = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        until_it_counts(|number| {
            runs = number;
            let outcome: thread::Result<()> = if number <= failing {
                Err(Box::new("as told"))
            } else {
                Ok(())
            };
            (outcome, number >= counting)
        });
    }));
    (runs, outcome.is_err())
}

#[test]
fn a_test_runs_until_it_passes_or_its_failure_counts() {
    assert_eq!(runs(0, 1), (1, false));
    assert_eq!(runs(1, 1), (1, true));
    assert_eq!(runs(1, 2), (2, false));
    assert_eq!(runs(9, 3), (3, true));
}

#[test]
fn a_failure_counts_on_a_calm_machine_and_once_patience_is_over() {
    assert!(counts(CALM - ms(1), Duration::ZERO));
    assert!(!counts(CALM, REPEATS));
    assert!(counts(ms(900), REPEATS + ms(1)));
}
