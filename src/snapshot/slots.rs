//! Which credentials there are: added, changed and taken out while requests go on.
//!
//! A credential's slot is made once and never given up. One that is taken out is empty, and remembers what
//! must not be forgotten should it come back: the highest version that was served, and what was seen of the
//! budget. So a position is valid for the life of the process, and whoever holds one, in a request or in a
//! step under way, needs no lock and no second look: what it finds there says whether it is still in force.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::domain::app_id::AppId;
use crate::domain::credential::{Credential, Kind};
use crate::domain::replica::{Replica, View};
use crate::domain::time::Moment;
use crate::ports::Subject;

/// Which credential, as a position: stable for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(usize);

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) credential: Credential,
    pub(super) subject: ArcSwap<Subject>,
    pub(super) replica: Mutex<Replica>,
    pub(super) view: ArcSwap<View>,
    /// Woken at every publication.
    pub(super) published: Notify,
    /// Whether the write flow has yet to plan anew for this slot.
    pub(super) dirty: AtomicBool,
}

/// All slots, and which of them are in force.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: boxcar::Vec<Slot>,
    in_force: ArcSwap<InForce>,
    /// Every slot that was ever made. Locked while a configuration is taken over, never by a request.
    known: Mutex<HashMap<Credential, SlotId>>,
}

/// What the configuration in force asks for.
#[derive(Debug, Default)]
pub(super) struct InForce {
    /// In the order of the configuration.
    pub(super) ids: Vec<SlotId>,
    /// In the order of [`Kind::ALL`]: a request needs one look-up.
    by_kind: [HashMap<AppId, SlotId>; Kind::ALL.len()],
}

/// What a new configuration changed.
#[derive(Debug, Default)]
pub struct Difference {
    /// New, or back again.
    pub added: Vec<SlotId>,
    /// Kept by other rules from now on.
    pub changed: Vec<SlotId>,
    /// In force no more.
    pub removed: Vec<SlotId>,
}

impl Slots {
    pub(super) fn slot(&self, id: SlotId) -> &Slot {
        &self.all[id.0]
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    pub(super) fn find(&self, app: &str, kind: Kind) -> Option<SlotId> {
        self.in_force.load().by_kind[kind as usize]
            .get(app)
            .copied()
    }

    /// What it takes to have exactly these subjects in force: slots for those that were never seen, with what
    /// `newcomer` makes of them, and what is different from now. Nothing is in force yet.
    pub(super) fn compare(
        &self,
        subjects: Vec<Subject>,
        now: Moment,
        mut newcomer: impl FnMut(&Subject) -> Replica,
    ) -> (InForce, Difference) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.in_force();
        let mut removed: HashSet<_> = before.ids.iter().copied().collect();
        let (mut after, mut difference) = (InForce::default(), Difference::default());
        for subject in subjects {
            let credential = subject.credential.clone();
            let id = known.get(&credential).copied().unwrap_or_else(|| {
                let replica = newcomer(&subject);
                SlotId(self.all.push(Slot::new(subject.clone(), replica, now)))
            });
            let stayed = removed.remove(&id);
            if !stayed {
                difference.added.push(id);
            }
            let slot = self.slot(id);
            if **slot.subject.load() != subject {
                slot.subject.store(Arc::new(subject));
                if stayed {
                    difference.changed.push(id);
                }
            }
            known.insert(credential.clone(), id);
            after.ids.push(id);
            after.by_kind[credential.kind as usize].insert(credential.app, id);
        }
        difference.removed.extend(removed);
        (after, difference)
    }

    pub(super) fn put_in_force(&self, after: InForce) {
        self.in_force.store(Arc::new(after));
    }
}

impl Slot {
    fn new(subject: Subject, replica: Replica, now: Moment) -> Self {
        Self {
            credential: subject.credential.clone(),
            subject: ArcSwap::from_pointee(subject),
            view: ArcSwap::from_pointee(replica.view(now)),
            replica: Mutex::new(replica),
            published: Notify::new(),
            dirty: AtomicBool::new(false),
        }
    }
}
