//! Mutants of the Lua scripts: each has one line dropped, or one comparison, word or figure of it turned round,
//! and the random histories must tell it from the protocol. `make mutants` tries all of them and says how many
//! were found out; one that lives on without an explanation here fails.
//!
//! `discard.lua`, which no history calls, is left to the tests of the seals.

#![expect(clippy::print_stdout, reason = "figures for whoever tries all of them")]

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use token_broker::adapters::redis::RedisSettings;
use token_broker::sealing::Sealing;

use super::equivalence::World;
use super::mutating::{MutatingWay, Replacement};
use super::sample;
use super::seals::{K1, seals};
use crate::support::redis::RedisServer;

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../src/adapters/redis/scripts/", $name)))),*]
    };
}

const FILES: [(&str, &str); 14] = files![
    "arguments.lua",
    "begin.lua",
    "budget.lua",
    "check.lua",
    "commit.lua",
    "fail.lua",
    "format.lua",
    "grant.lua",
    "pause.lua",
    "protocol.lua",
    "put_back.lua",
    "read.lua",
    "state.lua",
    "suspect.lua"
];

/// How long a server may take to answer beside whatever else the machine does: what times out is found out by nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is turned round, and into what.
const TURNS: [(&str, &str); 17] = [
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " ~= "),
    (" ~= ", " == "),
    (" and ", " or "),
    (" or ", " and "),
    ("not ", ""),
    (" + ", " - "),
    (" - ", " + "),
    ("math.max", "math.min"),
    ("math.min", "math.max"),
    ("true", "false"),
    ("false", "true"),
    (" 1", " 2"),
    (" 0", " 1"),
];

/// How many histories a mutant is given to be found out in: few at first, in which most are, without seals; then many,
/// if need be.
const HISTORIES: [u32; 2] = [25, 400];

/// A mutant that changes nothing that anybody could see.
struct Equivalent {
    file: &'static str,
    /// A part of the line as it is, and as it becomes; nothing where it is dropped.
    was: &'static str,
    is: &'static str,
    /// Why nobody sees it.
    why: &'static str,
}

const EQUIVALENT: &[Equivalent] = &[];

/// One change of one line.
#[derive(Clone, Debug, PartialEq)]
struct Mutant {
    file: &'static str,
    line: usize,
    was: &'static str,
    is: String,
}

impl Mutant {
    fn replacement(&self) -> Replacement {
        let original = FILES
            .iter()
            .find(|(name, _)| *name == self.file)
            .map(|(_, text)| *text)
            .unwrap_or_default();
        let lines = original.split_inclusive('\n').enumerate();
        let lines = lines.map(|(number, line)| {
            if number == self.line {
                line.replace(self.was, &self.is)
            } else {
                line.to_owned()
            }
        });
        Replacement {
            mutant: lines.collect(),
            original: original.to_owned(),
        }
    }

    /// Why it may live on.
    fn explanation(&self) -> Option<&'static str> {
        let is_this = |one: &&Equivalent| {
            let becomes = if one.is.is_empty() {
                self.is.is_empty()
            } else {
                self.is.contains(one.is)
            };
            one.file == self.file && self.was.contains(one.was) && becomes
        };
        EQUIVALENT.iter().find(is_this).map(|one| one.why)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.file, self.line + 1);
        write!(f, "{file}:{line}\n  - {}\n  + {}", self.was, self.is)
    }
}

/// All mutants of all files: comments aside.
fn mutants() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (file, text) in FILES {
        for (line, was) in text.lines().enumerate() {
            let code = was.split("--").next().unwrap_or_default();
            let mut add = |is: String| {
                mutants.push(Mutant {
                    file,
                    line,
                    was,
                    is,
                });
            };
            if is_statement(code) {
                add(String::new());
            }
            for (from, to) in TURNS {
                for (at, _) in code.match_indices(from) {
                    add(format!("{}{to}{}", &was[..at], &was[at + from.len()..]));
                }
            }
        }
    }
    mutants
}

/// Whether a line stands for itself, so that it can be left out.
fn is_statement(code: &str) -> bool {
    let code = code.trim();
    let opens = [
        "function",
        "local function",
        "if ",
        "for ",
        "else",
        "end",
        "return {",
        "}",
        "{",
    ];
    !code.is_empty()
        && !opens.iter().any(|word| code.starts_with(word))
        && !code.ends_with(['{', '(', ','])
        && !code.ends_with("and")
        && !code.ends_with("or")
        && !code.ends_with('=')
        && !code.ends_with("..")
}

/// How a mutant fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    FoundOut,
    LivesOn,
    /// No Lua any more.
    Stillborn,
}

