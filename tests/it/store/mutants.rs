//! Mutants of the Lua scripts: each has one line dropped, one comparison, word or figure of it turned round, or one
//! condition always or never met, and what the stores asked in random histories must show it ([`super::replay`]): these
//! are the protocol's, answer by answer ([`super::equivalence`]). Whatever lives on without an explanation here fails.
//!
//! The histories are the same each time, and so is the outcome. `make mutants` tries all mutants; `make test` a sample.
//! `discard.lua`, which no history calls, is left to the tests of the seals.

#![expect(clippy::print_stdout, reason = "figures for whoever tries all of them")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use token_broker::adapters::redis::{RedisSettings, RedisStore, ServerClock};
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::protocol::{Attempt, Begun, Commit};
use token_broker::domain::time::Timestamp;
use token_broker::ports::{Store as _, StoreError};

use super::edges::Edges;
use super::equivalence::{World, on_redis};
use super::mutant::{EQUIVALENT, Equivalent, Mutant, mutants};
use super::replay::{Recording, Stage, hashes_of, renamed};
use super::sample;
use super::way::{Replacement, Way};
use crate::support::places::heavy;
use crate::support::redis::RedisServer;

/// How long a server may take to answer beside whatever else the machine does: what times out is found out by nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many histories a mutant is given to be found out in: few at first, in which most are; then, if need be, many.
const HISTORIES: [u32; 2] = [25, 400];

/// Every how many mutants one is in the sample.
const SAMPLED: usize = 40;

/// The files on which it hangs what becomes of a damaged record.
const READERS: [&str; 4] = ["arguments.lua", "format.lua", "protocol.lua", "read.lua"];

/// How a mutant fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// In so many histories.
    FoundOut(usize),
    /// By what it makes of the server's time.
    OutOfTime,
    LivesOn,
    /// No Lua any more.
    Stillborn,
}

/// What was asked in the histories, and what the product's scripts answered.
struct Trial {
    recording: Recording,
    /// How many of the recorded histories are edges. They come first.
    edges: usize,
    hashes: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

impl Trial {
    /// Of so many histories, and all the edges.
    fn prepare(histories: u32) -> Self {
        let server = RedisServer::start();
        let way = Way::to(server.port(), None);
        let mut recording = Recording::default();
        let now = World::beginning();
        let stores = on_redis(&patient(&way.url(), ServerClock::Server), &now);
        let visit = async {
            Edges::on(&way)
                .visit(&way, || recording.end_history(&way))
                .await
        };
        runtime().block_on(visit);
        let edges = recording.histories.len();
        World { now, stores }.live_always_the_same(histories, || recording.end_history(&way));
        let hashes = hashes_of(&recording.scripts);
        let mut trial = Self {
            recording,
            edges,
            hashes,
            answers: Vec::new(),
        };
        trial.answers = trial.played(&mut Stage::build());
        trial
    }

    /// What the product's scripts answer on this stage.
    fn played(&self, stage: &mut Stage) -> Vec<Vec<u8>> {
        stage.set(&self.recording.scripts).unwrap();
        let histories = self.recording.histories.iter();
        histories
            .map(|asked| stage.play(asked, &self.hashes))
            .collect()
    }

    /// Tries a mutant in so many histories; the edges beside them where it has to do with these.
    fn of(&self, mutant: &Mutant, histories: u32, stage: &mut Stage) -> Fate {
        let replacement = mutant.replacement();
        let product = self.recording.scripts.iter();
        let scripts: Vec<_> = product.map(|script| replacement.of(script)).collect();
        if stage.set(&scripts).is_err() {
            return Fate::Stillborn;
        }
        let hashes = hashes_of(&scripts);
        let differs = |number: &usize| {
            let asked = &self.recording.histories[*number];
            let (answers, expected) = (stage.play(asked, &hashes), &self.answers[*number]);
            answers != *expected && renamed(&answers, &hashes, &self.hashes) != *expected
        };
        let end = self.recording.histories.len();
        let end = end.min(self.edges + usize::try_from(histories).unwrap());
        // The last one is of all that is no damage.
        let whole = self.edges - 1;
        let edges = if READERS.contains(&mutant.file) {
            0..whole
        } else {
            0..0
        };
        match (whole..end).chain(edges).find(differs) {
            Some(number) => Fate::FoundOut((number + 1).saturating_sub(self.edges)),
            None => Fate::LivesOn,
        }
    }

