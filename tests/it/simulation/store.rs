//! The store of a simulated history: the protocol over one record, with a clock of its own, behind links
//! that fail.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use token_broker::domain::epoch::{Epoch, Nonce};
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::state::Lease;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{BegunIn, Signal, Stamped, Store, StoreError, Subject};
use tokio::sync::{mpsc, oneshot};

use super::machine::{BEGINNING, Gate, shifted};
use super::world::{Stage, World, lock};

/// How long a replica waits for an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// How many earlier copies are kept, for failovers that lose writes.
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
    /// `begin` takes no second look.
    NoSecondLook,
    /// A commit is stored whoever sends it.
    LateCommits,
    /// Lease and intent of an attempt vanish at once.
    ForgetsIntents,
    /// The budget is never charged.
    ForgetsBudget,
}

/// The shared store.
pub(crate) struct SharedStore {
    world: Arc<World>,
    inner: Mutex<Inner>,
}

struct Inner {
    record: Record,
    copies: VecDeque<Record>,
    /// How far its clock is from the truth, in milliseconds.
    shift: i64,
    links: Vec<Link>,
    /// Which part of the signals is lost.
    signals_lost: f64,
    subscribers: Vec<Option<mpsc::Sender<Signal>>>,
    unconfirmed: bool,
    mischief: Option<Mischief>,
    handed_out: BTreeSet<(Epoch, u128)>,
    calls: u64,
}

/// What becomes of one call.
struct Fate {
    there: Duration,
    back: Duration,
    arrives: bool,
    answered: bool,
}

