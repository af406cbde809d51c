//! The store of a simulated history: the protocol over one record, with a clock of its own, behind links
//! that fail.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_broker::domain::epoch::{Epoch, Nonce, Version};
use token_broker::domain::protocol::Record;
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{Signal, Stamped, StoreError, Subject};
use tokio::sync::mpsc;

use super::machine::{BEGINNING, shifted};
use super::world::{Dice, World, lock};

/// How many copies are kept, for failovers that lose writes.
const COPIES: usize = 40;

const ORIGIN: Fingerprint = Fingerprint::new(0x0816);

/// What happens to a replica's calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    /// They arrive and are answered.
    Up,
    /// The connection is refused.
    Away,
    /// This part of them disappears on the way there.
    LosesRequests(f64),
    /// This part of the answers disappears; what was asked happened.
    LosesReplies(f64),
    /// They take up to so long, longer than the replica waits, and happen nevertheless.
    Slow(Duration),
}

/// A store that breaks the protocol, to see that the oracle notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mischief {
    /// A reading leaves out the grant.
    HidesGrants,
    /// `begin` takes no second look.
    NoSecondLook,
    /// A commit is stored whoever sends it.
    LateCommits,
    /// Lease and intent of an attempt vanish at once.
    ForgetsIntents,
    /// The budget is never charged.
    ForgetsBudget,
    /// Each lease has the same number.
    RepeatsEpochs,
    /// What a check found dead is stored as if nothing had been said.
    IgnoresDeaths,
}

/// The shared store.
pub(crate) struct SharedStore {
    world: Arc<World>,
    inner: Mutex<Inner>,
}

struct Inner {
    record: Record,
    /// Since when its grant is of this version.
    granted_at: Duration,
    /// What it was after each of the latest changes, itself the last.
    copies: VecDeque<Record>,
    /// How far its clock is from the truth, in milliseconds.
    shift: i64,
    links: Vec<Link>,
    /// Which part of the signals is lost.
    signals_lost: f64,
    subscribers: Vec<Option<mpsc::Sender<Signal>>>,
    /// The highest version that was given to each replica's process to serve.
    given: Vec<Version>,
    unconfirmed: bool,
    mischief: Option<Mischief>,
    handed_out: BTreeSet<(Epoch, u128)>,
    calls: u64,
}

/// What becomes of one call.
pub(crate) struct Fate {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) arrives: bool,
    pub(crate) answered: bool,
    /// Nothing is wrong with the link.
    pub(crate) is_smooth: bool,
}

impl Inner {
    /// Keeps what the record is now, where that is something new.
    fn keep(&mut self) {
        if self.copies.back() == Some(&self.record) {
            return;
        }
        self.copies.push_back(self.record.clone());
        if self.copies.len() > COPIES {
            self.copies.pop_front();
        }
    }
}

impl SharedStore {
    pub(crate) fn new(world: Arc<World>, replicas: usize) -> Arc<Self> {
        Arc::new(Self {
            world,
            inner: Mutex::new(Inner {
                record: Record::default(),
                granted_at: Duration::ZERO,
                copies: VecDeque::from([Record::default()]),
                shift: 0,
                links: vec![Link::Up; replicas],
                signals_lost: 0.0,
                subscribers: vec![None; replicas],
                given: vec![Version::default(); replicas],
                unconfirmed: false,
                mischief: None,
                handed_out: BTreeSet::new(),
                calls: 0,
            }),
        })
    }

    fn time(&self, inner: &Inner) -> Timestamp {
        let time = shifted(BEGINNING + self.world.now(), inner.shift);
        Timestamp::from_micros(u64::try_from(time.as_micros()).unwrap_or(0))
    }

    /// A process starts: it knows nothing yet.
    pub(crate) fn subscribe(&self, replica: usize, signals: mpsc::Sender<Signal>) {
        let mut inner = lock(&self.inner);
        inner.subscribers[replica] = Some(signals);
        inner.given[replica] = Version::default();
    }

    /// A replica has heard of a version that it may serve.
    pub(crate) fn gave(&self, replica: usize, version: Version) {
        let given = &mut lock(&self.inner).given[replica];
        *given = version.max(*given);
    }

    /// Below this a replica must not go, whether a caller has seen it or not.
    pub(crate) fn given_to(&self, replica: usize) -> Version {
        lock(&self.inner).given[replica]
    }

    pub(crate) fn link(&self, replica: usize) -> Link {
        lock(&self.inner).links[replica]
    }

    /// Changes a replica's link; a link that is made again is told.
    pub(crate) fn set_link(&self, replica: usize, link: Link) {
        self.world
            .log(format_args!("store link r{replica} {link:?}"));
        let mut inner = lock(&self.inner);
        let back = inner.links[replica] == Link::Away && link != Link::Away;
        inner.links[replica] = link;
        if back && let Some(subscriber) = &inner.subscribers[replica] {
            let _ = subscriber.try_send(Signal::Reconnected);
        }
    }

    pub(crate) fn set_all_links(&self, link: Link) {
        let replicas = lock(&self.inner).links.len();
        (0..replicas).for_each(|replica| self.set_link(replica, link));
    }

    pub(crate) fn lose_signals(&self, part: f64) {
        self.world
            .log(format_args!("store loses {part} of its signals"));
        lock(&self.inner).signals_lost = part;
    }

    pub(crate) fn set_unconfirmed(&self, unconfirmed: bool) {
        self.world
            .log(format_args!("store unconfirmed: {unconfirmed}"));
        lock(&self.inner).unconfirmed = unconfirmed;
    }

