//! The Lua scripts, the embedded store and the pure protocol are one: random histories run through all
//! of them, sealed and in the clear, and every answer and the whole record are compared after each step.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use token_broker::adapters::embedded::EmbeddedStore;
use token_broker::adapters::redis::RedisSettings;
use token_broker::domain::credential::Kind;
use token_broker::domain::rules::Rules;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{Stamped, Store, StoreError, Subject};
use token_broker::sealing::Sealing;

use super::course::{Answer, Course, START};
use super::everywhere::patient;
use super::history::{Step, history};
use super::past::Call;
use super::sample::{self, ORIGIN};
use super::seals::{K1, seals};
use crate::support::places::heavy;
use crate::support::redis::RedisServer;

/// Histories in a run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 120;
/// In so many worlds side by side: nothing that is timed runs meanwhile.
const WORLDS: u32 = 2;

/// Stores, and the time that they share with the protocol.
pub(super) struct World {
    pub(super) now: Arc<AtomicU64>,
    pub(super) stores: Vec<Replicas>,
}

/// The replicas that share a store. They take turns at it.
pub(super) struct Replicas {
    name: &'static str,
    stores: Vec<Box<dyn Store>>,
}

impl Replicas {
    /// One that has the store to itself.
    pub(super) fn one(name: &'static str, store: impl Store + 'static) -> Self {
        Self::of(name, vec![Box::new(store)])
    }

    pub(super) fn of(name: &'static str, stores: Vec<Box<dyn Store>>) -> Self {
        Self { name, stores }
    }

    fn whose(&self, turn: usize) -> &dyn Store {
        &*self.stores[turn % self.stores.len()]
    }
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
        let runtime = runtime();
        let config = Config {
            cases: histories,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&history(), |(rules, steps)| {
            runtime.block_on(self.live_through(&rules, &steps))
        });
        if let Err(difference) = outcome {
            panic!("{difference}");
        }
    }

    /// The same with the same histories each time, and says when one is over.
    pub(super) fn live_always_the_same(&self, histories: u32, mut over: impl FnMut()) {
        let runtime = runtime();
        let mut runner = TestRunner::deterministic();
        for _ in 0..histories {
            let drawn = history().new_tree(&mut runner).unwrap();
            let (rules, steps) = drawn.current();
            if let Err(difference) = runtime.block_on(self.live_through(&rules, &steps)) {
                panic!("{difference}");
            }
            over();
        }
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
        let mut course = Course::of(rules);
        for (turn, step) in steps.iter().enumerate() {
            let called = course.step(step).map_err(TestCaseError::fail)?;
            self.now.store(course.now.as_micros(), Ordering::SeqCst);
            if matches!(step, Step::Loss) {
                of = begins_anew();
            }
            if let Some((call, expected)) = called {
                for replicas in &self.stores {
                    match stored(replicas.whose(turn), &call, &of).await {
                        Ok(answer) if answer.answer == expected && answer.at == course.now => {}
                        other => {
                            let name = replicas.name;
                            return Err(TestCaseError::fail(format!(
                                "{name} answers {call:?}\n with {other:?}\n, the protocol {expected}"
                            )));
                        }
                    }
                }
            }
            self.compare(turn, &course, &of, step).await?;
        }
        Ok(())
    }

    /// Another replica looks than the one that made the change.
    async fn compare(
        &self,
        turn: usize,
        course: &Course<'_>,
        of: &Subject,
        step: &Step,
    ) -> Result<(), TestCaseError> {
        let mut expected = course.record.clone();
        expected.open(&of.rules, ORIGIN, course.now).unwrap();
        for replicas in &self.stores {
            let read = replicas.whose(turn + 1).read(&[of]).await;
            let read = read.and_then(|mut read| read.pop().unwrap());
            let read = read.map(|stamped| stamped.answer);
            if read.as_ref() != Ok(&expected) {
                let name = replicas.name;
                return Err(TestCaseError::fail(format!(
                    "after {step:?}\n {name} holds {read:#?}\n, the protocol {expected:#?}"
                )));
            }
        }
        Ok(())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Redis in the clear, and shared by replicas of which only one seals yet.
pub(super) fn on_redis(settings: &RedisSettings, now: &Arc<AtomicU64>) -> Vec<Replicas> {
    let mixed = |sealing| -> Box<dyn Store> {
        let settings = RedisSettings {
            namespace: "mixed".to_owned(),
            ..settings.clone()
        };
        Box::new(sample::fixed(&settings, now).sealed_by(seals(&[K1], sealing)))
    };
    vec![
        Replicas::one("Redis", sample::fixed(settings, now)),
        Replicas::of(
            "Redis with seals on one replica",
            vec![mixed(Sealing::On), mixed(Sealing::Off)],
        ),
    ]
}

#[test]
fn the_scripts_and_the_embedded_store_are_the_protocol() {
    let _heavy = heavy();
    let cases = env::var("PROPTEST_CASES");
    let cases = cases.ok().and_then(|it| it.parse().ok()).unwrap_or(CASES);
    thread::scope(|scope| {
        for _ in 0..WORLDS {
            scope.spawn(|| live_in_a_world_of_its_own(cases.div_ceil(WORLDS)));
        }
    });
}

fn live_in_a_world_of_its_own(cases: u32) {
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
    let sealed = || seals(&[K1], Sealing::Required);
    let sealed_server = RedisServer::start();
    let mut stores = on_redis(&patient(&server.url()), &now);
    stores.extend([
        Replicas::one("the embedded store", embedded("store.redb")),
        Replicas::one(
            "Redis with seals",
            sample::fixed(&patient(&sealed_server.url()), &now).sealed_by(sealed()),
        ),
        Replicas::one(
            "the embedded store with seals",
            embedded("sealed.redb").sealed_by(sealed()),
        ),
    ]);
    World { now, stores }.live(cases);
}