    /// Tries these in so many histories, two at a time, and answers how each fared.
    fn of_all(&self, mutants: &[Mutant], histories: u32) -> Vec<(Mutant, Fate)> {
        let next = AtomicUsize::new(0);
        let fates = Mutex::new(Vec::new());
        let worker = || {
            let mut stage = Stage::build();
            // By the server's own time, which no history goes by.
            let in_time = RedisServer::start();
            while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::SeqCst)) {
                let fate = match self.of(mutant, histories, &mut stage) {
                    Fate::LivesOn if !keeps_time(&in_time, Some(mutant.replacement())) => {
                        Fate::OutOfTime
                    }
                    fate => fate,
                };
                if fate == Fate::LivesOn && !mutant.is_explained() {
                    println!("lives on through {histories} histories: {mutant}");
                }
                fates.lock().unwrap().push((mutant.clone(), fate));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(worker);
            }
        });
        fates.into_inner().unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn patient(url: &str, clock: ServerClock) -> RedisSettings {
    RedisSettings {
        connect_timeout: PATIENCE,
        reply_timeout: PATIENCE,
        clock,
        ..sample::settings(url)
    }
}

/// Whether scripts that were changed so go by the server's time as those of the product do.
fn keeps_time(server: &RedisServer, replacement: Option<Replacement>) -> bool {
    // Whatever another mutant left as it is would be called by its hash, and never pass the way that changes it.
    server.command(&["SCRIPT", "FLUSH"]);
    let way = Way::to(server.port(), replacement);
    let an_hour_behind = ServerClock::Offset(-3_600_000_000);
    let runtime = runtime();
    [ServerClock::Server, an_hour_behind]
        .into_iter()
        .all(
            |clock| match runtime.block_on(refresh_in_time(&way, server, clock)) {
                Ok(in_time) => in_time,
                Err(away @ StoreError::Away(_)) => panic!("{away}"),
                Err(_) => false,
            },
        )
}

/// Refreshes by the server's clock; whether all times are where this machine's clock has them.
async fn refresh_in_time(
    way: &Way,
    server: &RedisServer,
    clock: ServerClock,
) -> Result<bool, StoreError> {
    let offset = match clock {
        ServerClock::Offset(by) => by,
        ServerClock::Server | ServerClock::Fixed(_) => 0,
    };
    let store = RedisStore::new(&patient(&way.url(), clock)).unwrap();
    let of = sample::subject(Mode::Token);
    let begun_after = wall_clock(offset);

    let begun = store.begin(&of, &sample::begin(1)).await?;
    let Begun::Granted(permit) = begun.answer.begun else {
        return Ok(false);
    };
    let version = Version::fetched_under(permit.epoch);
    let life = sample::secs(7200);
    let commit = Commit {
        attempt: Attempt {
            epoch: permit.epoch,
            nonce: Nonce(1),
        },
        grant: sample::grant(version, 1, permit.begun_at, life),
    };
    store.commit(&of, &commit).await?;
    let read = store.read(&[&of]).await?.pop().unwrap()?;

    let read_before = wall_clock(offset);
    let mut times = [begun.at, permit.begun_at, read.at].into_iter();
    let key = format!("test:{{{}}}:access_token:token:grant", of.credential.app);
    let left = server.command(&["PTTL", &key]);
    let left: i64 = left.trim_matches([':', '\r', '\n']).parse().unwrap();
    let gone = read_before.since(begun_after).as_millis();
    let least = 7_138_000 - i64::try_from(gone).unwrap();
    Ok(
        times.all(|time| (begun_after..=read_before).contains(&time))
            && read.answer.grant == Some(commit.grant)
            && (least..=7_140_000).contains(&left),
    )
}

