//! The Lua scripts, the embedded store and the pure protocol are one: random histories run through all
//! of them, sealed and in the clear, and every answer and the whole record are compared after each step.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use token_broker::adapters::embedded::EmbeddedStore;
use token_broker::domain::credential::Kind;
use token_broker::domain::earlier::EarlierTokens;
use token_broker::domain::protocol::{Attempt, Begun, Record};
use token_broker::domain::rules::Rules;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{Stamped, Store, StoreError, Subject};
use token_broker::sealing::Sealing;

use super::everywhere::patient;
use super::history::{Call, Past, Permitted, Step, history};
use super::sample::{self, ORIGIN};
use super::seals::{K1, seals};
use crate::support::redis::RedisServer;

/// Where each history begins, in microseconds.
const START: u64 = 1_700_000_000_123_456;

/// Histories in a run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 200;

/// Stores, and the time that they share with the protocol.
pub(super) struct World {
    pub(super) now: Arc<AtomicU64>,
    pub(super) stores: Vec<(&'static str, Box<dyn Store>)>,
}

/// An answer of any call, to be compared.
type Answer = String;

fn pure(
    record: &mut Record,
    call: &Call,
    rules: &Rules,
    now: Timestamp,
) -> (Answer, Option<Begun>) {
    let answer = match call {
        Call::Begin(input) => {
            let begun = record.begin(input, rules, now);
            return (format!("{begun:?}"), Some(begun));
        }
        Call::Commit(input) => format!("{:?}", record.commit(input, rules, now)),
        Call::Fail(input) => format!("{:?}", record.fail(input, rules, now)),
        Call::Release(input) => format!("{:?}", record.release(input, rules)),
        Call::Claim(input) => format!("{:?}", record.claim_check(input, now)),
        Call::Judge(input) => format!("{:?}", record.judge(input, rules, now)),
        Call::PutBack(input) => format!("{:?}", record.put_back(input, rules, now)),
        Call::Suspect(input) => format!("{:?}", record.suspect(input, rules, now)),
        Call::Pause(input) => format!("{:?}", record.set_pause(input, now)),
    };
    (answer, None)
}

/// The same where nobody remembers earlier tokens: what it answers and leaves must be the same but for these.
fn forgetful(record: &Record, call: &Call, rules: &Rules, now: Timestamp) -> (Answer, Record) {
    let (mut record, mut call) = (without_earlier(record), call.clone());
    if let Call::PutBack(put_back) = &mut call {
        put_back.earlier = EarlierTokens::default();
    }
    let (answer, _) = pure(&mut record, &call, rules, now);
    (answer, without_earlier(&record))
}

fn without_earlier(record: &Record) -> Record {
    let mut record = record.clone();
    record.state.earlier = EarlierTokens::default();
    record
}

async fn stored(
    store: &dyn Store,
    call: &Call,
    of: &Subject,
) -> Result<Stamped<Answer>, StoreError> {
    fn text<T: std::fmt::Debug>(stamped: Stamped<T>) -> Stamped<Answer> {
        Stamped {
            at: stamped.at,
            answer: format!("{:?}", stamped.answer),
        }
    }
    match call {
        Call::Begin(input) => store.begin(of, input).await.map(|stamped| {
            assert!(stamped.answer.confirmed, "no replica, or one that follows");
            text(Stamped {
                at: stamped.at,
                answer: stamped.answer.begun,
            })
        }),
        Call::Commit(input) => store.commit(of, input).await.map(text),
        Call::Fail(input) => store.fail(of, input).await.map(text),
        Call::Release(input) => store.release(of, input).await.map(text),
        Call::Claim(input) => store.claim_check(of, input).await.map(text),
        Call::Judge(input) => store.judge(of, input).await.map(text),
        Call::PutBack(input) => store.put_back(of, input).await.map(text),
        Call::Suspect(input) => store.suspect(of, input).await.map(text),
        Call::Pause(input) => store.set_pause(of, input).await.map(text),
    }
}

impl World {
    /// A time that stands where histories begin.
    pub(super) fn beginning() -> Arc<AtomicU64> {
        Arc::new(AtomicU64::new(START))
    }

    /// Runs so many random histories through the stores and the protocol.
    pub(super) fn live(&self, histories: u32) {
        if let Err(difference) = self.differs(histories, Config::default().max_shrink_iters) {
            panic!("{difference}");
        }
    }

