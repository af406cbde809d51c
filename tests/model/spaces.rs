//! The spaces that are explored, and what must hold in them.

use std::collections::BTreeMap;
use std::env;

use super::action::{Action, Fault};
use super::explore::{Found, Space, run_calmly};
use super::sabotage::Sabotage;
use super::scale::{LIFE, OVERLAP, RECONCILE, Tick, WATCH};
use super::world::World;

/// One tick before the second refresh is due: the close watch that follows a first start is over.
pub(crate) const WARM: Tick = LIFE - 1;

/// How long a history goes on after the warm start: until the token before has died, and everybody who
/// still serves it has done so for longer than is promised.
const WARM_TICKS: Tick = OVERLAP + WATCH + RECONCILE;

/// Faults happen within so many ticks from a start: before, during and after a refresh. What ends them
/// happens at any time.
const WINDOW: Tick = 5;

/// How long a history goes on that begins with nothing.
const COLD_TICKS: Tick = 8;

pub(crate) fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

fn window() -> Tick {
    number("MODEL_WINDOW").unwrap_or(WINDOW)
}

/// A store that holds a grant which is due soon, and replicas that serve it. How far apart they read
/// the store is a matter of chance: each distance is a start.
pub(crate) fn warm(replicas: usize, sabotage: Sabotage) -> Vec<World> {
    let mut world = World::cold(replicas, sabotage);
    let ran = run_calmly(&mut world, WARM);
    assert_eq!(ran, Ok(()), "a calm run breaks no promise");
    assert!(world.all_is_well());
    let apart = |(ticks, signals): (Tick, bool)| {
        let mut world = world.clone();
        world.signals = signals;
        for (index, side) in world.sides.iter_mut().enumerate() {
            let next = if index == 0 { WARM } else { WARM + ticks };
            side.actor.edit(|actor| actor.next_read = next);
        }
        world
    };
    let starts = (0..2).flat_map(|ticks| [(ticks, true), (ticks, false)]);
    starts.map(apart).collect()
}

/// A store that holds nothing, and replicas that know nothing.
pub(crate) fn cold(replicas: usize, sabotage: Sabotage) -> Vec<World> {
    let silent = |signals| World {
        signals,
        ..World::cold(replicas, sabotage)
    };
    vec![silent(true), silent(false)]
}

impl Space {
    /// From a warm start.
    pub(crate) fn warm(budget: u8, faults: &[Fault]) -> Self {
        let ticks = number("MODEL_DEPTH").unwrap_or(WARM_TICKS);
        let replicas = number("MODEL_REPLICAS").unwrap_or(2);
        Self {
            starts: warm(replicas, Sabotage::None),
            horizon: WARM + ticks,
            faults_until: WARM + window(),
            budget,
            faults: faults.to_vec(),
            stop_at_first: false,
            every_order: env::var("MODEL_EVERY_ORDER").is_ok(),
            limit: number("MODEL_LIMIT").unwrap_or(20_000_000),
        }
    }

    /// From nothing.
    pub(crate) fn cold(budget: u8, faults: &[Fault]) -> Self {
        let space = Self::warm(budget, faults);
        let replicas = space.starts.first().map_or(2, |world| world.sides.len());
        Self {
            starts: cold(replicas, Sabotage::None),
            horizon: number("MODEL_DEPTH").unwrap_or(COLD_TICKS),
            faults_until: window(),
            ..space
        }
    }
}

#[expect(clippy::print_stdout, reason = "what was explored is the result")]
pub(crate) fn report(name: &str, found: &Found) {
    let whole = if found.complete { "all" } else { "NOT all" };
    println!(
        "{name}: {} states, {} steps ({whole}) in {:.1?}; dead served at most {:?} ticks, {} fetches",
        found.states, found.steps, found.took, found.longest_dead, found.most_fetches
    );
    if env::var("MODEL_HISTORY").is_ok() {
        println!("  most: {:?}", found.longest_history);
    }
    for (promise, (count, history)) in &found.broken {
        println!("  {promise} × {count}, for one after:");
        for action in history {
            println!("    {action:?}");
        }
    }
}

