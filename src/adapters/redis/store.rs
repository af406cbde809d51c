//! The `Store` port on Redis: one script a change, one pipeline a batch of looks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{RedisResult, Script};

use super::answers::Answer;
use super::arguments::Arguments;
use super::fault::Fault;
use super::invocation::Invocation;
use super::keys::{self, Keys};
use super::pool::Connection;
use super::route::Route;
use super::scripts::Scripts;
use super::servers::Servers;
use super::settings::{RedisSettings, ServerClock, SettingsError};
use super::signals::RedisSignals;
use super::slots::slot_of;
use crate::adapters::record::StoredGrant;
use crate::adapters::sealed::{Seals, unknown_key};
use crate::domain::credential::Mode;
use crate::domain::protocol::{
    Attempt, Begin, Begun, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use crate::domain::secret::Fingerprint;
use crate::domain::time::Timestamp;
use crate::ports::{BegunIn, SealRefusal, Stamped, Store, StoreError, Subject};

/// The store that replicas share.
pub struct RedisStore {
    pub(super) servers: Arc<Servers>,
    pub(super) keys: Keys,
    pub(super) scripts: Scripts,
    pub(super) origin: Fingerprint,
    pub(super) clock: ServerClock,
    pub(super) seals: Arc<Seals>,
    confirm_within: Duration,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", &self.servers)
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
            servers: Arc::new(Servers::new(settings)?),
            keys: Keys::under(settings.namespace.clone()),
            scripts: Scripts::new(),
            origin: settings.origin,
            clock: settings.clock.clone(),
            seals: Seals::none(),
            // WAIT must answer before its reply is given up.
            confirm_within: settings.reply_timeout / 2,
        })
    }

    /// The same with grants sealed.
    #[must_use]
    pub fn sealed_by(self, seals: Arc<Seals>) -> Self {
        Self { seals, ..self }
    }

    pub(super) fn keys_of(&self, of: &Subject) -> [String; 2] {
        let credential = &of.credential;
        [self.keys.grant(credential), self.keys.state(credential)]
    }

    /// What the store tells without being asked; to be run by a task of its own.
    #[must_use]
    pub fn signals(&self) -> RedisSignals {
        RedisSignals::of(Arc::clone(&self.servers), &self.keys)
    }

    /// Makes a change.
    async fn change<T>(
        &self,
        script: &Script,
        of: &Subject,
        arguments: Arguments,
        read: impl FnOnce(&mut Answer) -> Result<T, StoreError>,
    ) -> Result<Stamped<T>, StoreError> {
        let invocation = self.invocation(script, of, arguments);
        let words = invocation.run(&self.servers).await?;
        Answer::of(words, self.origin)?.stamped(read)
    }

    fn invocation<'a>(
        &self,
        script: &'a Script,
        of: &Subject,
        mut arguments: Arguments,
    ) -> Invocation<'a, Arguments> {
        arguments.text("clock", self.clock.argument());
        arguments.text("origin", self.origin.to_string());
        arguments.text("channel", self.keys.signals());
        arguments.text("credential", keys::words(&of.credential));
        Invocation {
            script,
            keys: self.keys_of(of),
            arguments,
        }
    }

    /// begin, with a grant that can be read where it answers with one. A grant that is refused is taken away
    /// by a look at it, and the question is asked again with the same nonce.
    async fn begin_opened(
        &self,
        of: &Subject,
        input: &Begin,
    ) -> Result<(Stamped<Begun>, Connection), StoreError> {
        let mut refused = false;
        loop {
            let arguments = Arguments::of(&of.rules).begin(input, &of.rules);
            let invocation = self.invocation(&self.scripts.begin, of, arguments);
            let (words, connection) = invocation.run_alone(&self.servers).await?;
            let Stamped { at, answer } = Answer::of(words, self.origin)?.stamped(Answer::begun)?;
            let stored = match answer {
                Ok(answer) => return Ok((Stamped { at, answer }, connection)),
                Err(stored) => stored,
            };
            let text = stored.grant.value.clone();
            match self.seals.open(&of.credential, stored) {
                Ok(grant) => {
                    let answer = Begun::Fresh(grant);
                    return Ok((Stamped { at, answer }, connection));
                }
                Err(SealRefusal::UnknownKey) => return Err(unknown_key(&text)),
                Err(_) if refused => {
                    return Err(StoreError::Unreadable(
                        "the grant is damaged, again after it was taken away".to_owned(),
                    ));
                }
                Err(_) => {
                    drop(connection);
                    self.read_one(of).await?;
                    refused = true;
                }
            }
        }
    }

    /// The record before a change of which something is to be sealed that only the record tells. `None` for a
    /// ticket, of which nothing is, and where it cannot be read: of that nothing could be made.
    async fn before(&self, of: &Subject) -> Result<Option<Stamped<Record>>, StoreError> {
        let may_be_renewed = of.rules.mode == Mode::Stable && self.seals.seals();
        if !of.rules.checkable && !may_be_renewed {
            return Ok(None);
        }
        match self.read_one(of).await {
            Ok(read) => Ok(Some(read)),
            Err(away @ StoreError::Away(_)) => Err(away),
            Err(_) => Ok(None),
        }
    }

    /// A commit of a stable token may find the same one stored, whose seal is for another expiry.
    fn renewed(
        &self,
        of: &Subject,
        before: Option<&Record>,
        input: &Commit,
    ) -> Result<Option<StoredGrant>, StoreError> {
        match before.and_then(|record| record.grant.as_ref()) {
            Some(stored) if of.rules.mode == Mode::Stable && self.seals.seals() => {
                self.seals.renewed(&of.credential, stored, &input.grant)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// What a change makes of the earlier tokens, as the script is to store it: nothing where it is to leave them
    /// as they are. They decide nothing, so that a change by another replica since `before` costs some of them at
    /// most.
    fn earlier(
        &self,
        of: &Subject,
        before: Option<Stamped<Record>>,
        change: impl FnOnce(&mut Record, Timestamp),
    ) -> Result<Option<String>, StoreError> {
        let Some(Stamped { at, answer }) = before.filter(|_| of.rules.checkable) else {
            return Ok(None);
        };
        let mut record = answer;
        change(&mut record, at);
        let text = self
            .seals
            .seal_earlier(&of.credential, &record.state.earlier)?;
        Ok(Some(text.unwrap_or_default()))
    }

    /// Whether what this connection wrote last is on a second machine, where there is one.
    ///
    /// `INFO` counts a replica that is still catching up, `ROLE` does not: a lease handed out meanwhile
    /// would pass for one that has nobody to be lost by.
    async fn confirmed(&self, connection: &mut Connection) -> RedisResult<bool> {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut **connection)
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
            .query_async(&mut **connection)
            .await?;
        Ok(replicas >= 1)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let (Stamped { at, answer: begun }, mut connection) = self.begin_opened(of, input).await?;
        let confirmed = if matches!(begun, Begun::Granted(_)) {
            match self.confirmed(&mut connection).await {
                Ok(confirmed) => confirmed,
                // The lease is held, only nobody knows how safely; a refusal is for people to mend.
                Err(error) => {
                    let (server, fault) = (connection.address(), Fault::from(error));
                    connection.close();
                    match self.servers.complain(&server, fault) {
                        StoreError::Away(_) => {
                            self.servers.distrust(&server);
                            false
                        }
                        refusal => return Err(refusal),
                    }
                }
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
        let grant = self.seals.seal(&of.credential, &input.grant)?;
        let before = self.before(of).await?;
        let renewed = self.renewed(of, before.as_ref().map(|before| &before.answer), input)?;
        let earlier = self.earlier(of, before, |record, at| {
            record.commit(input, &of.rules, at);
        })?;
        let arguments =
            Arguments::of(&of.rules).commit(&input.attempt, &grant, renewed.as_ref(), earlier);
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
        self.change(&self.scripts.claim_check, of, arguments, |answer| {
            answer.claimed(input.version)
        })
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
        let grant = self.seals.seal(&of.credential, &input.grant)?;
        let before = self.before(of).await?;
        let earlier = self.earlier(of, before, |record, at| {
            record.put_back(input, &of.rules, at);
        })?;
        let arguments = Arguments::of(&of.rules).put_back(&grant, &input.memory, earlier);
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
        self.read_all(of).await
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        // Any server would do; the one that has the keys is likely to be connected.
        let slot = slot_of(&self.keys.state(&of.credential));
        let mut route = Route::to(&self.servers, slot);
        loop {
            let mut connection = route.connection().await?;
            let message = redis::cmd("PUBLISH")
                .arg(self.keys.signals())
                .arg(keys::asked(&of.credential))
                .to_owned();
            match route.wait_for(message.exec_async(&mut *connection)).await {
                Ok(()) => return Ok(()),
                Err(error) => route.follow(connection, &error).await?,
            }
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn evicts(&self) -> bool {
        self.servers.evicts()
    }

    fn complaint(&self) -> Option<String> {
        self.servers.complaint()
    }
}