impl SharedStore {
    pub(crate) fn new(world: Arc<World>, replicas: usize) -> Arc<Self> {
        Arc::new(Self {
            world,
            inner: Mutex::new(Inner {
                record: Record::default(),
                copies: VecDeque::new(),
                shift: 0,
                links: vec![Link::Up; replicas],
                signals_lost: 0.0,
                subscribers: vec![None; replicas],
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

    pub(crate) fn subscribe(&self, replica: usize, signals: mpsc::Sender<Signal>) {
        lock(&self.inner).subscribers[replica] = Some(signals);
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
        inner.copies.clear();
        inner.handed_out.clear();
    }

    /// Loses the grant, and keeps the state: an eviction.
    pub(crate) fn evict_grant(&self) {
        self.world.log(format_args!("store evicts the grant"));
        lock(&self.inner).record.grant = None;
    }

    /// Another machine takes over: it lacks the latest `lost` changes, and its clock is elsewhere.
    pub(crate) fn fail_over(&self, lost: usize, shift: i64) {
        let mut inner = lock(&self.inner);
        for _ in 0..lost {
            if let Some(copy) = inner.copies.pop_back() {
                inner.record = copy;
            }
        }
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

    /// How many calls arrived.
    pub(crate) fn calls(&self) -> u64 {
        lock(&self.inner).calls
    }

    fn fate(&self, replica: usize) -> Option<Fate> {
        let link = self.link(replica);
        self.world.dice(|dice| {
            let quick = |dice: &mut super::world::Dice| {
                dice.between(Duration::ZERO, Duration::from_millis(3))
            };
            let (mut there, back) = (quick(dice), quick(dice));
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
            })
        })
    }

    /// Does one change as a store does: opened, timed, kept, told.
    fn apply<T>(
        &self,
        subject: &Subject,
        change: impl FnOnce(&mut Record, Timestamp, Option<Mischief>) -> (T, bool),
    ) -> Result<Stamped<T>, StoreError> {
        let mut inner = lock(&self.inner);
        inner.calls += 1;
        let at = self.time(&inner);
        let before = inner.record.clone();
        let mischief = inner.mischief;
        inner.record.open(&subject.rules, ORIGIN, at)?;
        let (answer, told) = change(&mut inner.record, at, mischief);
        let version = |record: &Record| record.grant.as_ref().map(|grant| grant.version);
        if version(&inner.record) < version(&before) && inner.record.grant.is_some() {
            self.world
                .violation(format_args!("the store's grant went backwards"));
        }
        if inner.record != before {
            inner.copies.push_back(before);
            if inner.copies.len() > COPIES {
                inner.copies.pop_front();
            }
        }
        if told {
            let version = inner.record.state.version;
            self.tell(
                &inner,
                &Signal::Changed(subject.credential.clone(), version),
            );
        }
        Ok(Stamped { at, answer })
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
    fn note_lease(&self, epoch: Epoch, nonce: Nonce) {
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

/// One replica's way to the store.
pub(crate) struct StoreLink {
    pub(crate) replica: usize,
    pub(crate) store: Arc<SharedStore>,
    pub(crate) gate: Arc<Gate>,
}

impl StoreLink {
    async fn call<T: Send + std::fmt::Debug + 'static>(
        &self,
        what: &'static str,
        stage: Option<Stage>,
        act: impl FnOnce(&SharedStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.gate.passed().await;
        let away = |why: &str| StoreError::Away(String::from(why));
        let replica = self.replica;
        let store = Arc::clone(&self.store);
        let answer = match self.store.fate(replica) {
            None => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err(away("refused"))
            }
            Some(fate) => {
                let (reply, answer) = oneshot::channel();
                // Not a part of the replica: what was sent arrives, whatever becomes of the sender.
                tokio::spawn(async move {
                    tokio::time::sleep(fate.there).await;
                    if !fate.arrives {
                        std::future::pending::<()>().await;
                    }
                    let answer = act(&store);
                    if let Some(stage) = stage {
                        store.world.reach(stage, replica).await;
                    }
                    if what != "read" || store.world.is_verbose() {
                        store
                            .world
                            .log(format_args!("r{replica} {what} {answer:?}"));
                    }
                    tokio::time::sleep(fate.back).await;
                    if !fate.answered {
                        std::future::pending::<()>().await;
                    }
                    let _ = reply.send(answer);
                });
                match tokio::time::timeout(REPLY_TIMEOUT, answer).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => Err(away("no answer")),
                }
            }
        };
        self.gate.passed().await;
        answer
    }

    async fn change<T: Send + std::fmt::Debug + 'static>(
        &self,
        what: &'static str,
        subject: &Subject,
        change: impl FnOnce(&mut Record, Timestamp, Option<Mischief>) -> (T, bool) + Send + 'static,
    ) -> Result<Stamped<T>, StoreError> {
        let subject = subject.clone();
        let stage = (what == "commit").then_some(Stage::Stored);
        self.call(what, stage, move |store| store.apply(&subject, change))
            .await
    }
}

#[async_trait]
impl Store for StoreLink {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let (input, subject) = (*input, of.clone());
        self.store.world.reach(Stage::Asks, self.replica).await;
        self.call("begin", Some(Stage::Leased), move |store| {
            let rules = subject.rules.clone();
            let begun = store.apply(&subject, |record, now, mischief| {
                let before = record.state.budget;
                if mischief == Some(Mischief::NoSecondLook) {
                    record.state.suspect = Some(record.state.epoch);
                }
                let begun = record.begin(&input, &rules, now);
                if mischief == Some(Mischief::ForgetsBudget) {
                    record.state.budget = before;
                }
                if mischief == Some(Mischief::ForgetsIntents) {
                    record.state.intent = None;
                }
                (begun, false)
            })?;
            if let Begun::Granted(permit) = &begun.answer {
                store.note_lease(permit.epoch, input.nonce);
            }
            let confirmed = !lock(&store.inner).unconfirmed;
            Ok(Stamped {
                at: begun.at,
                answer: BegunIn {
                    begun: begun.answer,
                    confirmed,
                },
            })
        })
        .await
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        let (input, rules) = (input.clone(), of.rules.clone());
        self.change("commit", of, move |record, now, mischief| {
            if mischief == Some(Mischief::LateCommits) {
                record.state.lease = Some(Lease {
                    nonce: input.attempt.nonce,
                    epoch: input.attempt.epoch,
                    until: now,
                });
            }
            (record.commit(&input, &rules, now), true)
        })
        .await
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("fail", of, move |record, now, _| {
            (record.fail(&input, &rules, now), true)
        })
        .await
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("release", of, move |record, _, _| {
            (record.release(&input, &rules), false)
        })
        .await
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let input = *input;
        self.change("claim", of, move |record, now, _| {
            (record.claim_check(&input, now), false)
        })
        .await
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("judge", of, move |record, now, _| {
            let judged = record.judge(&input, &rules, now);
            (judged, matches!(judged, Judged::Dead { .. }))
        })
        .await
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        let (input, rules) = (input.clone(), of.rules.clone());
        self.change("put_back", of, move |record, now, _| {
            (record.put_back(&input, &rules, now), true)
        })
        .await
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        let (input, rules) = (*input, of.rules.clone());
        self.change("suspect", of, move |record, now, _| {
            (record.suspect(&input, &rules, now), true)
        })
        .await
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change("set_pause", of, move |record, now, _| {
            (record.set_pause(&input, now), true)
        })
        .await
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let subjects: Vec<Subject> = of.iter().map(|subject| (*subject).clone()).collect();
        self.call("read", None, move |store| {
            let read =
                |subject: &Subject| store.apply(subject, |record, _, _| (record.clone(), false));
            Ok(subjects.iter().map(read).collect::<Vec<_>>())
        })
        .await
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        let signal = Signal::Asked(of.credential.clone());
        self.call("ask", None, move |store| {
            let mut inner = lock(&store.inner);
            inner.calls += 1;
            store.tell(&inner, &signal);
            Ok(())
        })
        .await
    }

    fn is_shared(&self) -> bool {
        true
    }
}
