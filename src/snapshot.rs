//! What this replica serves from: memory, never the store.
//!
//! Two ends of one structure, apart by type. The write flow holds the [`Publisher`]: it changes what is
//! known of a credential ([`Replica`]) and publishes the [`View`] that follows. Requests hold the
//! [`Reader`]: a look-up and an atomic load, no lock, no I/O.

mod holders;
mod slots;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arc_swap::Guard;
use tokio::sync::mpsc;

use self::slots::{Slot, Slots};
use crate::domain::credential::{Credential, Kind};
use crate::domain::earlier::EarlierToken;
use crate::domain::epoch::Version;
use crate::domain::replica::{Replica, View};
use crate::domain::secret::Digest;
use crate::domain::time::Moment;
use crate::ports::{Clock, Subject};

pub use self::slots::{Difference, SlotId};

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

/// Makes both ends, with no credential in force yet: [`Publisher::configure`] says which there are.
#[must_use]
pub fn snapshot(clock: Arc<dyn Clock>) -> (Publisher, Reader, Changes) {
    let slots = Arc::<Slots>::default();
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
    /// Has exactly these credentials kept and served from now on. `newcomer` makes what a replica knows at
    /// its start of one that was never seen; one that comes back goes on from its floor. One that is left
    /// out is served no more: whoever waits for it is woken, and a step under way still ends in the store.
    /// Only an app that changes its mode is served from what it had until the new credential serves.
    pub fn configure(
        &self,
        subjects: Vec<Subject>,
        newcomer: impl FnMut(&Subject) -> Replica,
    ) -> Difference {
        let mut known = self.slots.lock();
        let now = self.clock.now();
        let (after, difference) = self.slots.compare(&mut known, subjects, now, newcomer);
        // Before they can be found, so that nobody finds them empty who need not.
        for id in difference.added.iter().chain(&difference.changed) {
            let rules = Arc::clone(&self.subject(*id).rules);
            self.update(*id, |replica| replica.govern(rules));
        }
        self.slots.put_in_force(after);
        for id in &difference.removed {
            self.update(*id, Replica::retire);
        }
        difference
    }

    /// Changes what is known of a credential, publishes what follows, and has it planned anew. A new access
    /// token wakes the app's tickets that wait for one.
    pub fn update<R>(&self, id: SlotId, change: impl FnOnce(&mut Replica) -> R) -> R {
        let slot = self.slot(id);
        let (result, is_newer) = {
            let mut replica = slot
                .rest
                .replica
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut replica);
            (result, self.publish(id, slot, &replica))
        };
        if self.slots.is_heir(id)
            && let Some(predecessor) = self.slots.succeed(id, self.clock.now())
        {
            self.update(predecessor, Replica::retire);
        }
        if is_newer && slot.rest.credential.kind == Kind::AccessToken {
            for ticket in self.tickets_of(id) {
                self.update(ticket, Replica::access_token_came);
            }
        }
        if !slot.rest.dirty.swap(true, Ordering::AcqRel) {
            // The receiver is gone only at shutdown, when nothing is planned any more.
            let _ = self.changes.send(id);
        }
        result
    }

    /// Never backwards: a view whose grant is older than the one before is not published. Answers whether the
    /// grant is newer.
    fn publish(&self, id: SlotId, slot: &Slot, replica: &Replica) -> bool {
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
                appid = %slot.rest.credential.app, from = %before, to = %after,
                "a step backwards was refused; this is a bug of the broker, please report it"
            );
            return false;
        }
        self.know(id, &slot.view.load(), &view);
        slot.view.store(Arc::new(view));
        slot.rest.published.notify_waiters();
        after > before
    }

    /// Has a new token's holders known before anybody holds it, and those of earlier ones as soon as they are read
    /// of.
    fn know(&self, id: SlotId, before: &View, after: &View) {
        if self.credential(id).kind != Kind::AccessToken {
            return;
        }
        let token = |view: &View| Some((view.grant.as_ref()?.digest, view.expires));
        let read = |view: &View| view.reading.as_deref().map(|reading| reading.sent);
        if token(before) == token(after) && read(before) == read(after) {
            return;
        }
        let stored = after.reading.as_deref().into_iter();
        let stored = stored.flat_map(|reading| {
            let record = &reading.record;
            // Also where it is dead, so that this replica does not hold it: others do.
            let grant = record.grant.as_ref().map(EarlierToken::from);
            let tokens = record.state.earlier.iter().chain(grant);
            tokens.map(|token| {
                let remaining = token.remaining(reading.at);
                (token.digest, reading.sent.after(remaining))
            })
        });
        let tokens = stored.chain(token(after));
        self.slots.holders.know(id, tokens, self.clock.now());
    }

    /// Looks at what is known of a credential.
    pub fn inspect<R>(&self, id: SlotId, look: impl FnOnce(&Replica) -> R) -> R {
        look(
            &self
                .slot(id)
                .rest
                .replica
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Which credential it is.
    #[must_use]
    pub fn credential(&self, id: SlotId) -> &Credential {
        &self.slot(id).rest.credential
    }

    /// Which credential it is, and its rules as they are now.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> Arc<Subject> {
        self.slot(id).rest.subject.load_full()
    }

    /// Every credential that is kept fresh.
    #[must_use]
    pub fn ids(&self) -> Vec<SlotId> {
        self.slots.in_force().kept.clone()
    }

    /// The position of a credential, where it is kept fresh.
    #[must_use]
    pub fn find(&self, credential: &Credential) -> Option<SlotId> {
        let id = self.slots.lock().get(credential).copied()?;
        (!self.inspect(id, Replica::is_retired)).then_some(id)
    }

    /// The position of the access token of the same app.
    #[must_use]
    pub fn access_token_of(&self, id: SlotId) -> Option<SlotId> {
        self.slots
            .find(self.credential(id).app.as_str(), Kind::AccessToken)
    }

    /// The positions of the tickets of the same app.
    #[must_use]
    pub fn tickets_of(&self, id: SlotId) -> Vec<SlotId> {
        let app = self.credential(id).app.as_str();
        let find = |kind| self.slots.find(app, kind);
        Kind::TICKETS.into_iter().filter_map(find).collect()
    }

    fn slot(&self, id: SlotId) -> &Slot {
        self.slots.slot(id)
    }
}

