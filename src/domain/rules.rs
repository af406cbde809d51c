//! The durations and limits one credential is kept by: the configuration, as the protocol needs it.

use std::time::Duration;

use super::budget::Budget;
use super::credential::Mode;
use super::grant::Grant;
use super::time::{Timestamp, micros};

/// No cooldown is longer: there is always a re-probe within a day.
pub const MAX_COOLDOWN: Duration = Duration::from_secs(24 * 3600);

/// What one credential is kept by. Built from the configuration, equal on all replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How the app asks for its token.
    pub mode: Mode,
    /// Whether upstream can be asked if it accepts the grant. A ticket it cannot: no check is made, and
    /// whatever would be decided by one is decided by a fetch.
    pub checkable: bool,
    /// At which part of its life a grant is due in `token` mode, 0 to 1.
    pub at: f64,
    /// Replicas add 0 to this part of the due age, so that they do not all come at once.
    pub jitter: f64,
    /// The least time between two fetches that may have issued a grant (`token` mode).
    pub min_spacing: Duration,
    /// How long a lease is valid.
    pub lease: Duration,
    /// How often a replica reads the store.
    pub reconcile: Duration,
    /// How often one replica checks a live grant upstream; zero = never.
    pub watch: Duration,
    /// How often it is checked after anything unclear; also how long one verdict answers all reports.
    pub close_watch: Duration,
    /// How long upstream accepts the grant before; in `stable` mode, how long before expiry upstream
    /// renews a token that is asked for.
    pub overlap: Duration,
    /// How long one upstream call may take.
    pub timeout: Duration,
    /// The shortest and the longest wait between attempts that fail.
    pub backoff: (Duration, Duration),
    /// How many fetches, over all reasons.
    pub budget: Budget,
    /// How many forced fetches of a stable token.
    pub forced_budget: Budget,
}

impl Rules {
    /// From which age on a grant is due, before jitter.
    #[must_use]
    pub fn due_at(&self, grant: &Grant) -> Timestamp {
        match self.mode {
            // In whole microseconds by one multiplication, which a script repeats to the last bit.
            Mode::Token => {
                let age = (micros(grant.life()) as f64 * self.at) as u64;
                grant.issued_at + Duration::from_micros(age)
            }
            // A little inside upstream's window, so that the first question already gets the new token.
            Mode::Stable => {
                grant.expires_at - (self.overlap - self.overlap / 60).min(grant.life() / 2)
            }
        }
    }

    /// How long a close watch lasts: by then every fetch that could still happen has shown itself.
    #[must_use]
    pub fn close_watch_lasts(&self) -> Duration {
        // A minute beside DESIGN's 15 s, and in the same proportion where times are scaled.
        self.overlap + self.lease + self.close_watch * 4
    }
}
