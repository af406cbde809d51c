//! pause: an SRE stops all fetches of an app, or lets them go on.

use std::time::Duration;

use super::Record;
use crate::domain::state::Pause;
use crate::domain::time::Timestamp;

/// Paused or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetPause {
    /// Paused or not.
    pub paused: bool,
}

impl Record {
    /// Pauses or resumes. The moment is kept, so that the newer word wins over a replica's memory; also
    /// where the store failed over to a machine whose clock is behind. Whoever resumes says that the cause
    /// is mended: a cooldown is over, and the budget alone bounds how often that may be tried.
    pub fn set_pause(&mut self, input: &SetPause, now: Timestamp) {
        let after = self.state.pause.changed_at + Duration::from_micros(1);
        self.state.pause = Pause {
            paused: input.paused,
            changed_at: now.max(after),
        };
        if !input.paused {
            self.state.cooldown = None;
            self.state.failures = 0;
        }
    }
}
