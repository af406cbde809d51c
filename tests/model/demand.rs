//! What people and callers want of a replica: none of it is a fault, and all of it may come at any time.

use token_broker::domain::protocol::{Claim, Reason, SetPause};

use super::action::Action;
use super::call::Call;
use super::step::{Context, Then, begin};
use super::world::World;

/// Something that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Demand {
    /// A caller reports the token it was given.
    Report,
    /// A new token is forced.
    Force,
    /// The app is paused.
    Pause,
    /// It goes on.
    Resume,
}

impl Demand {
    pub(crate) const ALL: [Self; 4] = [Self::Report, Self::Force, Self::Pause, Self::Resume];

    fn can_be_made(self, world: &World, index: usize) -> bool {
        let actor = &world.sides[index].actor;
        let paused = world.pausing.since.is_some();
        actor.runs()
            && match self {
                Self::Report => {
                    !world.setting.ticket
                        && actor.errand.is_none()
                        && actor.serves(world.now, world.setting).is_some()
                }
                Self::Force => actor.flight.is_none(),
                Self::Pause => actor.errand.is_none() && !paused,
                Self::Resume => actor.errand.is_none() && paused,
            }
    }
}

impl World {
    /// What can be wanted now.
    pub(crate) fn demands(&self, allowed: &[Demand]) -> Vec<Action> {
        let wanted = |demand: &Demand| {
            let demand = *demand;
            let here = (0..self.sides.len()).filter(move |index| demand.can_be_made(self, *index));
            here.map(move |index| Action::Demand(demand, index))
        };
        allowed.iter().flat_map(wanted).collect()
    }

    /// A replica begins to do what is wanted of it.
    pub(crate) fn demand(&mut self, demand: Demand, index: usize) {
        self.demands += 1;
        let mut context = Context {
            now: self.now,
            setting: self.setting,
            nonces: &mut self.nonces,
        };
        let now = context.clock();
        self.sides[index].actor.edit(|actor| match demand {
            Demand::Report => {
                let held = actor.replica.live(now).cloned();
                actor.errand = held.and_then(|grant| {
                    let claim = Claim {
                        version: grant.version,
                        every: actor.replica.rules().close_watch,
                    };
                    let grant = Box::new(grant);
                    context.send(Call::Claim(claim), Then::ReportClaimed { grant })
                });
            }
            Demand::Force => actor.flight = begin(actor, Reason::Forced, &mut context),
            Demand::Pause | Demand::Resume => {
                let paused = demand == Demand::Pause;
                let call = Call::SetPause(SetPause { paused });
                actor.errand = context.send(call, Then::PauseSet);
            }
        });
    }
}
