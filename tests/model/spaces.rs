//! The spaces that are explored, and what must hold in them.

use std::collections::BTreeMap;
use std::env;

use super::action::{Action, Fault};
use super::demand::Demand;
use super::explore::{Found, Space, run_calmly};
use super::promise::Broken;
use super::sabotage::Sabotage;
use super::scale::{OVERLAP, RECONCILE, Tick, WATCH};
use super::setting::Setting;
use super::world::World;

/// One tick before the second refresh is due: the close watch that follows a first start is over.
pub(crate) const fn warm_from(setting: Setting) -> Tick {
    setting.due() * 2 - 1
}

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
pub(crate) fn warm(replicas: usize, setting: Setting) -> Vec<World> {
    // What is missing is missing from here on.
    let whole = Setting {
        sabotage: Sabotage::None,
        ..setting
    };
    let mut world = World::cold(replicas, whole);
    let from = warm_from(setting);
    let ran = run_calmly(&mut world, from);
    assert_eq!(ran, Ok(()), "a calm run breaks no promise");
    assert!(world.all_is_well());
    world.setting = setting;
    for side in &mut world.sides {
        side.actor
            .edit(|actor| actor.replica.govern(setting.rules()));
    }
    let apart = |(ticks, signals): (Tick, bool)| {
        let mut world = world.clone();
        world.signals = signals;
        for (index, side) in world.sides.iter_mut().enumerate() {
            let next = if index == 0 { from } else { from + ticks };
            side.actor.edit(|actor| actor.next_read = next);
        }
        world
    };
    let starts = (0..2).flat_map(|ticks| [(ticks, true), (ticks, false)]);
    starts.map(apart).collect()
}

/// A store that holds nothing, and replicas that know nothing.
pub(crate) fn cold(replicas: usize, setting: Setting) -> Vec<World> {
    let silent = |signals| World {
        signals,
        ..World::cold(replicas, setting)
    };
    vec![silent(true), silent(false)]
}

impl Space {
    /// From a warm start, without demands.
    pub(crate) fn warm(setting: Setting, budget: u8, faults: &[Fault]) -> Self {
        let ticks = number("MODEL_DEPTH").unwrap_or(WARM_TICKS);
        let replicas = number("MODEL_REPLICAS").unwrap_or(2);
        let from = warm_from(setting);
        Self {
            starts: warm(replicas, setting),
            horizon: from + ticks,
            faults_until: from + window(),
            budget,
            faults: faults.to_vec(),
            demands: Vec::new(),
            most_demands: 0,
            every_order: env::var("MODEL_EVERY_ORDER").is_ok(),
            limit: number("MODEL_LIMIT").unwrap_or(20_000_000),
            told: env::var("MODEL_TOLD").is_ok(),
        }
    }

    /// From nothing.
    pub(crate) fn cold(setting: Setting, budget: u8, faults: &[Fault]) -> Self {
        let space = Self::warm(setting, budget, faults);
        let replicas = space.starts.first().map_or(2, |world| world.sides.len());
        Self {
            starts: cold(replicas, setting),
            horizon: number("MODEL_DEPTH").unwrap_or(COLD_TICKS),
            faults_until: window(),
            ..space
        }
    }

