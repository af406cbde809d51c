//! What is known of where the servers are: one address, the master that Sentinels name, or a cluster's map;
//! and that it may be wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::slots::SlotMap;
use crate::redis_url::Address;

/// How long one look is good for, even where it is doubted: many calls fail at once when a server does.
const LOOK_ONCE_IN: Duration = Duration::from_millis(100);

/// Where the servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Map {
    /// One server has everything.
    One(Address),
    /// The nodes of a cluster share.
    Shared(SlotMap),
}

impl Map {
    /// Which server has this slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        match self {
            Self::One(address) => Some(address),
            Self::Shared(map) => map.owner(slot),
        }
    }

    /// Every server that holds a copy, as far as the map says.
    pub(super) fn nodes(&self) -> Vec<&Address> {
        match self {
            Self::One(address) => vec![address],
            Self::Shared(map) => map.nodes().iter().collect(),
        }
    }

    /// Whether a server that took changes before does no more: what it confirmed last may be lost.
    fn has_lost_a_master_of(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Shared(now), Self::Shared(before)) => {
                !before.masters().is_subset(&now.masters())
            }
            (now, before) => now != before,
        }
    }
}

/// What is known, and how well.
pub(super) struct Topology {
    known: Mutex<Known>,
    failovers: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    map: Option<Arc<Map>>,
    looked_at: Option<Instant>,
    doubted: bool,
}

impl Topology {
    /// Nothing is known yet, or all that there is to know.
    pub(super) fn new(map: Option<Map>) -> Self {
        let known = Known {
            map: map.map(Arc::new),
            ..Known::default()
        };
        Self {
            known: Mutex::new(known),
            failovers: watch::channel(0).0,
        }
    }

    /// The map, unless it is time to look again.
    pub(super) fn trusted(&self) -> Option<Arc<Map>> {
        let known = self.lock();
        let fresh = known
            .looked_at
            .is_some_and(|at| at.elapsed() < LOOK_ONCE_IN);
        (!known.doubted || fresh).then(|| known.map.clone())?
    }

    /// The map, however old.
    pub(super) fn last(&self) -> Option<Arc<Map>> {
        self.lock().map.clone()
    }

    /// Takes note that a look is being made.
    pub(super) fn looking(&self) {
        self.lock().looked_at = Some(Instant::now());
    }

    /// Takes note of what a look found.
    pub(super) fn learn(&self, map: Map) -> Arc<Map> {
        let mut known = self.lock();
        let lost = known
            .map
            .as_ref()
            .is_some_and(|before| map.has_lost_a_master_of(before));
        let map = Arc::new(map);
        known.map = Some(Arc::clone(&map));
        known.doubted = false;
        drop(known);
        if lost {
            self.failovers.send_modify(|count| *count += 1);
        }
        map
    }

    /// A server was not there, or sent us away: look again soon.
    pub(super) fn doubt(&self) {
        self.lock().doubted = true;
    }

    /// Look again where the last look is older than this.
    pub(super) fn doubt_older_than(&self, age: Duration) {
        let mut known = self.lock();
        known.doubted |= known.looked_at.is_none_or(|at| at.elapsed() >= age);
    }

    /// One slot is elsewhere, and others may be too.
    pub(super) fn moved(&self, slot: u16, to: &Address) {
        let mut known = self.lock();
        known.doubted = true;
        if let Some(map) = &mut known.map
            && let Map::Shared(map) = Arc::make_mut(map)
        {
            map.give(slot, to);
        }
    }

    /// Counts how often a server that took changes was replaced.
    pub(super) fn failovers(&self) -> watch::Receiver<u64> {
        self.failovers.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
