//! Which orders of what happens within one tick need not be tried.
//!
//! Two replicas that act at once can do so in hundreds of orders, most of which end in the same state.
//! Where a rule in here applies, one replica goes on first. `MODEL_EVERY_ORDER=1` tries them all.

use token_broker::domain::replica::Step;

use super::action::Action;
use super::call::Call;
use super::scale::moment;
use super::step::Then;
use super::world::{Side, World};

/// What can still go wrong at this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// Only what concerns this replica: for all else, before and after are the same.
    One(usize),
    /// Anything.
    All,
}

/// The move that goes first, if there is one.
pub(crate) fn first(world: &World, moves: &[Action]) -> Option<(Action, Concerns)> {
    local(world, moves)
        .or_else(|| last_read(world, moves))
        .or_else(|| watch(world, moves))
}

/// Whether it makes a difference that this trouble ends now, and not a little later. `again` is whether such trouble may
/// come again.
pub(crate) fn matters(world: &World, ending: Action, again: bool) -> bool {
    let asked = |is: fn(&Call) -> bool| {
        let running = world.sides.iter().filter(|side| side.actor.runs());
        let mut flights = running.flat_map(|side| side.actor.flights());
        flights.any(|flight| flight.answer.is_none() && is(&flight.call))
    };
    again
        || match ending {
            // Only `begin` tells of it.
            Action::CatchUp => asked(|call| matches!(call, Call::Begin(_))),
            // Nobody is to blame for serving what is dead in a tick in which nobody could find it.
            Action::UpstreamBack => world.may_tick() || asked(|call| !call.is_for_store()),
            _ => true,
        }
}

/// An answer that has arrived, or a step that is due, where nothing else is about to happen to that
/// replica, concerns nobody else: whatever the others do before it, they can do after it.
fn local(world: &World, moves: &[Action]) -> Option<(Action, Concerns)> {
    moves.iter().find_map(|action| {
        let (Action::Deliver(index) | Action::Start(index)) = *action else {
            return None;
        };
        let follows =
            moves.contains(&Action::Follow(index)) || world.sides[index].actor.errand.is_some();
        let slow =
            matches!(action, Action::Deliver(_)) && !world.sides[index].actor.must_go_on(world.now);
        (!follows && !slow).then_some((*action, Concerns::One(index)))
    })
}

/// A step ends by reading the record. What it would see of the others' later changes, the next signal
/// or reconcile shows it too.
fn last_read(world: &World, moves: &[Action]) -> Option<(Action, Concerns)> {
    moves.iter().find_map(|action| {
        let Action::Apply(index) = *action else {
            return None;
        };
        let flight = world.sides[index].actor.flight.as_ref()?;
        let alone = world.sides[index].actor.errand.is_none();
        (alone && matches!(flight.call, Call::Read)).then_some((*action, Concerns::One(index)))
    })
}

/// A watch that nobody else's refresh can meet in this tick: two watches make no difference to each
/// other beside who of them checks.
fn watch(world: &World, moves: &[Action]) -> Option<(Action, Concerns)> {
    let watches = |index: usize| {
        world.sides[index]
            .actor
            .flight
            .as_ref()
            .is_some_and(|flight| {
                matches!(
                    flight.then,
                    Then::Claimed { .. } | Then::Watched { .. } | Then::WatchJudged { .. }
                )
            })
    };
    let now = moment(world.now);
    let rests = |index: usize| {
        let actor = &world.sides[index].actor;
        let plan = actor.replica.next(now).filter(|plan| plan.at <= now.boot);
        actor.flight.is_none() && plan.is_none_or(|plan| plan.step == Step::Watch)
    };
    let disturbs = |side: &Side| side.actor.cut_off || side.actor.errand.is_some();
    let calm = !world.store.is_lagging() && !world.upstream.down;
    let quiet = calm && world.strays.is_empty() && !world.sides.iter().any(disturbs);
    moves.iter().find_map(|action| {
        let (Action::Apply(index) | Action::Deliver(index)) = *action else {
            return None;
        };
        let others_rest = (0..world.sides.len()).all(|other| other == index || rests(other));
        (quiet && watches(index) && others_rest).then_some((*action, Concerns::All))
    })
}
