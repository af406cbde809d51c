//! What this replica serves from: memory, never the store.
//!
//! Two ends of one structure, apart by type. The write flow holds the [`Publisher`]: it changes what is
//! known of a credential ([`Replica`]) and publishes the [`View`] that follows. Requests hold the
//! [`Reader`]: a look-up and an atomic load, no lock, no I/O.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, mpsc};

use crate::domain::app_id::AppId;
use crate::domain::credential::Credential;
use crate::domain::epoch::Version;
use crate::domain::replica::{Replica, View};
use crate::ports::{Clock, Subject};

/// Which credential, as a position: stable for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(usize);

#[derive(Debug)]
struct Slot {
    subject: Subject,
    replica: Mutex<Replica>,
    view: ArcSwap<View>,
    /// Woken at every publication.
    published: Notify,
    /// Whether the write flow has yet to plan anew for this slot.
    dirty: AtomicBool,
}

#[derive(Debug)]
struct Slots {
    all: Vec<Slot>,
    access_tokens: HashMap<AppId, SlotId>,
}

/// The one writer.
#[derive(Clone)]
pub struct Publisher {
    slots: Arc<Slots>,
    clock: Arc<dyn Clock>,
    changes: mpsc::UnboundedSender<SlotId>,
}

/// One of many readers.
#[derive(Clone, Debug)]
pub struct Reader(Arc<Slots>);

/// Which slots have changed since they were last planned for: at most one entry a slot.
pub struct Changes {
    slots: Arc<Slots>,
    receiver: mpsc::UnboundedReceiver<SlotId>,
}

/// Makes both ends for these credentials, each with what a replica knows at its start.
#[must_use]
pub fn snapshot(
    replicas: Vec<(Subject, Replica)>,
    clock: Arc<dyn Clock>,
) -> (Publisher, Reader, Changes) {
    let now = clock.now();
    let access_tokens = replicas
        .iter()
        .enumerate()
        .map(|(index, (subject, _))| (subject.credential.app.clone(), SlotId(index)))
        .collect();
    let slot = |(subject, replica): (Subject, Replica)| Slot {
        subject,
        view: ArcSwap::from_pointee(replica.view(now)),
        replica: Mutex::new(replica),
        published: Notify::new(),
        dirty: AtomicBool::new(false),
    };
    let slots = Arc::new(Slots {
        all: replicas.into_iter().map(slot).collect(),
        access_tokens,
    });
    let (changes, receiver) = mpsc::unbounded_channel();
    let publisher = Publisher {
        slots: Arc::clone(&slots),
        clock,
        changes,
    };
    (
        publisher,
        Reader(Arc::clone(&slots)),
        Changes { slots, receiver },
    )
}

impl Publisher {
    /// Changes what is known of a credential, publishes what follows, and has it planned anew.
    pub fn update<R>(&self, id: SlotId, change: impl FnOnce(&mut Replica) -> R) -> R {
        let slot = self.slot(id);
        let result = {
            let mut replica = slot.replica.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut replica);
            self.publish(slot, &replica);
            result
        };
        if !slot.dirty.swap(true, Ordering::AcqRel) {
            // The receiver is gone only at shutdown, when nothing is planned any more.
            let _ = self.changes.send(id);
        }
        result
    }

    /// Never backwards: a view whose grant is older than the one before is not published.
    fn publish(&self, slot: &Slot, replica: &Replica) {
        let view = replica.view(self.clock.now());
        let version = |view: &View| {
            view.grant
                .as_ref()
                .map(|grant| grant.version)
                .unwrap_or_default()
        };
        let before = version(&slot.view.load());
        let after = version(&view);
        if !after.is_none() && after < before {
            tracing::error!(
                appid = %slot.subject.credential.app, from = %before, to = %after,
                "a step backwards was refused; this is a bug of the broker, please report it"
            );
            return;
        }
        slot.view.store(Arc::new(view));
        slot.published.notify_waiters();
    }

    /// Looks at what is known of a credential.
    pub fn inspect<R>(&self, id: SlotId, look: impl FnOnce(&Replica) -> R) -> R {
        look(
            &self
                .slot(id)
                .replica
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Which credential it is, and its rules.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> &Subject {
        &self.slot(id).subject
    }

    /// Every credential.
    pub fn ids(&self) -> impl Iterator<Item = SlotId> + use<> {
        (0..self.slots.all.len()).map(SlotId)
    }

    /// The position of a credential, where it is one of ours.
    #[must_use]
    pub fn find(&self, credential: &Credential) -> Option<SlotId> {
        let id = *self.slots.access_tokens.get(credential.app.as_str())?;
        (self.slot(id).subject.credential == *credential).then_some(id)
    }

    fn slot(&self, id: SlotId) -> &Slot {
        &self.slots.all[id.0]
    }
}

impl Reader {
    /// The position of an app's access token.
    #[must_use]
    pub fn access_token(&self, app: &str) -> Option<SlotId> {
        self.0.access_tokens.get(app).copied()
    }

    /// What may be answered now.
    #[must_use]
    pub fn view(&self, id: SlotId) -> Guard<Arc<View>> {
        self.0.all[id.0].view.load()
    }

    /// Which credential it is, and its rules.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> &Subject {
        &self.0.all[id.0].subject
    }

    /// Every credential.
    pub fn ids(&self) -> impl Iterator<Item = SlotId> + use<> {
        (0..self.0.all.len()).map(SlotId)
    }

    /// Waits until `found` says something of a view, looking at each that is published. The caller
    /// bounds the wait.
    pub async fn wait_for<R>(&self, id: SlotId, mut found: impl FnMut(&View) -> Option<R>) -> R {
        let slot = &self.0.all[id.0];
        loop {
            let published = slot.published.notified();
            tokio::pin!(published);
            // Registered before looking: a publication in between is not missed.
            published.as_mut().enable();
            if let Some(result) = found(&slot.view.load()) {
                return result;
            }
            published.await;
        }
    }

    /// The highest version in any view, for tests of "never backwards".
    #[must_use]
    pub fn version(&self, id: SlotId) -> Version {
        self.view(id)
            .grant
            .as_ref()
            .map(|grant| grant.version)
            .unwrap_or_default()
    }
}

impl Changes {
    /// The next slot that has changed; `None` once the publisher is gone.
    pub async fn next(&mut self) -> Option<SlotId> {
        let id = self.receiver.recv().await?;
        self.slots.all[id.0].dirty.store(false, Ordering::Release);
        Some(id)
    }
}