fn holds(name: &str, space: &Space) {
    let found = space.explore();
    report(name, &found);
    assert!(found.broken.is_empty(), "{name}: a promise is broken");
}

#[test]
fn without_faults_every_promise_holds() {
    holds("no faults, warm", &Space::warm(0, &[]));
    holds("no faults, cold", &Space::cold(0, &[]));
}

#[test]
fn with_one_fault_of_a_few_kinds_every_promise_holds() {
    let space = Space::warm(1, &[Fault::Refusal, Fault::NotSent]);
    holds("one fault of a few kinds", &space);
}

/// Explores what the environment asks for: `MODEL_FAULTS` faults, of the kinds in `MODEL_KINDS`.
#[test]
fn with_as_many_faults_as_are_asked_for_every_promise_holds() {
    let Some(budget) = number("MODEL_FAULTS") else {
        return;
    };
    let chosen = chosen_faults();
    // Histories of one fault have one kind of fault: the spaces of the kinds together are the whole.
    let parts: Vec<&[Fault]> = if budget == 1 {
        chosen.chunks(1).collect()
    } else {
        vec![&chosen]
    };
    let mut holds = true;
    for part in parts {
        for (name, space) in [
            ("warm", Space::warm(budget, part)),
            ("cold", Space::cold(budget, part)),
        ] {
            let found = space.explore();
            report(&format!("{budget} of {part:?}, {name}"), &found);
            holds &= found.broken.is_empty();
        }
    }
    assert!(holds, "a promise is broken");
}

/// Draws `MODEL_WALKS` histories with `MODEL_FAULTS` faults (2 where it is not set).
#[test]
#[expect(clippy::print_stdout, reason = "what was found is the result")]
fn on_random_walks_every_promise_holds() {
    let walks: u64 = number("MODEL_WALKS").unwrap_or(300);
    let budget = number("MODEL_FAULTS").unwrap_or(1);
    let warm = Space::warm(budget, &chosen_faults());
    let mut found = BTreeMap::new();
    let mut longest = [0; 2];
    for seed in 0..walks {
        let walk = warm.walk(seed);
        let dead = &mut longest[usize::from(walk.foreign)];
        *dead = walk.longest_dead.max(*dead);
        if let Some(promise) = walk.broken {
            found.entry(promise).or_insert_with(Vec::new).push(seed);
        }
    }
    println!("{walks} walks with {budget} faults: dead served at most {longest:?} ticks");
    for (promise, seeds) in &found {
        println!(
            "  {promise} × {}, by {:?}",
            seeds.len(),
            &seeds[..seeds.len().min(40)]
        );
    }
    assert!(found.is_empty() || budget > 1, "a promise is broken");
}

/// Shows the history of `MODEL_SEED`.
#[test]
#[expect(clippy::print_stdout, reason = "what is seen is the result")]
fn one_walk_is_shown() {
    let Some(seed) = number("MODEL_SEED") else {
        return;
    };
    let budget = number("MODEL_FAULTS").unwrap_or(1);
    let space = Space::warm(budget, &chosen_faults());
    let walk = space.walk(seed);
    let mut world = space.starts[walk.start].clone();
    for action in walk.actions {
        let asked = match action {
            Action::Apply(index) | Action::Deliver(index) => world.question(index),
            _ => String::new(),
        };
        let result = world.take(action);
        println!(
            "{action:?} {asked} {}",
            result.err().map_or(String::new(), |err| err.to_string())
        );
        println!("    {}", world.summary());
    }
    println!("{:?}", walk.broken);
}

fn chosen_faults() -> Vec<Fault> {
    let kinds: Option<String> = number("MODEL_KINDS");
    let listed = |fault: &Fault| {
        let name = format!("{fault:?}");
        let among = |kinds: &String| kinds.split(',').any(|kind| kind == name);
        kinds.as_ref().is_none_or(among)
    };
    Fault::ALL.into_iter().filter(listed).collect()
}
