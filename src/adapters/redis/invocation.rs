//! Running scripts: one where its keys are, or many looks at once.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::iter;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, Value};
use tokio::time::timeout_at;

use super::answers::Look;
use super::fault::Fault;
use super::keys;
use super::pool::Connection;
use super::route::Route;
use super::servers::Servers;
use super::slots::slot_of;
use super::store::RedisStore;
use crate::domain::protocol::Record;
use crate::ports::{SealRefusal, Stamped, StoreError, Subject};
use crate::redis_url::Address;

/// How many records are read in one pipeline: few enough to answer well within a reply's time.
const BATCH: usize = 200;

/// How many arguments a call has, and how many bytes they are, as a rule: it grows for a commit.
const USUAL_ARGUMENTS: usize = 48;
const USUAL_LENGTH: usize = 1024;

/// How many records are looked at by themselves at once.
const ALONE_AT_ONCE: usize = 8;

type Reading = Result<Stamped<Record>, StoreError>;

/// How often a record is looked at whose grant was refused and taken away each time.
const LOOKS: usize = 3;

/// A record that was read, and its grant's fields where that was refused.
type Revealed = (Stamped<Record>, Option<Refused>);

/// A grant's fields as they are stored, and why they are refused.
type Refused = (Vec<Vec<u8>>, SealRefusal);

/// One call of one script.
pub(super) struct Invocation<'a, A> {
    pub(super) script: &'a Script,
    /// Both in one slot.
    pub(super) keys: [String; 2],
    pub(super) arguments: A,
}

impl<A: redis::ToRedisArgs> Invocation<'_, A> {
    /// Runs it where its keys are; its answer.
    pub(super) async fn run<T: redis::FromRedisValue>(
        &self,
        servers: &Servers,
    ) -> Result<T, StoreError> {
        let route = Route::to(servers, slot_of(&self.keys[0]));
        let (answer, _) = self.run_along(route).await?;
        Ok(answer)
    }

    /// The same on a connection of its own, which is answered too.
    pub(super) async fn run_alone<T: redis::FromRedisValue>(
        &self,
        servers: &Servers,
    ) -> Result<(T, Connection), StoreError> {
        self.run_along(Route::to(servers, slot_of(&self.keys[0])).alone())
            .await
    }

    async fn run_along<T: redis::FromRedisValue>(
        &self,
        mut route: Route<'_>,
    ) -> Result<(T, Connection), StoreError> {
        let command = self.command();
        loop {
            let mut connection = route.connection().await?;
            let answer = self.call(&command, route.is_asking(), &mut connection);
            match route.wait_for(answer).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(error) => route.follow(connection, &error).await?,
            }
        }
    }

    fn command(&self) -> Cmd {
        let mut command = Cmd::with_capacity(USUAL_ARGUMENTS, USUAL_LENGTH);
        command
            .arg("EVALSHA")
            .arg(self.script.get_hash())
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.arguments);
        command
    }

    async fn call<T: redis::FromRedisValue>(
        &self,
        command: &Cmd,
        asking: bool,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        if !asking {
            match command.query_async(&mut **connection).await {
                Err(error) if is_unknown_script(&error) => {}
                answer => return answer,
            }
        }
        let mut pipeline = redis::pipe();
        pipeline.load_script(self.script).ignore();
        if asking {
            // For the next command only.
            pipeline.cmd("ASKING").ignore();
        }
        // One by one: an error of several has no address to go to.
        pipeline.add_command(command.clone()).ignore_errors();
        let answers: Vec<RedisResult<T>> = pipeline.query_async(&mut **connection).await?;
        answers.into_iter().next().unwrap_or_else(|| Err(cut()))
    }
}

impl RedisStore {
    /// Reads records, from all servers at once, from each in batches.
    pub(super) async fn read_all(&self, of: &[&Subject]) -> Result<Vec<Reading>, StoreError> {
        let deadline = self.servers.deadline();
        let map = match timeout_at(deadline, self.servers.map()).await {
            Ok(map) => map?,
            Err(_) => return Err(silent()),
        };
        let mut of_server: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
        let mut readings: Vec<Option<Reading>> = vec![None; of.len()];
        for (index, subject) in of.iter().enumerate() {
            match map.owner(slot_of(&self.keys.state(&subject.credential))) {
                Some(server) => of_server.entry(server).or_default().push(index),
                None => {
                    self.servers.topology().doubt();
                    let nobody = "no node of the cluster has this slot";
                    readings[index] = Some(Err(StoreError::Away(nobody.to_owned())));
                }
            }
        }
        let of_servers = of_server.iter().map(|(server, indices)| async move {
            let mut read = Vec::with_capacity(indices.len());
            for batch in indices.chunks(BATCH) {
                read.extend(self.read_batch(server, of, batch).await);
            }
            read
        });
        let mut alone = Vec::new();
        for (index, reading) in join_all(of_servers).await.into_iter().flatten() {
            match reading {
                Some(reading) => readings[index] = Some(reading),
                None => alone.push(index),
            }
        }
        let look_again = |index: usize| async move { (index, self.read_one(of[index]).await) };
        let found: Vec<_> = iter(alone.into_iter().map(look_again))
            .buffer_unordered(ALONE_AT_ONCE)
            .collect()
            .await;
        for (index, reading) in found {
            readings[index] = Some(reading);
        }
        let readings: Vec<Reading> = readings.into_iter().flatten().collect();
        match readings.first() {
            Some(Err(error)) if readings.iter().all(concerns_more_than_a_record) => {
                Err(error.clone())
            }
            _ => Ok(readings),
        }
    }