    pub(crate) fn set_mischief(&self, mischief: Mischief) {
        lock(&self.inner).mischief = Some(mischief);
    }

    /// Loses everything.
    pub(crate) fn flush(&self) {
        self.world.log(format_args!("store flushed"));
        let mut inner = lock(&self.inner);
        inner.record = Record::default();
        inner.copies = VecDeque::from([Record::default()]);
        inner.handed_out.clear();
    }

    /// Loses the grant, and keeps the state: an eviction.
    pub(crate) fn evict_grant(&self) {
        self.world.log(format_args!("store evicts the grant"));
        let mut inner = lock(&self.inner);
        inner.record.grant = None;
        inner.keep();
    }

    /// Another machine takes over: it lacks the latest `lost` changes, and its clock is elsewhere.
    pub(crate) fn fail_over(&self, lost: usize, shift: i64) {
        let mut inner = lock(&self.inner);
        let left = inner.copies.len().saturating_sub(lost).max(1);
        inner.copies.truncate(left);
        inner.record = inner.copies.back().cloned().unwrap_or_default();
        inner.shift += shift;
        inner.handed_out.clear();
        for subscriber in inner.subscribers.iter().flatten() {
            let _ = subscriber.try_send(Signal::Reconnected);
        }
        drop(inner);
        self.world.log(format_args!(
            "store fails over, {lost} changes lost, clock {shift} ms"
        ));
    }

    /// The record as it is.
    pub(crate) fn record(&self) -> Record {
        lock(&self.inner).record.clone()
    }

    /// Since when the stored grant has its version, a change of the store's own aside.
    pub(crate) fn granted_at(&self) -> Duration {
        lock(&self.inner).granted_at
    }

    /// How many calls arrived.
    pub(crate) fn calls(&self) -> u64 {
        lock(&self.inner).calls
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Whether a change is on a second machine when it is answered.
    pub(crate) fn is_confirmed(&self) -> bool {
        !lock(&self.inner).unconfirmed
    }

    /// What becomes of a replica's next call; `None` = it is refused. In calm times, one that is a `look` takes a way
    /// that takes time once in four times.
    pub(crate) fn fate(&self, replica: usize, is_look: bool) -> Option<Fate> {
        let link = self.link(replica);
        let calm = is_look && link == Link::Up && self.world.is_calm();
        self.world.dice(|dice| {
            // Every other way takes no time at all: both are long enough for others to come in between.
            let quick = |dice: &mut Dice| Duration::from_millis(dice.below(6).saturating_sub(2));
            let (mut there, back) = if calm {
                let time = Duration::from_millis(dice.below(12).saturating_sub(8));
                if dice.chance(0.5) {
                    (time, Duration::ZERO)
                } else {
                    (Duration::ZERO, time)
                }
            } else {
                (quick(dice), quick(dice))
            };
            let (mut arrives, mut answered) = (true, true);
            match link {
                Link::Up => {}
                Link::Away => return None,
                Link::LosesRequests(part) => arrives = !dice.chance(part),
                Link::LosesReplies(part) => answered = !dice.chance(part),
                Link::Slow(most) => there = dice.between(Duration::ZERO, most),
            }
            Some(Fate {
                there,
                back,
                arrives,
                answered,
                is_smooth: link == Link::Up,
            })
        })
    }

    /// Does one change as a store does: opened, timed, kept, told.
    pub(crate) fn apply<T>(
        &self,
        subject: &Subject,
        change: impl FnOnce(&mut Record, Timestamp, Option<Mischief>) -> (T, bool),
    ) -> Result<Stamped<T>, StoreError> {
        let mut inner = lock(&self.inner);
        inner.calls += 1;
        let at = self.time(&inner);
        let version = |record: &Record| record.grant.as_ref().map(|grant| grant.version);
        let before = version(&inner.record);
        let mischief = inner.mischief;
        inner.record.open(&subject.rules, ORIGIN, at)?;
        let (answer, told) = change(&mut inner.record, at, mischief);
        let after = version(&inner.record);
        if after < before && after.is_some() {
            self.world
                .violation(format_args!("the store's grant went backwards"));
        }
        if after != before {
            inner.granted_at = self.world.now();
        }
        inner.keep();
        if told {
            let version = inner.record.state.version;
            self.tell(
                &inner,
                &Signal::Changed(subject.credential.clone(), version),
            );
        }
        Ok(Stamped { at, answer })
    }

    /// Passes a question on to all replicas.
    pub(crate) fn ask(&self, signal: &Signal) {
        let mut inner = lock(&self.inner);
        inner.calls += 1;
        self.tell(&inner, signal);
    }

    fn tell(&self, inner: &Inner, signal: &Signal) {
        for (subscriber, link) in inner.subscribers.iter().zip(&inner.links) {
            let lost = self.world.dice(|dice| dice.chance(inner.signals_lost));
            let Some(subscriber) = subscriber.as_ref().filter(|_| *link != Link::Away && !lost)
            else {
                continue;
            };
            let _ = subscriber.try_send(signal.clone());
        }
    }

    /// The epochs it hands out are unique, unless it lost what it knew.
    pub(crate) fn note_lease(&self, epoch: Epoch, nonce: Nonce) {
        let mut inner = lock(&self.inner);
        let twice = inner
            .handed_out
            .iter()
            .any(|(handed, to)| *handed == epoch && *to != nonce.0);
        inner.handed_out.insert((epoch, nonce.0));
        drop(inner);
        if twice {
            self.world
                .violation(format_args!("epoch {epoch} was handed out twice"));
        }
    }
}
