//! The search: tick by tick. Time never goes back, so that of all that was seen in a tick only the states with which
//! the next one begins are kept.

use std::collections::BTreeMap;
use std::mem;
use std::time::Instant;

use foldhash::{HashSet, HashSetExt};

use super::actor::Actor;
use super::explore::{Found, Space, recovers};
use super::promise::Broken;
use super::shared::Pool;
use super::store::Store;
use super::trail::{Spot, Trail};
use super::world::World;

impl Space {
    /// Looks at every history.
    pub(crate) fn explore(&self) -> Found {
        Search::new(self).run()
    }
}

/// The parts of many states: those that are alike are kept once.
#[derive(Default)]
struct Parts {
    actors: Pool<Actor>,
    stores: Pool<Store>,
}

impl Parts {
    /// A state is kept.
    fn share(&mut self, world: &mut World) {
        self.stores.share(&mut world.store);
        for side in &mut world.sides {
            self.actors.share(&mut side.actor);
        }
    }
}

/// A search under way.
struct Search<'a> {
    space: &'a Space,
    found: Found,
    trail: Trail,
    /// What was seen of this tick, and of the beginning of the next.
    seen: HashSet<u64>,
    begun: HashSet<u64>,
    /// The states with which the next tick begins, and their parts.
    next: Vec<World>,
    parts: Parts,
    /// How often each promise was broken, and where first.
    broken: BTreeMap<Broken, (usize, Spot)>,
    /// Where there was the most of something bad.
    worst: Option<Spot>,
}

impl<'a> Search<'a> {
    fn new(space: &'a Space) -> Self {
        Self {
            space,
            found: Found::default(),
            trail: Trail::default(),
            seen: HashSet::new(),
            begun: HashSet::new(),
            next: Vec::new(),
            parts: Parts::default(),
            broken: BTreeMap::new(),
            worst: None,
        }
    }

    fn run(mut self) -> Found {
        let begun = Instant::now();
        for start in &self.space.starts {
            self.keep(start.clone(), 0);
        }
        while !self.next.is_empty() && !self.is_over() {
            self.look_at_tick();
        }
        let history = |spot: &Spot| self.trail.history(self.space, spot);
        let broken = self.broken.iter();
        Found {
            complete: !self.is_over(),
            took: begun.elapsed(),
            longest_history: self.worst.as_ref().map(history).unwrap_or_default(),
            broken: broken
                .map(|(promise, (count, spot))| (*promise, (*count, history(spot))))
                .collect(),
            ..self.found
        }
    }

    /// Whether no more may be seen.
    fn is_over(&self) -> bool {
        self.found.states >= self.space.limit
    }

    /// Every history of the next tick.
    fn look_at_tick(&mut self) {
        self.seen = mem::take(&mut self.begun);
        self.parts = Parts::default();
        self.trail.turn();
        let starts = mem::take(&mut self.next);
        self.tell(&starts);
        for (index, start) in starts.into_iter().enumerate() {
            if self.is_over() {
                return;
            }
            self.look_from(start, index);
        }
    }

    /// Everything that can follow from a state within its tick.
    fn look_from(&mut self, start: World, index: usize) {
        let (now, tick) = (start.now, self.trail.tick());
        let mut open = vec![(start.print(), start)];
        while let Some((print, world)) = open.pop() {
            let spot = |action| Spot {
                tick,
                start: index,
                print,
                action,
            };
            if self.found.note(&world) {
                self.worst = Some(spot(None));
            }
            let mut broken = Vec::new();
            for action in self.space.actions(&world) {
                self.found.steps += 1;
                match self.space.follow(&world, action, |_| {}) {
                    Err(promise) => broken.push((promise, spot(Some(action)))),
                    Ok(next) if next.now > now => self.keep(next, index),
                    Ok(next) => {
                        let print = next.print();
                        if self.seen.insert(print) {
                            self.found.states += 1;
                            open.push((print, next));
                        }
                    }
                }
            }
            if now == self.space.horizon
                && world.may_tick()
                && let Err(promise) = recovers(&world)
            {
                broken.push((promise, spot(None)));
            }
            for (promise, spot) in broken {
                self.broken.entry(promise).or_insert((0, spot)).0 += 1;
            }
        }
    }

    /// A tick begins with this, which came from a state with which the one before began.
    fn keep(&mut self, mut world: World, before: usize) {
        let print = world.print();
        if self.begun.insert(print) {
            self.found.states += 1;
            self.trail.add(print, before);
            self.parts.share(&mut world);
            self.next.push(world);
        }
    }

    #[expect(clippy::print_stdout, reason = "for whoever waits for hours")]
    fn tell(&self, starts: &[World]) {
        if let (true, Some(start)) = (self.space.told, starts.first()) {
            let (states, begin) = (self.found.states, starts.len());
            println!(
                "tick {}: {begin} states to begin with, {states} so far",
                start.now
            );
        }
    }
}