    /// Reads some records from one server, each with its index; `None` where one is to be looked at by itself:
    /// it has moved, or its grant was refused.
    async fn read_batch(
        &self,
        server: &Address,
        of: &[&Subject],
        indices: &[usize],
    ) -> Vec<(usize, Option<Reading>)> {
        match self.ask_for(server, of, indices).await {
            Ok(answers) => indices
                .iter()
                .zip(answers)
                .map(|(&index, answer)| (index, self.opened(server, of[index], answer)))
                .collect(),
            Err(error) => {
                let all = |&index| (index, Some(Err(error.clone())));
                indices.iter().map(all).collect()
            }
        }
    }

    async fn ask_for(
        &self,
        server: &Address,
        of: &[&Subject],
        indices: &[usize],
    ) -> Result<Vec<RedisResult<Value>>, StoreError> {
        let deadline = self.servers.deadline();
        let mut connection = match timeout_at(deadline, self.servers.connect(server)).await {
            Ok(Ok(connection)) => connection,
            failed => {
                self.servers.topology().doubt();
                return Err(failed.ok().and_then(Result::err).unwrap_or_else(silent));
            }
        };
        let mut pipeline = redis::pipe();
        // Loaded with each batch, which costs a few bytes: inside a pipeline there is no second try.
        pipeline.load_script(&self.scripts.read).ignore();
        for &index in indices {
            pipeline.add_command(self.look_at(of[index]).command());
        }
        // Each by itself: one slot that has moved is no reason to ask for all the others again.
        pipeline.ignore_errors();
        let answers: RedisResult<Vec<RedisResult<Value>>> =
            pipeline.query_async(&mut *connection).await;
        match answers {
            Ok(answers) if answers.len() == indices.len() => Ok(answers),
            Ok(_) => {
                connection.close();
                Err(StoreError::Away("half an answer".to_owned()))
            }
            Err(error) => {
                connection.close();
                self.servers.distrust(server);
                Err(self.servers.complain(server, Fault::from(error)))
            }
        }
    }

    /// Reads a record. A grant that is refused is of no use to anybody and taken away.
    pub(super) async fn read_one(&self, of: &Subject) -> Reading {
        let mut looks = 1;
        loop {
            let value = self.look_at(of).run(&self.servers).await?;
            match self.open(of, value)? {
                (_, Some(refused)) if looks < LOOKS => self.discard(of, refused).await?,
                (record, _) => return Ok(record),
            }
            looks += 1;
        }
    }

    /// Takes a refused grant away, unless another one is stored by now.
    async fn discard(&self, of: &Subject, (fields, why): Refused) -> Result<(), StoreError> {
        let words = keys::words(&of.credential);
        let mut arguments = vec![
            self.keys.signals().into_bytes(),
            keys::changed(&words).into_bytes(),
        ];
        arguments.extend(fields);
        let discard = Invocation {
            script: &self.scripts.discard,
            keys: self.keys_of(of),
            arguments,
        };
        let answer = discard.run::<Vec<String>>(&self.servers).await?;
        if answer == ["discarded"] {
            self.seals.discarded(&of.credential, why);
        }
        Ok(())
    }

    fn look_at(&self, of: &Subject) -> Invocation<'_, String> {
        Invocation {
            script: &self.scripts.read,
            keys: self.keys_of(of),
            arguments: self.clock.argument(),
        }
    }

    fn opened(
        &self,
        server: &Address,
        of: &Subject,
        answer: RedisResult<Value>,
    ) -> Option<Reading> {
        match answer {
            Ok(value) => match self.open(of, value) {
                Ok((record, None)) => Some(Ok(record)),
                Ok((_, Some(_))) => None,
                Err(error) => Some(Err(error)),
            },
            Err(error) if self.servers.is_cluster() && error.is_cluster_error() => {
                self.servers.topology().doubt();
                None
            }
            Err(error) => Some(Err(self.servers.complain(server, Fault::from(error)))),
        }
    }

    fn open(&self, of: &Subject, value: Value) -> Result<Revealed, StoreError> {
        let look = Look::of(value)?;
        let at = look.at;
        let state = self.seals.state(&of.credential, &look.state()?)?;
        let revealed = self.seals.reveal(of, state, &look.grant()?, at)?;
        let mut answer = revealed.record;
        answer.open(&of.rules, self.origin, at)?;
        let refused = match revealed.refused {
            Some(why) => Some((owned(&look.grant_as_stored()?), why)),
            None => None,
        };
        Ok((Stamped { at, answer }, refused))
    }
}

fn owned(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

const fn concerns_more_than_a_record(reading: &Reading) -> bool {
    matches!(reading, Err(StoreError::Away(_) | StoreError::Refused(_)))
}

fn silent() -> StoreError {
    StoreError::Away("no connection in time".to_owned())
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn cut() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}
