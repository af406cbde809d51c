//! What decides nothing any more is let go of: kept, it would make many states of one. That it decides nothing is
//! seen below, where histories are gone through with and without it side by side.

use token_broker::domain::epoch::Nonce;
use token_broker::domain::protocol::Record;
use token_broker::domain::state::Check;

use super::action::Fault;
use super::actor::Flight;
use super::call::Call;
use super::demand::Demand;
use super::explore::Space;
use super::scale::moment;
use super::setting::Setting;
use super::spaces::{SETTINGS, number};
use super::step::Then;
use super::world::World;

/// Stands for the nonce of an attempt that nobody can speak of any more; none is drawn like it.
const NOBODYS: Nonce = Nonce(0);

impl World {
    /// A tick begins.
    pub(crate) fn settle(&mut self) {
        if self.setting.remembers_all {
            return;
        }
        let flights = self.sides.iter().flat_map(|side| side.actor.flights());
        let pending = self
            .sides
            .iter()
            .filter_map(|side| side.actor.replica.pending());
        let nonces: Vec<Nonce> = flights
            .filter_map(nonce)
            .chain(self.strays.iter().filter_map(|(_, call)| nonce_asked(call)))
            .chain(pending.map(|(attempt, _)| attempt.nonce))
            .collect();
        let now = self.now;
        self.store.edit(|store| store.settle(now, &nonces));
        for side in &mut self.sides {
            side.actor
                .edit(|actor| actor.replica.forget_passed(moment(now)));
        }
    }
}

/// Whose attempt a flight may yet speak of.
const fn nonce(flight: &Flight) -> Option<Nonce> {
    match &flight.then {
        Then::Begun { begin, .. } => Some(begin.nonce),
        Then::Fetched(attempting) | Then::Committed { attempting, .. } => {
            Some(attempting.attempt.nonce)
        }
        _ => nonce_asked(&flight.call),
    }
}

const fn nonce_asked(call: &Call) -> Option<Nonce> {
    match call {
        Call::Begin(begin) => Some(begin.nonce),
        Call::Commit(commit) => Some(commit.attempt.nonce),
        Call::Fail(failure) => Some(failure.attempt.nonce),
        Call::Release(attempt) => Some(attempt.nonce),
        _ => None,
    }
}

/// Of a record, where only attempts with these nonces can be spoken of.
pub(crate) fn settle(record: &mut Record, nonces: &[Nonce]) {
    let state = &mut record.state;
    state
        .committed
        .take_if(|(_, nonce)| !nonces.contains(nonce));
    if let Some(lease) = &mut state.lease
        && !nonces.contains(&lease.nonce)
    {
        lease.nonce = NOBODYS;
    }
    // Of a token before the stored one.
    let stored = record.grant.as_ref();
    if stored.is_some_and(|grant| grant.version > state.check.version) {
        state.check = Check::default();
    }
}

/// Goes through a history twice at once: with one who lets go of things, and one who does not.
fn same_with_and_without(setting: Setting, faults: u8, number: u64) {
    let all = Setting {
        remembers_all: true,
        ..setting
    };
    let space = |setting| Space::warm(setting, faults, &Fault::ALL).wanting(1, &Demand::ALL);
    let (less, all) = (space(setting), space(all));
    let walk = less.walk(number);
    let mut worlds = [less, all].map(|space| space.starts[walk.start].clone());
    for (at, action) in walk.actions.iter().enumerate() {
        let seen = worlds.each_mut().map(|world| {
            let taken = world.take(*action);
            let sides = world.sides.iter();
            let shown: Vec<_> = sides
                .map(|side| (side.actor.serves(world.now, setting), side.dead_for))
                .collect();
            let next = (world.moves(), world.may_tick(), world.endings());
            (taken, shown, next, world.faults(&Fault::ALL))
        });
        let [less, all] = seen;
        assert_eq!(
            less, all,
            "{setting:?}, history {number}, after {at}: {action:?}"
        );
    }
}

#[test]
fn what_is_let_go_of_decides_nothing() {
    let histories = number("MODEL_WALKS").unwrap_or(100);
    for (_, setting) in SETTINGS {
        for history in 0..histories {
            same_with_and_without(setting, 2, history);
        }
    }
}
