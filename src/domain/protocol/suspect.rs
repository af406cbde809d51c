//! suspect: a replica knows of something that makes the stored grant unsafe.

use super::Record;
use crate::domain::epoch::Version;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// A replica's floor lies above the stored version, or it holds another token under its own version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Suspect {
    /// The highest version that replica has served.
    pub floor: Version,
}

impl Record {
    /// Makes the credential suspect as of the newest epoch, first raised to the replica's floor.
    pub fn suspect(&mut self, input: &Suspect, rules: &Rules, now: Timestamp) {
        self.state.epoch = self.state.epoch.max(input.floor.into());
        self.state.version = self.state.version.max(input.floor);
        self.make_suspect(rules, now);
    }
}
