//! Mutants of the Lua scripts: each has one line dropped, or one comparison, word or figure of it turned round,
//! and the random histories must tell it from the protocol. `make mutants` tries all of them and says how many
//! were found out; one that lives on without an explanation here fails.

#![expect(clippy::print_stdout, reason = "figures for whoever tries all of them")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use token_broker::adapters::redis::RedisSettings;
use token_broker::sealing::Sealing;

use super::equivalence::World;
use super::everywhere::patient;
use super::mutating::{MutatingWay, Replacement};
use super::sample;
use super::seals::{K1, seals};
use crate::support::redis::RedisServer;

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../src/adapters/redis/scripts/", $name)))),*]
    };
}

const FILES: [(&str, &str); 13] = files![
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
    "state.lua",
    "suspect.lua"
];

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

/// How many histories a mutant is given to be found out in.
const HISTORIES: u32 = 300;

/// A mutant that changes nothing that anybody could see.
struct Equivalent {
    file: &'static str,
    /// A part of the line as it is, and as it becomes.
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
            one.file == self.file && self.was.contains(one.was) && self.is.contains(one.is)
        };
        EQUIVALENT.iter().find(is_this).map(|one| one.why)
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

fn try_out(server: &RedisServer, mutant: &Mutant) -> Fate {
    let replacement = mutant.replacement();
    let compiles = server.command(&["SCRIPT", "LOAD", &runnable(&replacement.mutant)]);
    if compiles.starts_with("-ERR Error compiling") {
        return Fate::Stillborn;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let way = runtime.block_on(MutatingWay::start(server.port(), replacement));
    let now = World::beginning();
    let plain = patient(&way.url());
    let apart = RedisSettings {
        namespace: "sealed".to_owned(),
        ..plain.clone()
    };
    let sealed = sample::fixed(&apart, &now).sealed_by(seals(&[K1], Sealing::Required));
    let world = World {
        stores: vec![
            ("Redis", Box::new(sample::fixed(&plain, &now))),
            ("Redis with seals", Box::new(sealed)),
        ],
        now,
    };
    match world.differs(HISTORIES, 0) {
        Err(_) => Fate::FoundOut,
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
    assert_eq!(try_out(&server, &found[0]), Fate::FoundOut);
}

/// With `LUA_MUTANTS` set to the number of the first mutant to try.
#[test]
fn every_mutant_of_the_scripts_is_found_out_or_explained() {
    let first = std::env::var("LUA_MUTANTS").ok();
    let Some(first) = first.and_then(|number| number.parse().ok()) else {
        return;
    };
    let begun = Instant::now();
    let mutants = mutants();
    let next = AtomicUsize::new(first);
    let fates = std::sync::Mutex::new(Vec::new());
    let worker = || {
        let server = RedisServer::start();
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::SeqCst)) {
            let fate = try_out(&server, mutant);
            let unexplained = fate == Fate::LivesOn && mutant.explanation().is_none();
            if unexplained {
                println!(
                    "lives on: {}:{}\n  - {}\n  + {}",
                    mutant.file,
                    mutant.line + 1,
                    mutant.was,
                    mutant.is
                );
            }
            fates.lock().unwrap().push((fate, unexplained));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    let fates = fates.into_inner().unwrap();
    let count = |what: Fate| fates.iter().filter(|(fate, _)| *fate == what).count();
    let unexplained = fates.iter().filter(|(_, unexplained)| *unexplained).count();
    println!(
        "{} mutants in {:.0?}: {} are no Lua, {} found out, {} live on, of these {unexplained} without an explanation",
        fates.len(),
        begun.elapsed(),
        count(Fate::Stillborn),
        count(Fate::FoundOut),
        count(Fate::LivesOn),
    );
    assert_eq!(unexplained, 0);
}
