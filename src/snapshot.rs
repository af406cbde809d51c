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
            let mut replica = slot.replica.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut replica);
            (result, self.publish(id, slot, &replica))
        };
        if self.slots.is_heir(id)
            && let Some(predecessor) = self.slots.succeed(id, self.clock.now())
        {
            self.update(predecessor, Replica::retire);
        }
        if is_newer && slot.credential.kind == Kind::AccessToken {
            for ticket in self.tickets_of(id) {
                self.update(ticket, Replica::access_token_came);
            }
        }
        if !slot.dirty.swap(true, Ordering::AcqRel) {
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
                appid = %slot.credential.app, from = %before, to = %after,
                "a step backwards was refused; this is a bug of the broker, please report it"
            );
            return false;
        }
        self.know(id, &slot.view.load(), &view);
        slot.view.store(Arc::new(view));
        slot.published.notify_waiters();
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
                .replica
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Which credential it is.
    #[must_use]
    pub fn credential(&self, id: SlotId) -> &Credential {
        &self.slot(id).credential
    }

    /// Which credential it is, and its rules as they are now.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> Arc<Subject> {
        self.slot(id).subject.load_full()
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
        &self.0.slot(id).credential
    }

    /// Which credential it is, and its rules as they are now.
    #[must_use]
    pub fn subject(&self, id: SlotId) -> Arc<Subject> {
        self.0.slot(id).subject.load_full()
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
        self.slots.slot(id).dirty.store(false, Ordering::Release);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::app_id::AppId;
    use crate::domain::budget::Budget;
    use crate::domain::credential::Mode;
    use crate::domain::earlier::EarlierTokens;
    use crate::domain::grant::Grant;
    use crate::domain::protocol::Record;
    use crate::domain::rules::Rules;
    use crate::domain::secret::{Digest, Secret};
    use crate::domain::state::Dead;
    use crate::domain::time::{Moment, Timestamp};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Moment {
            let since = Duration::from_secs(43_200);
            Moment {
                boot: since,
                wall: since,
            }
        }
    }

    fn subject(app: &str, mode: Mode) -> Subject {
        let app = AppId::parse(app).unwrap_or_else(|error| panic!("{error}"));
        let minute = Duration::from_secs(60);
        let budget = Budget::for_limit(2000, minute * 1440);
        let rules = Rules {
            mode,
            checkable: true,
            at: 0.5,
            jitter: 0.1,
            min_spacing: minute * 6,
            lease: minute / 3,
            reconcile: minute / 2,
            watch: minute,
            close_watch: minute / 4,
            overlap: minute * 5,
            timeout: minute / 12,
            backoff: (minute / 60, minute),
            budget,
            forced_budget: budget,
        };
        Subject {
            credential: Credential::access_token(app, mode),
            rules: Arc::new(rules),
        }
    }

    fn newcomer(subject: &Subject) -> Replica {
        Replica::new(Arc::clone(&subject.rules), true, 0.0)
    }

    fn serve(publisher: &Publisher, id: SlotId, version: u64) {
        let now = Noon.now();
        let life = Duration::from_secs(7200);
        let grant = Grant {
            version: Version(version),
            value: Secret::new("token"),
            digest: Digest::new([0; 32]),
            issued_at: Timestamp::from_micros(0),
            expires_at: Timestamp::from_micros(0) + life,
        };
        publisher.update(id, |replica| {
            replica.committed(grant, now.after(life), now);
        });
    }

    fn find(reader: &Reader, app: &str) -> Option<SlotId> {
        reader.find(app, Kind::AccessToken)
    }

    #[test]
    fn whoever_starts_knows_the_holders_of_every_token_that_the_record_tells_of() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        let now = Timestamp::from_micros(10_000_000_000);
        let token = |name: u8, left: u64| EarlierToken {
            digest: Digest::new([name; 32]),
            issued_at: now - Duration::from_secs(7200),
            expires_at: now + Duration::from_secs(left),
        };
        let mut record = Record::default();
        record.state.earlier = EarlierTokens::of(vec![token(1, 600), token(2, 300), token(3, 0)]);
        let dead = Version(7);
        record.grant = Some(Grant {
            version: dead,
            value: Secret::new("token"),
            digest: Digest::new([4; 32]),
            issued_at: now,
            expires_at: now + Duration::from_secs(900),
        });
        record.state.dead = Some(Dead {
            version: dead,
            epoch: dead.into(),
            reported: false,
        });
        publisher.update(id, |replica| replica.observe(record, now, Noon.now()));
        let known_for = |name| {
            let known = |secs: &u64| {
                let then = Noon.now().after(Duration::from_secs(*secs));
                reader.holder(&Digest::new([name; 32]), then) == Some(id)
            };
            (0..1000).take_while(known).count()
        };
        assert_eq!([1, 2, 3, 4].map(known_for), [600, 300, 0, 900]);
        assert!(
            reader.view(id).grant.is_none(),
            "the dead one is not served"
        );
    }

    #[tokio::test]
    async fn a_credential_that_is_taken_out_is_not_found_and_wakes_who_waits_for_it() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        serve(&publisher, id, 7);
        let waiting = reader.wait_for(id, |view| view.removed.then_some(()));
        let taking_out = async {
            let difference = publisher.configure(Vec::new(), newcomer);
            assert_eq!(difference.removed, [id]);
        };
        tokio::join!(waiting, taking_out);
        assert_eq!(find(&reader, "wx1"), None);
        assert_eq!(reader.ids(), []);
        assert!(reader.view(id).grant.is_none());
        let planned = publisher.inspect(id, |replica| replica.next(Noon.now()));
        assert_eq!(planned, None);
    }

    #[test]
    fn one_that_comes_back_never_serves_below_its_floor() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        let subjects = || vec![subject("wx1", Mode::Token)];
        publisher.configure(subjects(), newcomer);
        let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        serve(&publisher, id, 7);
        publisher.configure(Vec::new(), newcomer);
        // A step that was under way ends; its result is remembered, not served.
        serve(&publisher, id, 8);
        assert!(reader.view(id).grant.is_none());
        let difference = publisher.configure(subjects(), newcomer);
        assert_eq!(difference.added, [id]);
        serve(&publisher, id, 7);
        assert_eq!(reader.version(id), Version(0));
        serve(&publisher, id, 9);
        assert_eq!(reader.version(id), Version(9));
    }

    #[test]
    fn other_rules_take_nothing_from_what_is_served() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        serve(&publisher, id, 7);
        let subject = subject("wx1", Mode::Token);
        let rules = Rules {
            at: 0.7,
            ..Rules::clone(&subject.rules)
        };
        let other = Subject {
            rules: Arc::new(rules),
            ..subject
        };
        let difference = publisher.configure(vec![other.clone()], newcomer);
        assert_eq!(difference.changed, [id]);
        assert_eq!(*reader.subject(id), other);
        assert_eq!(publisher.inspect(id, |replica| replica.rules().at), 0.7);
        assert_eq!(reader.version(id), Version(7));
        let same = publisher.configure(vec![other], newcomer);
        assert!(same.added.is_empty() && same.changed.is_empty() && same.removed.is_empty());
    }

    #[test]
    fn an_app_that_changes_its_mode_is_another_credential() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let before = find(&reader, "wx1");
        publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
        let after = find(&reader, "wx1");
        assert_ne!(before, after);
        let stable = subject("wx1", Mode::Stable).credential;
        assert_eq!(publisher.find(&stable), after);
    }

    #[test]
    fn an_app_that_changes_its_mode_is_served_from_what_it_had_until_the_new_credential_serves() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let token = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        serve(&publisher, token, 7);
        for _ in 0..2 {
            // Again, since a second reload may come before the first token.
            publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
            assert_eq!(find(&reader, "wx1"), Some(token));
            assert_eq!(reader.ids(), [token]);
            assert_eq!(publisher.ids().len(), 2, "both are kept fresh");
        }
        let stable = publisher.find(&subject("wx1", Mode::Stable).credential);
        let stable = stable.unwrap_or_else(|| panic!("not found"));
        serve(&publisher, stable, 8);
        assert_eq!(find(&reader, "wx1"), Some(stable));
        assert_eq!(
            (reader.ids(), publisher.ids()),
            (vec![stable], vec![stable])
        );
        assert!(reader.view(token).removed);
    }

    #[test]
    fn a_mode_that_is_changed_back_meanwhile_leaves_everything_as_it_was() {
        let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
        publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        let token = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
        serve(&publisher, token, 7);
        publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
        let back = publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
        assert_eq!(back.removed.len(), 1);
        assert_eq!(find(&reader, "wx1"), Some(token));
        assert_eq!(publisher.ids(), [token]);
        assert_eq!(reader.version(token), Version(7));
    }
}
