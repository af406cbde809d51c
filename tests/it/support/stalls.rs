//! What the machine withholds from the tests: a thread that should be running, or woken, and is not.
//!
//! A test that gives something half a second means half a second of a machine. Other processes, or a hypervisor, may
//! leave it a tenth of that, and no test can tell this from a broker that is slow. The watch can: it rests and works
//! in turn, and knows how long both would take.

use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long it rests before each look: the looks take a tenth of one core.
const REST: Duration = Duration::from_millis(27);
/// How long a look lasts. The scheduler leaves a thread that has just been woken alone for a while: it must last
/// longer than that to see what one meets that has more to do.
const LOOK: Duration = Duration::from_millis(3);
/// Two readings of the clock, one right after the other, are never so far apart while the thread runs.
const GAP: Duration = Duration::from_micros(200);
/// What is withheld is summed up over so long: about what the tests give to a thing that should come soon.
pub(crate) const WINDOW: Duration = Duration::from_millis(500);

/// A watch over the process, which all that run at a time share.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Stalls>>,
    since: Instant,
}

impl Watch {
    /// Watches from now on.
    pub(crate) fn begin() -> Self {
        static SHARED: Mutex<Weak<Mutex<Stalls>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().expect("nobody panics with it");
        let seen = shared.upgrade().unwrap_or_else(|| {
            let seen = Arc::default();
            *shared = Arc::downgrade(&seen);
            let watched = Weak::clone(&shared);
            thread::spawn(move || keep_looking(&watched));
            seen
        });
        Self {
            seen,
            since: Instant::now(),
        }
    }

    /// The most that was withheld in any [`WINDOW`] until now. It waits for the look that is being taken: what
    /// has just stood still is not seen before it is over.
    pub(crate) fn most_withheld(&self) -> Duration {
        let now = Instant::now();
        loop {
            let seen = self.seen.lock().expect("nobody panics with it");
            if seen.last().is_some_and(|last| last > now) {
                return seen.most_within(WINDOW, self.since);
            }
            drop(seen);
            thread::sleep(LOOK);
        }
    }
}

/// Looks for as long as anybody wants to know.
fn keep_looking(watched: &Weak<Mutex<Stalls>>) {
    while let Some(seen) = watched.upgrade() {
        let withheld = look(Instant::now, || thread::sleep(REST));
        let mut seen = seen.lock().expect("nobody panics with it");
        seen.add(Instant::now(), withheld);
    }
}

/// Rests, works for [`LOOK`], and answers by how much that took longer than it should.
pub(crate) fn look(now: impl Fn() -> Instant, rest: impl FnOnce()) -> Duration {
    let began = now();
    rest();
    let mut last = now();
    let mut withheld = last.duration_since(began).saturating_sub(REST);
    let mut worked = Duration::ZERO;
    while worked < LOOK {
        let at = now();
        let step = at.duration_since(last);
        *(if step < GAP {
            &mut worked
        } else {
            &mut withheld
        }) += step;
        last = at;
    }
    withheld
}

/// What was withheld, and until when, in order.
#[derive(Debug, Default)]
pub(crate) struct Stalls(Vec<(Instant, Duration)>);

impl Stalls {
    pub(crate) fn add(&mut self, until: Instant, withheld: Duration) {
        self.0.push((until, withheld));
    }

    fn last(&self) -> Option<Instant> {
        self.0.last().map(|(until, _)| *until)
    }

    /// The largest sum of what ended within any `window` after `since`.
    pub(crate) fn most_within(&self, window: Duration, since: Instant) -> Duration {
        let first = self.0.partition_point(|(until, _)| *until <= since);
        let (mut sum, mut most, mut oldest) = (Duration::ZERO, Duration::ZERO, first);
        for (until, withheld) in &self.0[first..] {
            sum += *withheld;
            while self.0[oldest].0 + window < *until {
                sum -= self.0[oldest].1;
                oldest += 1;
            }
            most = most.max(sum);
        }
        most
    }
}
