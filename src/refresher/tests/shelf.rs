//! A store of which a test decides when it fails, and how long it takes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::scene::{Hands, held};
use crate::domain::credential::Credential;
use crate::domain::protocol::{
    Attempt, Begin, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use crate::domain::rules::Rules;
use crate::domain::secret::Fingerprint;
use crate::domain::time::{Timestamp, micros};
use crate::ports::{BegunIn, Clock, Stamped, Store, StoreError, Subject};

/// The protocol over a map, which may fail a call once, take its time, or have lost one record.
pub(crate) struct Shelf {
    clock: Arc<Hands>,
    records: Mutex<HashMap<Credential, Record>>,
    failures: Mutex<VecDeque<(&'static str, StoreError)>>,
    broken: Mutex<HashMap<Credential, StoreError>>,
    /// How long the next call of this name takes.
    delays: Mutex<HashMap<&'static str, Duration>>,
    calls: Mutex<Vec<&'static str>>,
    confirms: Mutex<bool>,
}

impl Shelf {
    /// An empty one, whose clock this is as well.
    pub(super) fn new(clock: Arc<Hands>) -> Self {
        Self {
            clock,
            records: Mutex::default(),
            failures: Mutex::default(),
            broken: Mutex::default(),
            delays: Mutex::default(),
            calls: Mutex::default(),
            confirms: Mutex::new(true),
        }
    }

    /// The next call of this name fails.
    pub(crate) fn fails(&self, call: &'static str, error: StoreError) {
        held(&self.failures).push_back((call, error));
    }

    /// The next call of this name takes so long.
    pub(crate) fn takes(&self, call: &'static str, time: Duration) {
        held(&self.delays).insert(call, time);
    }

    /// Nobody can read this record any more, or everybody can again.
    pub(crate) fn breaks(&self, of: &Subject, error: Option<StoreError>) {
        match error {
            Some(error) => held(&self.broken).insert(of.credential.clone(), error),
            None => held(&self.broken).remove(&of.credential),
        };
    }

    /// A change is on one machine only.
    pub(crate) fn confirms(&self, confirms: bool) {
        *held(&self.confirms) = confirms;
    }

    /// All that was asked so far, of this name.
    pub(crate) fn count(&self, call: &str) -> usize {
        held(&self.calls)
            .iter()
            .filter(|made| **made == call)
            .count()
    }

    /// Somebody else changes a record, or a test looks at it.
    pub(crate) fn edit<T>(
        &self,
        of: &Subject,
        edit: impl FnOnce(&mut Record, Timestamp) -> T,
    ) -> T {
        let mut records = held(&self.records);
        edit(
            records.entry(of.credential.clone()).or_default(),
            self.now(),
        )
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(micros(self.clock.now().wall))
    }

    fn called(&self, call: &'static str) -> Result<(), StoreError> {
        held(&self.calls).push(call);
        if let Some(time) = held(&self.delays).remove(call) {
            self.clock.advance(time);
        }
        let mut failures = held(&self.failures);
        let fails = failures.iter().position(|(failing, _)| *failing == call);
        match fails.and_then(|place| failures.remove(place)) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    fn change<T>(
        &self,
        call: &'static str,
        of: &Subject,
        change: impl FnOnce(&mut Record, &Rules, Timestamp) -> T,
    ) -> Result<Stamped<T>, StoreError> {
        self.called(call)?;
        self.edit(of, |record, at| {
            record.open(&of.rules, Fingerprint::new(1), at)?;
            let answer = change(record, &of.rules, at);
            Ok(Stamped { at, answer })
        })
    }
}

#[async_trait]
impl Store for Shelf {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let confirmed = *held(&self.confirms);
        self.change("begin", of, |record, rules, at| BegunIn {
            begun: record.begin(input, rules, at),
            confirmed,
        })
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        self.change("commit", of, |record, rules, at| {
            record.commit(input, rules, at)
        })
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        self.change("fail", of, |record, rules, at| {
            record.fail(input, rules, at);
        })
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        self.change("release", of, |record, rules, _| {
            record.release(input, rules);
        })
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        self.change("claim", of, |record, _, at| record.claim_check(input, at))
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        self.change("judge", of, |record, rules, at| {
            record.judge(input, rules, at)
        })
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        self.change("put_back", of, |record, rules, at| {
            record.put_back(input, rules, at)
        })
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        self.change("suspect", of, |record, rules, at| {
            record.suspect(input, rules, at);
        })
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        self.change("set_pause", of, |record, _, at| record.set_pause(input, at))
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        self.called("read")?;
        let read = |of: &&Subject| match held(&self.broken).get(&of.credential) {
            Some(error) => Err(error.clone()),
            None => self.edit(of, |record, at| {
                record.open(&of.rules, Fingerprint::new(1), at)?;
                let answer = record.clone();
                Ok(Stamped { at, answer })
            }),
        };
        Ok(of.iter().map(read).collect())
    }

    async fn ask(&self, _: &Subject) -> Result<(), StoreError> {
        self.called("ask")
    }

    fn is_shared(&self) -> bool {
        true
    }
}
