//! Which credentials there are: added, changed and taken out while requests go on.
//!
//! A credential's slot is made once and never given up. One that is taken out is empty, and remembers what
//! must not be forgotten should it come back: the highest version that was served, and what was seen of the
//! budget. So a position is valid for the life of the process, and whoever holds one, in a request or in a
//! step under way, needs no lock and no second look: what it finds there says whether it is still in force.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use smol_str::SmolStr;
use tokio::sync::Notify;

use super::holders::Holders;
use crate::domain::credential::{Credential, Kind};
use crate::domain::replica::{Replica, View};
use crate::domain::time::Moment;
use crate::ports::Subject;

/// Which credential, as a position: stable for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub(super) usize);

#[cfg(test)]
impl SlotId {
    /// Some position, for tests of what is kept by position.
    pub(crate) const fn nth(index: usize) -> Self {
        Self(index)
    }
}

/// A credential's place. Among ten thousand each look at memory that nobody has used for a moment costs a request two
/// tenths of a microsecond, so that what requests read lies in the vector itself, and all else behind a pointer.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) view: ArcSwap<View>,
    pub(super) rest: Box<Rest>,
}

/// What the write flow needs of a slot.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) credential: Credential,
    pub(super) subject: ArcSwap<Subject>,
    pub(super) replica: Mutex<Replica>,
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
    /// Whose access tokens these are.
    pub(super) holders: Holders,
    /// Every slot that was ever made. Locked while what is in force changes, never by a request.
    known: Mutex<Known>,
}

/// Every slot that was ever made.
pub(super) type Known = HashMap<Credential, SlotId>;

/// What the configuration in force asks for. The two lists are the same but for an app that changes its mode:
/// it is served from the credential it had, while that serves, until the new one does.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    /// What requests are answered from, in the order of the configuration.
    pub(super) served: Vec<SlotId>,
    /// What is kept fresh.
    pub(super) kept: Vec<SlotId>,
    /// In the order of [`Kind::ALL`]: a request needs one look-up. By a quick hash: who configures the apps has no reason
    /// to choose names that collide. An appid stands in the table itself, where a request finds it at once.
    by_kind: [HashMap<SmolStr, SlotId, RandomState>; Kind::ALL.len()],
    /// Who is to take whose place.
    heirs: HashMap<SlotId, SlotId>,
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

    /// The right to change what is in force.
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it takes to have exactly these subjects in force: slots for those that were never seen, with what
    /// `newcomer` makes of them, and what is different from now. Nothing is in force yet.
    pub(super) fn compare(
        &self,
        known: &mut Known,
        subjects: Vec<Subject>,
        now: Moment,
        mut newcomer: impl FnMut(&Subject) -> Replica,
    ) -> (InForce, Difference) {
        let before = self.in_force();
        let mut removed: HashSet<_> = before.kept.iter().copied().collect();
        let (mut after, mut difference) = (InForce::default(), Difference::default());
        for subject in subjects {
            let credential = subject.credential.clone();
            let id = known.get(&credential).copied().unwrap_or_else(|| {
                let replica = newcomer(&subject);
                let slot = Slot::new(subject.clone(), replica, now);
                SlotId(self.all.push(slot))
            });
            let stayed = removed.remove(&id);
            if !stayed {
                difference.added.push(id);
            }
            let slot = self.slot(id);
            if **slot.rest.subject.load() != subject {
                slot.rest.subject.store(Arc::new(subject));
                if stayed {
                    difference.changed.push(id);
                }
            }
            known.insert(credential.clone(), id);
            after.kept.push(id);
            let served = match before.served_for(&credential) {
                Some(other) if other != id && self.serves(other, now) && !self.serves(id, now) => {
                    removed.remove(&other);
                    after.kept.push(other);
                    after.heirs.insert(id, other);
                    other
                }
                _ => id,
            };
            after.served.push(served);
            after.set(&credential, served);
        }
        difference.removed.extend(removed);
        (after, difference)
    }

    pub(super) fn put_in_force(&self, after: InForce) {
        self.in_force.store(Arc::new(after));
    }

    /// Whether the slot is to take another one's place as soon as it serves.
    pub(super) fn is_heir(&self, id: SlotId) -> bool {
        let in_force = self.in_force.load();
        !in_force.heirs.is_empty() && in_force.heirs.contains_key(&id)
    }

    /// Lets an heir that serves take its place. Answers who had it. `None` where there is nothing to take, or
    /// where somebody else is changing what is in force: then it is tried again with the next change.
    pub(super) fn succeed(&self, heir: SlotId, now: Moment) -> Option<SlotId> {
        let _alone = self.known.try_lock().ok()?;
        let mut after = InForce::clone(&self.in_force.load());
        let predecessor = after.heirs.remove(&heir)?;
        if !self.serves(heir, now) {
            return None;
        }
        after.kept.retain(|id| *id != predecessor);
        for id in &mut after.served {
            if *id == predecessor {
                *id = heir;
            }
        }
        after.set(&self.slot(heir).rest.credential, heir);
        self.put_in_force(after);
        Some(predecessor)
    }

    fn serves(&self, id: SlotId, now: Moment) -> bool {
        self.slot(id).view.load().servable(now).is_some()
    }
}

impl InForce {
    fn served_for(&self, credential: &Credential) -> Option<SlotId> {
        self.by_kind[credential.kind as usize]
            .get(credential.app.as_str())
            .copied()
    }

    fn set(&mut self, credential: &Credential, id: SlotId) {
        let app = SmolStr::new(credential.app.as_str());
        self.by_kind[credential.kind as usize].insert(app, id);
    }
}

impl Slot {
    fn new(subject: Subject, replica: Replica, now: Moment) -> Self {
        Self {
            view: ArcSwap::from_pointee(replica.view(now)),
            rest: Box::new(Rest {
                credential: subject.credential.clone(),
                subject: ArcSwap::from_pointee(subject),
                replica: Mutex::new(replica),
                published: Notify::new(),
                dirty: AtomicBool::new(false),
            }),
        }
    }
}
