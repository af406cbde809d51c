//! Every history up to a horizon: breadth first, so that the first one found to break a promise is a
//! shortest one.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::action::{Action, Fault};
use super::demand::Demand;
use super::order::{Concerns, first};
use super::promise::Broken;
use super::scale::{LEASE, RECONCILE, Tick, WATCH};
use super::world::World;

/// For how long, after all is well again, a live token may be missing.
pub(crate) const RECOVERY: Tick = WATCH + RECONCILE + LEASE;

/// What is explored.
#[derive(Clone)]
pub(crate) struct Space {
    pub(crate) starts: Vec<World>,
    /// Time stops here.
    pub(crate) horizon: Tick,
    /// How many faults a history may have.
    pub(crate) budget: u8,
    /// No fault comes later than this.
    pub(crate) faults_until: Tick,
    pub(crate) faults: Vec<Fault>,
    /// What people and callers may want, and how much of it within the time of faults.
    pub(crate) demands: Vec<Demand>,
    pub(crate) most_demands: u8,
    /// Whether the first broken promise ends the search.
    pub(crate) stop_at_first: bool,
    /// Whether every order is tried also where two orders cannot differ.
    pub(crate) every_order: bool,
    /// No more states than these.
    pub(crate) limit: usize,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) took: Duration,
    /// Whether all of the space was seen.
    pub(crate) complete: bool,
    /// How often each promise was broken, and one shortest history that does.
    pub(crate) broken: BTreeMap<Broken, (usize, Vec<Action>)>,
    /// The longest time a dead token was served, where nobody else fetched and where somebody did.
    pub(crate) longest_dead: [Tick; 2],
    /// The most tokens that upstream issued to the replicas.
    pub(crate) most_fetches: u8,
    /// A shortest history that leads to the most of either.
    pub(crate) longest_history: Vec<Action>,
}

/// A state, where it came from, and by what.
type Origin = (u64, Option<Action>);

impl Space {
    /// Looks at every history.
    pub(crate) fn explore(&self) -> Found {
        let begun = Instant::now();
        let mut seen: HashMap<u64, Origin> = HashMap::new();
        let mut open: VecDeque<(World, u64)> = VecDeque::new();
        let mut found = Found {
            states: 0,
            steps: 0,
            took: Duration::ZERO,
            complete: true,
            broken: BTreeMap::new(),
            longest_dead: [0; 2],
            most_fetches: 0,
            longest_history: Vec::new(),
        };
        for start in &self.starts {
            let print = start.print();
            if seen.insert(print, (print, None)).is_none() {
                open.push_back((start.clone(), print));
            }
        }
        while let Some((world, print)) = open.pop_front() {
            if seen.len() >= self.limit {
                found.complete = false;
                break;
            }
            if found.note(&world) {
                found.longest_history = history(&seen, print);
            }
            let mut broken = Vec::new();
            for action in self.actions(&world) {
                let mut next = world.clone();
                let mut result = next.take(action);
                while result.is_ok()
                    && let Some(only) = self.only(&next)
                {
                    result = next.take(only);
                }
                found.steps += 1;
                if let Err(promise) = result {
                    broken.push((promise, Some(action)));
                    continue;
                }
                let next_print = next.print();
                if let Entry::Vacant(vacant) = seen.entry(next_print) {
                    vacant.insert((print, Some(action)));
                    open.push_back((next, next_print));
                }
            }
            if world.now == self.horizon
                && world.may_tick()
                && let Err(promise) = recovers(&world)
            {
                broken.push((promise, None));
            }
            for (promise, action) in broken {
                let (count, _) = found.broken.entry(promise).or_insert_with(|| {
                    let mut history = history(&seen, print);
                    history.extend(action);
                    (0, history)
                });
                *count += 1;
            }
            if self.stop_at_first && !found.broken.is_empty() {
                found.complete = false;
                break;
            }
        }
        found.states = seen.len();
        found.took = begun.elapsed();
        found
    }

    /// What happens next where there is no choice: such states are passed through, not kept.
    fn only(&self, world: &World) -> Option<Action> {
        if self.every_order || self.may_fault(world) || self.may_demand(world) {
            return None;
        }
        first(world, &world.moves()).map(|(action, _)| action)
    }

    fn may_fault(&self, world: &World) -> bool {
        world.faults < self.budget && world.now <= self.faults_until
    }

    fn may_demand(&self, world: &World) -> bool {
        world.demands < self.most_demands && world.now <= self.faults_until
    }

    fn actions(&self, world: &World) -> Vec<Action> {
        let faults = if self.may_fault(world) {
            world.faults(&self.faults)
        } else {
            Vec::new()
        };
        let mut actions = world.moves();
        let demands = if self.may_demand(world) {
            world.demands(&self.demands)
        } else {
            Vec::new()
        };
        if !self.every_order
            && demands.is_empty()
            && let Some((only, concerns)) = first(world, &actions)
        {
            actions = vec![only];
            actions.extend(faults.into_iter().filter(|fault| match (fault, concerns) {
                (Action::Fault(_, place), Concerns::One(index)) => *place == index,
                _ => true,
            }));
            return actions;
        }
        if world.may_tick() && world.now < self.horizon {
            actions.push(Action::Tick);
        }
        actions.extend(world.endings());
        actions.extend(faults);
        actions.extend(demands);
        actions
    }
}

/// Whether, once all troubles end and nothing more goes wrong, every replica soon serves a live token.
pub(crate) fn recovers(world: &World) -> Result<(), Broken> {
    let mut world = world.clone();
    world.heal()?;
    let until = world.now + world.setting.recovery();
    run_calmly(&mut world, until)?;
    if world.all_is_well() {
        Ok(())
    } else {
        Err(Broken::NotHealed)
    }
}

/// Runs without faults, in one order of many.
pub(crate) fn run_calmly(world: &mut World, until: Tick) -> Result<(), Broken> {
    loop {
        let action = world.moves().first().copied().unwrap_or(Action::Tick);
        if action == Action::Tick && world.now >= until {
            return Ok(());
        }
        world.take(action)?;
    }
}

fn history(seen: &HashMap<u64, Origin>, print: u64) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut at = print;
    while let Some((before, Some(action))) = seen.get(&at) {
        actions.push(*action);
        at = *before;
    }
    actions.reverse();
    actions
}

impl Found {
    /// Whether this state has more of something bad than all before it.
    fn note(&mut self, world: &World) -> bool {
        let foreign = usize::from(world.upstream.foreign > 0);
        let dead = world.sides.iter().map(|side| side.dead_for).max();
        let longest = &mut self.longest_dead[foreign];
        let (before, fetches) = (*longest, self.most_fetches);
        *longest = before.max(dead.unwrap_or_default());
        self.most_fetches = fetches.max(world.upstream.issued());
        *longest > before || self.most_fetches > fetches
    }
}