fn wall_clock(offset: i64) -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    Timestamp::from_micros(u64::try_from(since).unwrap().saturating_add_signed(offset))
}

#[test]
fn of_a_sample_of_mutants_of_the_scripts_few_histories_find_most_out() {
    let _heavy = heavy();
    let [few, _] = HISTORIES;
    let trial = Trial::prepare(few);
    let mutants: Vec<_> = mutants().into_iter().step_by(SAMPLED).collect();
    let fates = trial.of_all(&mutants, few);
    let found = |(_, fate): &&(Mutant, Fate)| matches!(fate, Fate::FoundOut(_));
    let found = fates.iter().filter(found).count();
    assert!(found * 10 >= mutants.len() * 8, "{fates:?}");
}

#[test]
fn the_scripts_go_by_the_servers_time() {
    assert!(keeps_time(&RedisServer::start(), None));
}

/// With `LUA_MUTANTS` set to the numbers of the mutants to try: `0..` is all of them, `100..200` some.
#[test]
fn every_mutant_of_the_scripts_is_found_out_or_explained() {
    let Ok(which) = std::env::var("LUA_MUTANTS") else {
        return;
    };
    let _heavy = heavy();
    let (first, end) = which.split_once("..").unwrap_or((&which, ""));
    let first: usize = first
        .parse()
        .unwrap_or_else(|_| panic!("LUA_MUTANTS is {which:?}"));
    let end = end.parse().unwrap_or(usize::MAX);
    let begun = Instant::now();
    let [few, many] = HISTORIES;
    let many = std::env::var("LUA_HISTORIES").map_or(many, |many| many.parse().unwrap());
    let trial = Trial::prepare(many);
    assert!(
        trial.played(&mut Stage::build()) == trial.answers,
        "the histories answer otherwise on another server"
    );
    println!("{many} histories ({:.0?})", begun.elapsed());
    let mutants: Vec<_> = mutants().into_iter().take(end).skip(first).collect();

    let quickly = trial.of_all(&mutants, few);
    let is_left = |fate| fate == Fate::LivesOn;
    let (left, mut fates): (Vec<_>, Vec<_>) =
        quickly.into_iter().partition(|(_, fate)| is_left(*fate));
    println!("{} outlive {few} ({:.0?})", left.len(), begun.elapsed());
    let left: Vec<_> = left.into_iter().map(|(mutant, _)| mutant).collect();
    fates.extend(trial.of_all(&left, many));

    let mut files: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut latest = 0;
    for (mutant, fate) in &fates {
        let column = match fate {
            Fate::Stillborn => 0,
            Fate::FoundOut(history) => {
                latest = latest.max(*history);
                1
            }
            Fate::OutOfTime => 2,
            Fate::LivesOn if mutant.is_explained() => 3,
            Fate::LivesOn => 4,
        };
        for file in [mutant.file, "in all"] {
            files.entry(file).or_default()[column] += 1;
        }
    }
    println!("file: no Lua, found out by histories, by the clock, changing nothing, living on");
    for (file, counts) in &files {
        println!("{file}: {counts:?}");
    }
    println!("the last one in history {latest} ({:.0?})", begun.elapsed());
    let lived_on = |one: &&Equivalent| {
        let mut fates = fates.iter();
        fates.any(|(mutant, fate)| *fate == Fate::LivesOn && one.explains(mutant))
    };
    for one in EQUIVALENT.iter().filter(|one| !lived_on(one)) {
        println!("explains nothing: {} {:?} ({})", one.file, one.was, one.why);
        assert!(first > 0 || end < usize::MAX, "an explanation too many");
    }
    let unexplained = files.get("in all").map_or(0, |counts| counts[4]);
    assert_eq!(unexplained, 0);
}
