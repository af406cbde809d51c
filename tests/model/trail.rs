//! Where the states with which ticks begin came from: a number or two for each, from which its whole history is found
//! again.

use std::collections::{HashSet, VecDeque};

use super::action::Action;
use super::explore::Space;
use super::promise::Broken;
use super::sabotage::Sabotage;
use super::setting::Setting;
use super::spaces::warm_from;
use super::world::World;

/// A state with which a tick begins.
struct Origin {
    print: u64,
    /// Which of those of the tick before it came from.
    before: u32,
}

/// All that have been looked at, and those of the next tick.
#[derive(Default)]
pub(crate) struct Trail {
    ticks: Vec<Vec<Origin>>,
    next: Vec<Origin>,
}

/// A state that came from one with which its tick began, and what happened to it.
pub(crate) struct Spot {
    /// Which of the ticks so far.
    pub(crate) tick: usize,
    /// Which of the states with which it began.
    pub(crate) start: usize,
    pub(crate) print: u64,
    pub(crate) action: Option<Action>,
}

impl Trail {
    /// Another one with which the next tick begins.
    pub(crate) fn add(&mut self, print: u64, before: usize) {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.next.push(Origin { print, before });
    }

    /// The next tick begins.
    pub(crate) fn turn(&mut self) {
        let tick = std::mem::take(&mut self.next);
        self.ticks.push(tick);
    }

    /// The number of the tick that is looked at.
    pub(crate) const fn tick(&self) -> usize {
        self.ticks.len().saturating_sub(1)
    }

    /// All that happened on the way there, from a start of the space on.
    pub(crate) fn history(&self, space: &Space, spot: &Spot) -> Vec<Action> {
        let mut prints = vec![spot.print];
        let mut index = spot.start;
        for tick in self.ticks[..=spot.tick].iter().rev() {
            prints.push(tick[index].print);
            index = usize::try_from(tick[index].before).unwrap_or_default();
        }
        prints.reverse();
        let is_first = |start: &&World| Some(&start.print()) == prints.first();
        let Some(mut world) = space.starts.iter().find(is_first).cloned() else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        for print in &prints[1..] {
            if let Some((way, next)) = way(space, world.clone(), *print) {
                actions.extend(way);
                world = next;
            }
        }
        if let Some(action) = spot.action {
            // What breaks a promise may be what follows from it without a choice.
            _ = space.follow(&world, action, |passed| actions.push(passed));
        }
        actions
    }
}

/// A shortest way from a state to another one of its tick, or of the beginning of the next.
fn way(space: &Space, from: World, to: u64) -> Option<(Vec<Action>, World)> {
    let now = from.now;
    let mut seen = HashSet::new();
    let mut open = VecDeque::from([(from, Vec::new())]);
    while let Some((world, actions)) = open.pop_front() {
        if world.print() == to {
            return Some((actions, world));
        }
        if world.now > now {
            continue;
        }
        for action in space.actions(&world) {
            let mut way = actions.clone();
            if let Ok(next) = space.follow(&world, action, |passed| way.push(passed))
                && seen.insert(next.print())
            {
                open.push_back((next, way));
            }
        }
    }
    None
}

#[test]
fn a_history_that_was_found_breaks_the_promise_again() {
    let setting = Setting {
        sabotage: Sabotage::Lease,
        ..Setting::TOKEN
    };
    let space = Space {
        horizon: warm_from(setting) + 3,
        ..Space::warm(setting, 0, &[])
    };
    let found = space.explore();
    let (_, history) = &found.broken[&Broken::NeedlessFetch];
    let breaks = |start: &World| {
        let mut world = start.clone();
        let taken = history.iter().map(|action| world.take(*action));
        let results: Vec<_> = taken.collect();
        results.split_last().is_some_and(|(last, before)| {
            *last == Err(Broken::NeedlessFetch) && before.iter().all(Result::is_ok)
        })
    };
    assert!(space.starts.iter().any(breaks), "{history:?}");
}