    /// The same; `Err` tells where they differ, after so many tries to tell it shortly.
    pub(super) fn differs(&self, histories: u32, max_shrink_iters: u32) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let config = Config {
            cases: histories,
            failure_persistence: None,
            max_shrink_iters,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&history(), |(rules, steps)| {
            runtime.block_on(self.live_through(&rules, &steps))
        });
        outcome.map_err(|error| error.to_string())
    }

    async fn live_through(&self, rules: &Rules, steps: &[Step]) -> Result<(), TestCaseError> {
        let begins_anew = || {
            let mut of = sample::subject(rules.mode);
            of.rules = rules.clone().into();
            if !rules.checkable {
                of.credential.kind = Kind::JsapiTicket;
            }
            of
        };
        let mut of = begins_anew();
        let mut record = Record::default();
        let mut past = Past::default();
        let mut now = Timestamp::from_micros(START);
        for step in steps {
            match step {
                Step::Wait(micros) => now = now + Duration::from_micros(*micros),
                Step::Back(micros) => now = now - Duration::from_micros(*micros),
                Step::ToDeadline(deadline, by) => {
                    if let Some(at) = deadline.of(&record, rules) {
                        let there = at.as_micros().saturating_add_signed(*by);
                        now = now.max(Timestamp::from_micros(there));
                    }
                }
                Step::Loss => {
                    record = Record::default();
                    of = begins_anew();
                }
                _ => {}
            }
            self.now.store(now.as_micros(), Ordering::SeqCst);
            let Some(call) = past.call(step, &record, now) else {
                self.compare(&record, &of, now, step).await?;
                continue;
            };
            record.open(&of.rules, ORIGIN, now).unwrap();
            let forgetful = forgetful(&record, &call, rules, now);
            let (expected, begun) = pure(&mut record, &call, rules, now);
            if forgetful != (expected.clone(), without_earlier(&record)) {
                return Err(TestCaseError::fail(format!(
                    "earlier tokens decide about {call:?}: {expected}"
                )));
            }
            if let (Call::Begin(input), Some(Begun::Granted(permit))) = (&call, begun) {
                past.attempts.push(Permitted {
                    attempt: Attempt {
                        epoch: permit.epoch,
                        nonce: input.nonce,
                    },
                    begun_at: permit.begun_at,
                    secret: input.secret,
                });
            }
            for (name, store) in &self.stores {
                match stored(&**store, &call, &of).await {
                    Ok(answer) if answer.answer == expected && answer.at == now => {}
                    other => {
                        return Err(TestCaseError::fail(format!(
                            "{name} answers {call:?}\n with {other:?}\n, the protocol {expected}"
                        )));
                    }
                }
            }
            self.compare(&record, &of, now, step).await?;
        }
        Ok(())
    }

    async fn compare(
        &self,
        record: &Record,
        of: &Subject,
        now: Timestamp,
        step: &Step,
    ) -> Result<(), TestCaseError> {
        let mut expected = record.clone();
        expected.open(&of.rules, ORIGIN, now).unwrap();
        for (name, store) in &self.stores {
            let read = store.read(&[of]).await.map(|mut read| read.pop().unwrap());
            let read = read.flatten().map(|stamped| stamped.answer);
            if read.as_ref() != Ok(&expected) {
                return Err(TestCaseError::fail(format!(
                    "after {step:?}\n {name} holds {read:#?}\n, the protocol {expected:#?}"
                )));
            }
        }
        Ok(())
    }
}

#[test]
fn the_scripts_and_the_embedded_store_are_the_protocol() {
    let server = RedisServer::start();
    // In memory where that is to be had: each step waits for the disk otherwise.
    let directory = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let now = World::beginning();
    let clock = Arc::clone(&now);
    let embedded = |file: &str| {
        let clock = Arc::clone(&clock);
        EmbeddedStore::open_at(
            directory.path().join(file),
            ORIGIN,
            Arc::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst))),
        )
        .unwrap()
    };
    let sealed_server = RedisServer::start();
    let sealed = || seals(&[K1], Sealing::Required);
    let world = World {
        stores: vec![
            (
                "Redis",
                Box::new(sample::fixed(&patient(&server.url()), &now)),
            ),
            ("the embedded store", Box::new(embedded("store.redb"))),
            (
                "Redis with seals",
                Box::new(sample::fixed(&patient(&sealed_server.url()), &now).sealed_by(sealed())),
            ),
            (
                "the embedded store with seals",
                Box::new(embedded("sealed.redb").sealed_by(sealed())),
            ),
        ],
        now,
    };
    let cases = env::var("PROPTEST_CASES");
    world.live(cases.ok().and_then(|it| it.parse().ok()).unwrap_or(CASES));
}
