//! Which tests run beside which.
//!
//! Most tests wait for real time to pass, and so they run side by side, more of them than there are cores. One that
//! keeps a core busy for seconds puts off what another one times: the two kinds are kept apart.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

/// So many timed tests run side by side, where none needs more than one place.
const PLACES: usize = 4;

/// What a test needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It times a few replicas: beside others that do, and nothing heavy.
    Time,
    /// It times a dozen replicas, or hundreds of callers: beside one such, or two that time a few.
    MuchTime,
    /// It is run again, for the machine stood still: beside nothing.
    AllTime,
    /// It keeps a core busy: beside others that do, and nothing timed.
    Work,
}

impl Need {
    /// Whether there is room for it beside these.
    pub(crate) fn fits_beside(self, there: &[Self]) -> bool {
        if self == Self::Work {
            return there.iter().all(|there| *there == Self::Work);
        }
        let taken: usize = there.iter().map(|there| there.places()).sum();
        !there.contains(&Self::Work) && taken + self.places() <= PLACES
    }

    fn places(self) -> usize {
        match self {
            Self::Work => 0,
            Self::Time => 1,
            Self::MuchTime => PLACES / 2,
            Self::AllTime => PLACES,
        }
    }
}

/// Who is there, and who waits, in the order in which they came.
struct Hall {
    there: Vec<Need>,
    waiting: VecDeque<u64>,
    came: u64,
}

static HALL: Mutex<Hall> = Mutex::new(Hall {
    there: Vec::new(),
    waiting: VecDeque::new(),
    came: 0,
});
static CHANGED: Condvar = Condvar::new();

/// A test's place. Dropped, it is free for the next.
#[derive(Debug)]
pub(crate) struct Place(Need);

impl Place {
    /// Waits for one. Nobody overtakes: a test that needs much would wait for ever behind those that need little.
    pub(crate) fn wait_for(need: Need) -> Self {
        let mut hall = HALL.lock().expect("nobody panics in the hall");
        hall.came += 1;
        let ticket = hall.came;
        hall.waiting.push_back(ticket);
        let mut hall = CHANGED
            .wait_while(hall, |hall| {
                hall.waiting.front() != Some(&ticket) || !need.fits_beside(&hall.there)
            })
            .expect("nobody panics in the hall");
        hall.waiting.pop_front();
        hall.there.push(need);
        drop(hall);
        CHANGED.notify_all();
        Self(need)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hall = HALL.lock().expect("nobody panics in the hall");
        let mine = hall.there.iter().position(|there| *there == self.0);
        if let Some(mine) = mine {
            hall.there.swap_remove(mine);
        }
        drop(hall);
        CHANGED.notify_all();
    }
}

/// The place of a test that keeps a core busy: it holds this for as long as it does.
pub(crate) fn heavy() -> Place {
    Place::wait_for(Need::Work)
}
