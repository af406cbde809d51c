//! The `Store` port on Redis: one script a change, one pipeline a batch of looks.

use std::time::Duration;

use async_trait::async_trait;
use redis::{RedisError, RedisResult, Script, Value};

use super::answers::{self, Answer};
use super::arguments::Arguments;
use super::connection::{Connections, RedisSettings, ServerClock, SettingsError};
use super::keys::{self, Keys};
use super::scripts::Scripts;
use super::signals::RedisSignals;
use crate::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use crate::domain::secret::Fingerprint;
use crate::ports::{BegunIn, Stamped, Store, StoreError, Subject};

/// How many records are read in one pipeline: few enough to answer well within a reply's time.
const BATCH: usize = 200;

/// The store that replicas share.
pub struct RedisStore {
    connections: Connections,
    keys: Keys,
    scripts: Scripts,
    origin: Fingerprint,
    clock: ServerClock,
    confirm_within: Duration,
    signals: RedisSignals,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore")
            .field("connections", &self.connections)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Prepares the store. Nothing is connected before the first call, so that a broker starts while
    /// Redis is away.
    ///
    /// # Errors
    /// Says which setting cannot be used.
    pub fn new(settings: &RedisSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            connections: Connections::new(settings)?,
            keys: Keys::under(settings.namespace.clone()),
            scripts: Scripts::new(),
            origin: settings.origin,
            clock: settings.clock.clone(),
            // WAIT must answer before its reply is given up.
            confirm_within: settings.reply_timeout / 2,
            signals: RedisSignals::new(settings)?,
        })
    }

    /// What the store tells without being asked; to be run by a task of its own.
    #[must_use]
    pub fn signals(&self) -> RedisSignals {
        self.signals.clone()
    }

    /// Makes a change, and where `then` says so stays on the same connection.
    async fn change<T>(
        &self,
        script: &Script,
        of: &Subject,
        arguments: Arguments,
        read: impl FnOnce(&mut Answer) -> Result<T, StoreError>,
    ) -> Result<Stamped<T>, StoreError> {
        let mut connection = self.connections.get().await?;
        match self.invoke(script, of, arguments, &mut connection).await {
            Ok(words) => Answer::of(words, self.origin)?.stamped(read),
            Err(error) => Err(self.connections.give_up(connection, &error)),
        }
    }

    async fn invoke(
        &self,
        script: &Script,
        of: &Subject,
        mut arguments: Arguments,
        connection: &mut deadpool_redis::Connection,
    ) -> RedisResult<Vec<String>> {
        arguments.text("clock", self.clock.argument());
        arguments.text("origin", self.origin.to_string());
        arguments.text("channel", self.keys.signals());
        arguments.text("credential", keys::words(&of.credential));
        script
            .key(self.keys.grant(&of.credential))
            .key(self.keys.state(&of.credential))
            .arg(arguments.as_list())
            .invoke_async(connection)
            .await
    }

    /// Whether what this connection wrote last is on a second machine, where there is one.
    ///
    /// `INFO` counts a replica that is still catching up, `ROLE` does not: a lease handed out meanwhile
    /// would pass for one that has nobody to be lost by.
    async fn confirmed(&self, connection: &mut deadpool_redis::Connection) -> RedisResult<bool> {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(connection)
            .await?;
        let says = |line: &str| info.lines().any(|told| told == line);
        if !says("role:master") {
            // Demoted since: nothing that was written here is safe.
            return Ok(false);
        }
        if says("connected_slaves:0") {
            return Ok(true);
        }
        let within = self.confirm_within.as_millis().max(1);
        let replicas: u64 = redis::cmd("WAIT")
            .arg(1)
            .arg(u64::try_from(within).unwrap_or(u64::MAX))
            .query_async(connection)
            .await?;
        Ok(replicas >= 1)
    }

    async fn read_batch(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let mut connection = self.connections.get().await?;
        let script = &self.scripts.read;
        let clock = self.clock.argument();
        let mut pipeline = redis::pipe();
        // Loaded with each batch, which costs a few bytes: inside a pipeline there is no second try.
        pipeline.load_script(script).ignore();
        for subject in of {
            pipeline.invoke_script(
                script
                    .key(self.keys.grant(&subject.credential))
                    .key(self.keys.state(&subject.credential))
                    .arg(&clock),
            );
        }
        let values: Result<Vec<Value>, RedisError> = pipeline.query_async(&mut connection).await;
        let values = values.map_err(|error| self.connections.give_up(connection, &error))?;
        if values.len() != of.len() {
            return Err(StoreError::Away("half an answer".to_owned()));
        }
        let opened = |(subject, value): (&&Subject, Value)| {
            let mut read = answers::record(value)?;
            read.answer.open(&subject.rules, self.origin, read.at)?;
            Ok(read)
        };
        Ok(of.iter().zip(values).map(opened).collect())
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let arguments = Arguments::of(&of.rules).begin(input, &of.rules);
        let mut connection = self.connections.get().await?;
        let words = match self
            .invoke(&self.scripts.begin, of, arguments, &mut connection)
            .await
        {
            Ok(words) => words,
            Err(error) => return Err(self.connections.give_up(connection, &error)),
        };
        let Stamped { at, answer: begun } =
            Answer::of(words, self.origin)?.stamped(Answer::begun)?;
        let confirmed = if matches!(begun, Begun::Granted(_)) {
            match self.confirmed(&mut connection).await {
                Ok(confirmed) => confirmed,
                // The lease is held, only nobody knows how safely; a refusal is for people to mend.
                Err(error) => match self.connections.give_up(connection, &error) {
                    StoreError::Away(_) => false,
                    refusal => return Err(refusal),
                },
            }
        } else {
            true
        };
        Ok(Stamped {
            at,
            answer: BegunIn { begun, confirmed },
        })
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        let arguments = Arguments::of(&of.rules).commit(input);
        self.change(&self.scripts.commit, of, arguments, Answer::committed)
            .await
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        let arguments = Arguments::of(&of.rules).fail(input);
        self.change(&self.scripts.fail, of, arguments, |_| Ok(()))
            .await
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        let arguments = Arguments::of(&of.rules).release(input);
        self.change(&self.scripts.release, of, arguments, |_| Ok(()))
            .await
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let arguments = Arguments::of(&of.rules).claim_check(input);
        self.change(&self.scripts.claim_check, of, arguments, Answer::claimed)
            .await
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        let arguments = Arguments::of(&of.rules).judge(input);
        self.change(&self.scripts.judge, of, arguments, Answer::judged)
            .await
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        let arguments = Arguments::of(&of.rules).put_back(input);
        self.change(&self.scripts.put_back, of, arguments, Answer::put_back)
            .await
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        let arguments = Arguments::of(&of.rules).suspect(input);
        self.change(&self.scripts.suspect, of, arguments, |_| Ok(()))
            .await
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        let arguments = Arguments::of(&of.rules).set_pause(input);
        self.change(&self.scripts.set_pause, of, arguments, |_| Ok(()))
            .await
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let mut records = Vec::with_capacity(of.len());
        for batch in of.chunks(BATCH) {
            records.extend(self.read_batch(batch).await?);
        }
        Ok(records)
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        let mut connection = self.connections.get().await?;
        let published: RedisResult<()> = redis::cmd("PUBLISH")
            .arg(self.keys.signals())
            .arg(keys::asked(&of.credential))
            .query_async(&mut connection)
            .await;
        published.map_err(|error| self.connections.give_up(connection, &error))
    }

    fn is_shared(&self) -> bool {
        true
    }
}
