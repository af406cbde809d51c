//! Single histories, drawn at random: deeper than every history can be followed, and quick to find what
//! is broken often. A number decides a whole history, so that one that was found can be shown again.

use super::action::{Action, Fault};
use super::explore::{Space, recovers};
use super::promise::Broken;
use super::scale::Tick;
use super::world::World;

/// A sequence of numbers that one number begins (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let many = u64::try_from(of.len()).unwrap_or(u64::MAX);
        let index = self.next().checked_rem(many)?;
        of.get(usize::try_from(index).unwrap_or_default()).copied()
    }
}

/// One history, and how it ended.
pub(crate) struct Walk {
    /// Where it began.
    pub(crate) start: usize,
    pub(crate) actions: Vec<Action>,
    pub(crate) longest_dead: Tick,
    pub(crate) foreign: bool,
    pub(crate) broken: Option<Broken>,
}

impl Space {
    /// The history that `number` decides.
    pub(crate) fn walk(&self, number: u64) -> Walk {
        let mut draw = Draw(number);
        let start = usize::try_from(draw.next()).unwrap_or_default() % self.starts.len();
        let mut world = self.starts[start].clone();
        let mut walk = Walk {
            start,
            actions: Vec::new(),
            longest_dead: 0,
            foreign: false,
            broken: None,
        };
        // As many kinds of fault as the history may have faults, so that each gets its turn. Where just as
        // many are named, they come in this order.
        let named = self.faults.len() == usize::from(self.budget);
        let kinds: Vec<Fault> = if named {
            self.faults.clone()
        } else {
            let draws = (0..self.budget).filter_map(|_| draw.pick(&self.faults));
            draws.collect()
        };
        // Troubles that last: some end at once, some outlast everything.
        let patience = draw.pick(&[5, 30, 200]).unwrap_or(1);
        while world.now < self.horizon || !world.may_tick() {
            let Some(action) = self.draw_action(&world, &kinds, patience, &mut draw) else {
                break;
            };
            walk.actions.push(action);
            walk.broken = world.take(action).err();
            let dead = world.sides.iter().map(|side| side.dead_for).max();
            walk.longest_dead = walk.longest_dead.max(dead.unwrap_or_default());
            if walk.broken.is_some() {
                break;
            }
        }
        walk.foreign = world.upstream.foreign > 0;
        walk.broken = walk.broken.or_else(|| recovers(&world).err());
        walk
    }

    fn draw_action(
        &self,
        world: &World,
        kinds: &[Fault],
        patience: u64,
        draw: &mut Draw,
    ) -> Option<Action> {
        let next = kinds.get(usize::from(world.faults));
        if let Some(kind) = next.filter(|_| world.now <= self.faults_until && draw.one_in(10)) {
            let faults = world.faults(&[*kind]);
            if let Some(fault) = draw.pick(&faults) {
                return Some(fault);
            }
        }
        let may_demand = world.demands < self.most_demands && world.now <= self.faults_until;
        if may_demand && draw.one_in(10) {
            let demands = world.demands(&self.demands);
            if let Some(demand) = draw.pick(&demands) {
                return Some(demand);
            }
        }
        let mut moves = world.moves();
        if world.may_tick() {
            moves.push(Action::Tick);
        }
        let endings = world.endings();
        if !endings.is_empty() && (moves.is_empty() || draw.one_in(patience)) {
            return draw.pick(&endings);
        }
        draw.pick(&moves)
    }
}