impl Reader {
    /// The position of a credential of an app, where it is in force.
    #[must_use]
    pub fn find(&self, app: &str, kind: Kind) -> Option<SlotId> {
        self.0.find(app, kind)
    }

    /// Where the access token of an app is of which a token with this digest was one and has not expired.
    #[must_use]
    pub fn holder(&self, token: &Digest, now: Moment) -> Option<SlotId> {
        let id = self.0.holders.find(token, now)?;
        // Not `id` itself: the app may be gone, or kept in another mode since.
        self.find(self.credential(id).app.as_str(), Kind::AccessToken)
    }

    /// What may be answered now.
    #[must_use]
    pub fn view(&self, id: SlotId) -> Guard<Arc<View>> {
        self.0.slot(id).view.load()
    }

    /// Which credential it is.
    #[must_use]
    pub fn credential(&self, id: SlotId) -> &Credential {
        &self.0.slot(id).rest.credential
    }

    /// Which credential it is, and its rules as they are now.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> Arc<Subject> {
        self.0.slot(id).rest.subject.load_full()
    }

    /// Every credential that requests are answered from, in the order of the configuration.
    #[must_use]
    pub fn ids(&self) -> Vec<SlotId> {
        self.0.in_force().served.clone()
    }

    /// The access token of every app, in the order of the configuration: as good as a list of the apps.
    #[must_use]
    pub fn access_tokens(&self) -> Vec<SlotId> {
        let mut ids = self.ids();
        ids.retain(|id| self.credential(*id).kind == Kind::AccessToken);
        ids
    }

    /// Waits until `found` says something of a view, looking at each that is published. The caller
    /// bounds the wait.
    pub async fn wait_for<R>(&self, id: SlotId, mut found: impl FnMut(&View) -> Option<R>) -> R {
        let slot = self.0.slot(id);
        loop {
            let published = slot.rest.published.notified();
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
        self.slots
            .slot(id)
            .rest
            .dirty
            .store(false, Ordering::Release);
        Some(id)
    }
}

#[cfg(test)]
mod tests;
