//! Every history up to a horizon: what belongs to it, and what was found in it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::action::{Action, Fault};
use super::demand::Demand;
use super::order::{Concerns, first, matters};
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
    /// Whether every order is tried also where two orders cannot differ.
    pub(crate) every_order: bool,
    /// No more states than these.
    pub(crate) limit: usize,
    /// Whether each tick is told of as soon as it is seen to its end.
    pub(crate) told: bool,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) took: Duration,
    /// Whether all of the space was seen.
    pub(crate) complete: bool,
    /// How often each promise was broken, and a history that does as early as any.
    pub(crate) broken: BTreeMap<Broken, (usize, Vec<Action>)>,
    /// The longest time a dead token was served, where nobody else fetched and where somebody did.
    pub(crate) longest_dead: [Tick; 2],
    /// The most tokens that upstream issued to the replicas.
    pub(crate) most_fetches: u8,
    /// A history that leads to the most of either.
    pub(crate) longest_history: Vec<Action>,
}

impl Space {
    /// What follows from an action, and from all that follows from it without a choice; `passed` is told each.
    pub(crate) fn follow(
        &self,
        world: &World,
        action: Action,
        mut passed: impl FnMut(Action),
    ) -> Result<World, Broken> {
        let mut next = world.clone();
        passed(action);
        next.take(action)?;
        while let Some(only) = self.only(&next) {
            passed(only);
            next.take(only)?;
        }
        Ok(next)
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

    pub(crate) fn actions(&self, world: &World) -> Vec<Action> {
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
        let again = self.every_order || self.may_fault(world);
        let endings = world.endings().into_iter();
        actions.extend(endings.filter(|ending| matters(world, *ending, again)));
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

impl Found {
    /// Whether this state has more of something bad than all before it.
    pub(crate) fn note(&mut self, world: &World) -> bool {
        let foreign = usize::from(world.upstream.foreign > 0);
        let dead = world.sides.iter().map(|side| side.dead_for).max();
        let longest = &mut self.longest_dead[foreign];
        let (before, fetches) = (*longest, self.most_fetches);
        *longest = before.max(dead.unwrap_or_default());
        self.most_fetches = fetches.max(world.upstream.issued());
        *longest > before || self.most_fetches > fetches
    }
}