/// Tries a mutant in so many histories, in the clear and, where `sealed`, beside that with seals.
fn try_out(server: &RedisServer, mutant: &Mutant, histories: u32, sealed: bool) -> Fate {
    let replacement = mutant.replacement();
    let compiles = server.command(&["SCRIPT", "LOAD", &runnable(&replacement.mutant)]);
    if compiles.starts_with("-ERR Error compiling") {
        return Fate::Stillborn;
    }
    // Whatever another mutant left as it is would be called by its hash, and never pass the way that changes it.
    server.command(&["SCRIPT", "FLUSH"]);
    server.flush();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let way = runtime.block_on(MutatingWay::start(server.port(), replacement));
    let now = World::beginning();
    let plain = RedisSettings {
        connect_timeout: PATIENCE,
        reply_timeout: PATIENCE,
        ..sample::settings(&way.url())
    };
    let apart = RedisSettings {
        namespace: "sealed".to_owned(),
        ..plain.clone()
    };
    let mut world = World {
        stores: vec![("Redis", Box::new(sample::fixed(&plain, &now)))],
        now,
    };
    if sealed {
        let sealed = sample::fixed(&apart, &world.now);
        let sealed = sealed.sealed_by(seals(&[K1], Sealing::Required));
        world.stores.push(("Redis with seals", Box::new(sealed)));
    }
    match world.differs(histories, 0) {
        Err(difference) => {
            assert!(!difference.contains("Away("), "{mutant:?}: {difference}");
            Fate::FoundOut
        }
        Ok(()) => Fate::LivesOn,
    }
}

/// A file alone, with what it needs of the others.
fn runnable(text: &str) -> String {
    if text.contains("local Record = {}") {
        text.to_owned()
    } else {
        format!("local Record = {{}}\n{text}")
    }
}

#[test]
fn a_script_that_keeps_a_cooldown_through_a_resume_is_found_out() {
    let server = RedisServer::start();
    let ends_it = |mutant: &Mutant| {
        mutant.file == "pause.lua" && mutant.was.contains("end_cooldown") && mutant.is.is_empty()
    };
    let found: Vec<_> = mutants().into_iter().filter(ends_it).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let [_, many] = HISTORIES;
    assert_eq!(try_out(&server, &found[0], many, false), Fate::FoundOut);
}

/// Tries these, two at a time, and answers how each fared.
fn try_all(mutants: &[Mutant], histories: u32, sealed: bool) -> Vec<(&Mutant, Fate)> {
    let next = AtomicUsize::new(0);
    let fates = std::sync::Mutex::new(Vec::new());
    let take = || {
        let number = next.fetch_add(1, Ordering::SeqCst);
        mutants.get(number).map(|mutant| (number, mutant))
    };
    let worker = || {
        let server = RedisServer::start();
        while let Some((number, mutant)) = take() {
            if number > 0 && number % 100 == 0 {
                println!("{number} of {} tried", mutants.len());
            }
            let fate = try_out(&server, mutant, histories, sealed);
            if fate == Fate::LivesOn && mutant.explanation().is_none() {
                println!("lives on through {histories} histories: {mutant}");
            }
            fates.lock().unwrap().push((mutant, fate));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    fates.into_inner().unwrap()
}

/// With `LUA_MUTANTS` set to the numbers of the mutants to try: `0..` is all of them, `100..200` some.
#[test]
fn every_mutant_of_the_scripts_is_found_out_or_explained() {
    let Ok(which) = std::env::var("LUA_MUTANTS") else {
        return;
    };
    let (first, end) = which.split_once("..").unwrap_or((&which, ""));
    let first: usize = first
        .parse()
        .unwrap_or_else(|_| panic!("LUA_MUTANTS is {which:?}"));
    let end = end.parse().unwrap_or(usize::MAX);
    let begun = Instant::now();
    let mutants: Vec<_> = mutants().into_iter().take(end).skip(first).collect();
    let [few, many] = HISTORIES;
    let count =
        |fates: &[(&Mutant, Fate)], what| fates.iter().filter(|(_, fate)| *fate == what).count();
    let quickly = try_all(&mutants, few, false);
    println!(
        "{} mutants: {} are no Lua, {} found out in {few} histories ({:.0?})",
        mutants.len(),
        count(&quickly, Fate::Stillborn),
        count(&quickly, Fate::FoundOut),
        begun.elapsed(),
    );
    let lives_on = quickly.iter().filter(|(_, fate)| *fate == Fate::LivesOn);
    let (explained, rest): (Vec<_>, Vec<_>) = lives_on
        .map(|(mutant, _)| Mutant::clone(mutant))
        .partition(|mutant| mutant.explanation().is_some());
    let slowly = try_all(&rest, many, true);
    let unexplained = count(&slowly, Fate::LivesOn);
    println!(
        "{} more found out in {many}; {} live on that change nothing, {unexplained} without an explanation ({:.0?} in all)",
        count(&slowly, Fate::FoundOut),
        explained.len(),
        begun.elapsed(),
    );
    assert_eq!(unexplained, 0);
}
