//! The `Store` port on one file: the protocol's functions, each in a transaction that is on the disk when
//! it answers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _};

use super::database::OpenDatabase;
use super::file::{CHANGED_AT, META, OpenError, RECORDS};
use super::form;
use super::time::SteadyWallClock;
use crate::adapters::sealed::{Revealed, Seals};
use crate::domain::protocol::{
    Attempt, Begin, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use crate::domain::rules::Rules;
use crate::domain::secret::Fingerprint;
use crate::domain::time::Timestamp;
use crate::ports::{BegunIn, Stamped, Store, StoreError, Subject};

/// Where the store takes its time from.
pub type TimeSource = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The store of a broker that runs as one process.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
    seals: Arc<Seals>,
}

struct Inner {
    database: OpenDatabase,
    origin: Fingerprint,
    now: TimeSource,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the file, or makes it and its directory.
    ///
    /// # Errors
    /// [`OpenError`] names the file, which was left as it is.
    pub fn open(path: impl AsRef<Path>, origin: Fingerprint) -> Result<Self, OpenError> {
        let (database, changed_at) = OpenDatabase::open(path.as_ref().to_owned())?;
        let clock = SteadyWallClock::starting_at(changed_at);
        let now: TimeSource = Arc::new(move || clock.now());
        Ok(Self::with(database, origin, now))
    }

    /// As [`EmbeddedStore::open`], going by `now` as it is, backward steps included: for tests.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(
        path: impl AsRef<Path>,
        origin: Fingerprint,
        now: TimeSource,
    ) -> Result<Self, OpenError> {
        let (database, _) = OpenDatabase::open(path.as_ref().to_owned())?;
        Ok(Self::with(database, origin, now))
    }

    fn with(database: OpenDatabase, origin: Fingerprint, now: TimeSource) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                origin,
                now,
            }),
            seals: Seals::none(),
        }
    }

    /// The same with grants sealed.
    #[must_use]
    pub fn sealed_by(self, seals: Arc<Seals>) -> Self {
        Self { seals, ..self }
    }

    /// Makes one change on a thread that may wait for the disk.
    async fn change<T: Send + 'static>(
        &self,
        of: &Subject,
        make: impl FnOnce(&mut Record, &Rules, Timestamp) -> T + Send + 'static,
    ) -> Result<Stamped<T>, StoreError> {
        let store = self.clone();
        let of = of.clone();
        blocking(move || {
            let database = &store.inner.database;
            database.with(|database| store.change_now(database, &of, make))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Away("the runtime is shutting down".to_owned())))
}

impl EmbeddedStore {
    fn change_now<T>(
        &self,
        database: &Database,
        of: &Subject,
        make: impl FnOnce(&mut Record, &Rules, Timestamp) -> T,
    ) -> Result<Stamped<T>, StoreError> {
        let key = of.credential.to_string();
        let mut transaction = database.begin_write().map_err(refused)?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(refused)?;
        // Read inside the transaction, so that times are in the order of the changes.
        let now = (self.inner.now)();
        let (stored, answer) = {
            let mut records = transaction.open_table(RECORDS).map_err(refused)?;
            let stored = match records.get(key.as_str()).map_err(refused)? {
                Some(bytes) => self.decode(of, bytes.value(), now)?,
                None => Revealed::default(),
            };
            let mut record = stored.record.clone();
            record.open(&of.rules, self.inner.origin, now)?;
            let answer = make(&mut record, &of.rules, now);
            let changed = record != stored.record || stored.refused.is_some();
            if changed {
                let bytes = form::encode(&self.seals, of, &record)?;
                records
                    .insert(key.as_str(), bytes.as_slice())
                    .map_err(refused)?;
            }
            (changed, answer)
        };
        if stored {
            transaction
                .open_table(META)
                .and_then(|mut meta| Ok(meta.insert(CHANGED_AT, now.as_micros()).map(|_| ())?))
                .map_err(refused)?;
            transaction.commit().map_err(refused)?;
        } else {
            transaction.abort().map_err(refused)?;
        }
        Ok(Stamped { at: now, answer })
    }

    fn read_now(
        &self,
        database: &Database,
        of: &[Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let inner = &*self.inner;
        let transaction = database.begin_read().map_err(refused)?;
        let records = transaction.open_table(RECORDS).map_err(refused)?;
        let now = (inner.now)();
        let read_one = |subject: &Subject| {
            let key = subject.credential.to_string();
            let mut record = match records.get(key.as_str()).map_err(refused)? {
                Some(bytes) => self.decode(subject, bytes.value(), now)?.record,
                None => Record::default(),
            };
            record.open(&subject.rules, inner.origin, now)?;
            Ok(Stamped {
                at: now,
                answer: record,
            })
        };
        Ok(of.iter().map(read_one).collect())
    }

    fn decode(&self, of: &Subject, bytes: &[u8], now: Timestamp) -> Result<Revealed, StoreError> {
        let revealed = form::decode(&self.seals, of, bytes, now)?;
        if let Some(refusal) = revealed.refused {
            self.seals.discarded(&of.credential, refusal);
        }
        Ok(revealed)
    }
}

/// The disk is full, or broken, or redb has found its file damaged, or refuses everything since then.
fn refused(error: impl fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let input = *input;
        self.change(of, move |record, rules, now| BegunIn {
            begun: record.begin(&input, rules, now),
            confirmed: true,
        })
        .await
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        let input = input.clone();
        self.change(of, move |record, rules, now| {
            record.commit(&input, rules, now)
        })
        .await
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change(of, move |record, rules, now| {
            record.fail(&input, rules, now);
        })
        .await
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change(of, move |record, rules, _| record.release(&input, rules))
            .await
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let input = *input;
        self.change(of, move |record, _, now| record.claim_check(&input, now))
            .await
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        let input = *input;
        self.change(of, move |record, rules, now| {
            record.judge(&input, rules, now)
        })
        .await
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        let input = input.clone();
        self.change(of, move |record, rules, now| {
            record.put_back(&input, rules, now)
        })
        .await
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change(of, move |record, rules, now| {
            record.suspect(&input, rules, now);
        })
        .await
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        let input = *input;
        self.change(of, move |record, _, now| record.set_pause(&input, now))
            .await
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let store = self.clone();
        let of: Vec<_> = of.iter().map(|subject| (*subject).clone()).collect();
        blocking(move || {
            let database = &store.inner.database;
            database.with(|database| store.read_now(database, &of))
        })
        .await
    }

    async fn ask(&self, _of: &Subject) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}
