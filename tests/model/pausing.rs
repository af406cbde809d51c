//! Whether people have stopped the app, and what follows for its leases.

use token_broker::domain::protocol::Begun;

use super::call::{Answer, Call};
use super::promise::Broken;
use super::scale::{RECONCILE, Tick, moment};
use super::world::World;

/// Whether people have stopped the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pausing {
    /// Since when.
    pub(crate) since: Option<Tick>,
    /// When whoever remembers it was last kept from telling a store that may have forgotten.
    shaken: Tick,
}

impl Pausing {
    /// Whoever remembers needs time again to tell.
    pub(crate) fn shake(&mut self, now: Tick) {
        if self.since.is_some() {
            self.shaken = now;
        }
    }
}

impl World {
    /// No lease for an app that is paused, as soon as whoever remembers it has had time to tell.
    pub(crate) fn note_pause(&mut self, call: &Call, answer: &Answer) -> Result<(), Broken> {
        if let Call::SetPause(pause) = call {
            self.pausing.since = pause.paused.then_some(self.now);
        }
        let granted = matches!(
            answer,
            Answer::Begun {
                begun: Begun::Granted(_),
                ..
            }
        );
        let told = self.pausing.since.max(Some(self.pausing.shaken));
        let late = told.is_some_and(|told| self.now > told + RECONCILE + 1);
        let known = self.sides.iter().any(|side| {
            let actor = &side.actor;
            actor.runs() && !actor.cut_off && actor.replica.view(moment(self.now)).paused
        });
        if granted && self.pausing.since.is_some() && late && known {
            return Err(Broken::PausedFetch);
        }
        Ok(())
    }
}