    /// With people and callers who want something, so often.
    pub(crate) fn wanting(self, most_demands: u8, demands: &[Demand]) -> Self {
        Self {
            demands: demands.to_vec(),
            most_demands,
            ..self
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

/// Every setting.
pub(crate) const SETTINGS: [(&str, Setting); 4] = [
    ("token mode", Setting::TOKEN),
    ("a scarce budget", Setting::SCARCE),
    ("stable mode", Setting::STABLE),
    ("a ticket", Setting::TICKET),
];

#[test]
fn without_faults_every_promise_holds() {
    for (name, setting) in SETTINGS {
        holds(&format!("{name}, warm"), &Space::warm(setting, 0, &[]));
        holds(&format!("{name}, cold"), &Space::cold(setting, 0, &[]));
    }
}

#[test]
fn with_one_fault_of_a_few_kinds_every_promise_holds() {
    let space = Space::warm(Setting::TOKEN, 1, &[Fault::Refusal, Fault::NotSent]);
    holds("one fault of a few kinds", &space);
}

/// Explores what the environment asks for: `MODEL_FAULTS` faults, of the kinds in `MODEL_KINDS`, and
/// `MODEL_DEMANDS` demands, in the settings that `MODEL_SETTINGS` names.
#[test]
fn with_as_many_faults_as_are_asked_for_every_promise_holds() {
    let Some(budget) = number("MODEL_FAULTS") else {
        return;
    };
    let demands = number("MODEL_DEMANDS").unwrap_or(0);
    let chosen = chosen_faults();
    // Histories of one fault have one kind of fault: the spaces of the kinds together are the whole.
    let parts: Vec<&[Fault]> = if budget == 1 {
        chosen.chunks(1).collect()
    } else {
        vec![&chosen]
    };
    let mut holds = true;
    for (setting_name, setting) in settings_asked_for() {
        for part in &parts {
            for (name, space) in [
                ("warm", Space::warm(setting, budget, part)),
                ("cold", Space::cold(setting, budget, part)),
            ] {
                let found = space.wanting(demands, &Demand::ALL).explore();
                let name =
                    format!("{setting_name}, {budget} of {part:?}, {demands} demands, {name}");
                report(&name, &found);
                holds &= found.broken.is_empty();
            }
        }
    }
    assert!(holds, "a promise is broken");
}

/// Draws `MODEL_WALKS` histories in each setting, with `MODEL_FAULTS` faults (1 where it is not set).
#[test]
fn on_random_walks_every_promise_holds() {
    let walks: u64 = number("MODEL_WALKS").unwrap_or(100);
    let budget = number("MODEL_FAULTS").unwrap_or(1);
    let mut holds = true;
    for (name, setting) in settings_asked_for() {
        holds &= walk_holds(name, &wanted_space(setting, budget), walks);
    }
    assert!(holds || budget > 1, "a promise is broken");
}

#[expect(clippy::print_stdout, reason = "what was found is the result")]
fn walk_holds(name: &str, space: &Space, walks: u64) -> bool {
    let mut found = BTreeMap::new();
    let mut longest = [0; 2];
    for seed in 0..walks {
        let walk = space.walk(seed);
        let dead = &mut longest[usize::from(walk.foreign)];
        *dead = walk.longest_dead.max(*dead);
        if let Some(promise) = walk.broken {
            found.entry(promise).or_insert_with(Vec::new).push(seed);
        }
    }
    let faults = space.budget;
    println!("{name}: {walks} walks with {faults} faults: dead served at most {longest:?} ticks");
    for (promise, seeds) in &found {
        println!(
            "  {promise} × {}, by {:?}",
            seeds.len(),
            &seeds[..seeds.len().min(40)]
        );
    }
    found.is_empty()
}

/// Shows the history of `MODEL_SEED`, in the first setting that `MODEL_SETTINGS` names.
#[test]
#[expect(clippy::print_stdout, reason = "what is seen is the result")]
fn one_walk_is_shown() {
    let Some(seed) = number("MODEL_SEED") else {
        return;
    };
    let budget = number("MODEL_FAULTS").unwrap_or(1);
    let Some((_, setting)) = settings_asked_for().next() else {
        return;
    };
    let space = wanted_space(setting, budget);
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
    if walk.broken == Some(Broken::NotHealed) && world.heal().is_ok() {
        let until = world.now + setting.recovery();
        while world.now < until {
            let action = world.moves().first().copied().unwrap_or(Action::Tick);
            println!("{action:?} {:?}", world.take(action).err());
            println!("    {}", world.summary());
        }
    }
}

/// The settings that `MODEL_SETTINGS` names; all where it is not set.
fn settings_asked_for() -> impl Iterator<Item = (&'static str, Setting)> {
    let wanted: Option<String> = number("MODEL_SETTINGS");
    let asked_for = move |(name, _): &(&str, Setting)| {
        wanted.as_ref().is_none_or(|wanted| wanted.contains(name))
    };
    SETTINGS.into_iter().filter(asked_for)
}

/// The space of the walks: `MODEL_DEMANDS` says how much is wanted.
fn wanted_space(setting: Setting, budget: u8) -> Space {
    let demands = number("MODEL_DEMANDS").unwrap_or(1);
    Space::warm(setting, budget, &chosen_faults()).wanting(demands, &Demand::ALL)
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
