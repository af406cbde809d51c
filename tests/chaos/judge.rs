//! What every reply must keep to, and what is excused while something is wrong: DESIGN's promises in figures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wechat_simulator::Simulator;

use crate::replica::{Heard, What};

/// While a lost fetch is repaired: WeChat kills the served token at the moment of the repairing fetch, and each
/// replica has the new one after a reply, a commit and a signal, or at the latest with its next reading.
const REPAIR_MOMENT: Duration = Duration::from_millis(2500);

/// From a foreign fetch's killing our token to the last replica's having another: a watch, the check's second
/// question, a fetch, a reading, each with its time-out on a busy machine.
const FOREIGN: Duration = Duration::from_secs(7);

/// With two faults of different kinds at once, such as a foreign fetch while the store is away.
const TWO_FAULTS: Duration = Duration::from_secs(15);

/// What is excused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excuse {
    /// How long a served token may have been dead.
    pub(crate) dead: Duration,
    /// Whether somebody may be refused.
    pub(crate) refused: bool,
    /// Whose callers may get no answer.
    pub(crate) unanswered: Option<usize>,
}

impl Excuse {
    /// What is always excused.
    pub(crate) const NONE: Self = Self {
        dead: REPAIR_MOMENT,
        refused: false,
        unanswered: None,
    };
    /// After somebody else fetched.
    pub(crate) const FOREIGN: Self = Self {
        dead: FOREIGN,
        ..Self::NONE
    };
    /// With two faults of different kinds.
    pub(crate) const TWO: Self = Self {
        dead: TWO_FAULTS,
        refused: true,
        unanswered: None,
    };

    /// As much as both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            dead: self.dead.max(other.dead),
            refused: self.refused || other.refused,
            unanswered: self.unanswered.or(other.unanswered),
        }
    }
}

/// What was heard, in figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) replies: usize,
    pub(crate) refused: usize,
    pub(crate) unanswered: usize,
    pub(crate) dead: usize,
    pub(crate) longest_dead: Duration,
}

/// Remembers the highest version that each process has served of each app.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    served: HashMap<(usize, usize, String), u64>,
}

impl Judge {
    /// Judges what was heard while this much was excused. `Err` tells the first breach.
    pub(crate) fn judge(
        &mut self,
        heard: &[Heard],
        wechat: &Simulator,
        excuse: Excuse,
    ) -> Result<Verdict, String> {
        let begun = heard.first().map_or_else(Instant::now, |heard| heard.at);
        let mut verdict = Verdict::default();
        for one in heard {
            let breach = |what: String| {
                let after = one.at.saturating_duration_since(begun);
                format!(
                    "replica {}, {}, {after:.2?} after the first of these replies: {what}",
                    one.replica, one.app
                )
            };
            verdict.replies += 1;
            match &one.what {
                What::Token { token, version } => {
                    let dead = wechat.dead_for(&one.app, token, one.at);
                    if dead > excuse.dead {
                        return Err(breach(format!("a token dead for {dead:.2?}")));
                    }
                    verdict.dead += usize::from(!dead.is_zero());
                    verdict.longest_dead = verdict.longest_dead.max(dead);
                    let process = (one.replica, one.life, one.app.clone());
                    let before = self.served.insert(process, *version).unwrap_or_default();
                    if *version < before {
                        return Err(breach(format!("backwards, from {before} to {version}")));
                    }
                }
                What::Refused { status, code } => {
                    verdict.refused += 1;
                    if !excuse.refused {
                        return Err(breach(format!("refused, {status} {code}")));
                    }
                }
                What::Unanswered(error) => {
                    verdict.unanswered += 1;
                    if excuse.unanswered != Some(one.replica) {
                        return Err(breach(format!("unanswered: {error}")));
                    }
                }
            }
        }
        Ok(verdict)
    }
}
