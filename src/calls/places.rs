//! How many calls may be under way for one app at the same time: a team whose calls are slow takes its own places
//! up, and nobody else's. Calls of no app, with people's tokens, have theirs together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::snapshot::SlotId;

/// The places of all apps.
#[derive(Clone, Debug)]
pub(super) struct Places {
    most: usize,
    taken: Arc<Mutex<HashMap<Whose, usize>>>,
}

/// Whose places they are: an app's, or those of calls with people's tokens.
type Whose = Option<SlotId>;

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Whose,
    taken: Arc<Mutex<HashMap<Whose, usize>>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// A place for one call, where one is free.
    pub(super) fn take(&self, of: Whose) -> Option<Place> {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(of).or_default();
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(Place {
            of,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.of) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.of);
            }
        }
    }
}
