//! A whole history as a plan that a seed decides: the fleet, and which fault strikes when. What strikes is
//! drawn apart from everything else, so that a fault can be left out and the others stay where they are:
//! that is how a history which breaks a promise is made small.

use std::ops::Range;
use std::time::Duration;

use token_broker::domain::credential::Mode;

use super::fault::Fault;
use super::history::{DAY, HOUR, History, MINUTE, Outcome, Setup, run};
use super::world::Dice;

/// Nothing is worse than a foreign fetch that the watch finds, whose claim was held by a process that was
/// stopped or crashed, and whose repair another fault delayed for a lease.
pub(crate) const DEAD_AT_MOST: Duration = Duration::from_secs(180);

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Deployments, short stops, a network that loses a little: every few hours.
    Benign,
    /// The same, and any other fault about once a day.
    Usual,
    /// Any fault, every hour or two.
    Rough,
    /// Up to three faults at a time, all the time.
    Hostile,
}

impl Severity {
    pub(crate) const ALL: [Self; 4] = [Self::Benign, Self::Usual, Self::Rough, Self::Hostile];

    /// How many faults may happen at a time, and the longest rest between two.
    fn pace(self, dice: &mut Dice) -> (u64, Duration) {
        match self {
            Self::Benign => (1, 8 * HOUR),
            Self::Usual => (2, 8 * HOUR),
            Self::Rough => (1, 3 * HOUR),
            Self::Hostile => (dice.below(3) + 1, 15 * MINUTE),
        }
    }

    fn fault(self, lane: u64, dice: &mut Dice, replicas: usize) -> Fault {
        let any = match self {
            Self::Benign => false,
            Self::Usual => lane == 1 && dice.chance(0.2),
            Self::Rough | Self::Hostile => true,
        };
        if any {
            Fault::any(dice, replicas, 90 * MINUTE)
        } else {
            Fault::benign(dice, replicas)
        }
    }
}

/// A fault and when it strikes, at the earliest: after so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Blow {
    pub(crate) lane: u64,
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// A history before it is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    pub(crate) severity: Severity,
    pub(crate) lasts: Duration,
    pub(crate) blows: Vec<Blow>,
}

impl Plan {
    /// What a seed means for this fleet.
    pub(crate) fn of(seed: u64, setup: Setup, severity: Severity, lasts: Duration) -> Self {
        // Another sequence than the world's own.
        let mut dice = Dice::new(seed ^ 0x5EED_0FB1_0E55_0000);
        let (lanes, rest) = severity.pace(&mut dice);
        let mut blows = Vec::new();
        for lane in 0..lanes {
            let mut at = dice.between(Duration::ZERO, rest);
            while at < lasts {
                let fault = severity.fault(lane, &mut dice, setup.replicas);
                blows.push(Blow { lane, at, fault });
                at += fault.lasts() + dice.between(Duration::ZERO, rest);
            }
        }
        Self {
            seed,
            // No machine of a plan is suspended, so that nobody has to look at the clock every second; and no
            // dead token is too much that is served for less than `DEAD_AT_MOST`, so that callers may rest.
            setup: Setup {
                nap: MINUTE,
                idle: 2 * MINUTE,
                ..setup
            },
            severity,
            lasts,
            blows,
        }
    }

    /// A fleet of any kind that suffers anything: all of it decided by the seed.
    pub(crate) fn any(seed: u64, lasts: Duration) -> Self {
        let mut dice = Dice::new(seed ^ 0xF1EE_7000_0000_0000);
        let mode = if dice.below(4) == 0 {
            Mode::Stable
        } else {
            Mode::Token
        };
        let setup = Setup {
            mode,
            replicas: usize::try_from(dice.below(4)).unwrap_or(0) + 1,
            ..Setup::TOKEN
        };
        let severity = Severity::ALL[usize::try_from(dice.below(4)).unwrap_or(0)];
        Self::of(seed, setup, severity, lasts)
    }

    /// The same, with nothing written down.
    pub(crate) const fn silent(mut self) -> Self {
        self.setup.tells = false;
        self
    }

    /// What names it: seed, mode, replicas, severity, seconds.
    pub(crate) fn name(&self) -> String {
        let mode = match self.setup.mode {
            Mode::Token => "token",
            Mode::Stable => "stable",
        };
        format!(
            "{}:{mode}:{}:{}:{}",
            self.seed,
            self.setup.replicas,
            self.severity as usize,
            self.lasts.as_secs()
        )
    }

    /// The plan of such a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let seed = parts.next()?.parse().ok()?;
        let of_mode = match parts.next()? {
            "stable" => Setup::STABLE,
            _ => Setup::TOKEN,
        };
        let setup = Setup {
            replicas: parts.next()?.parse().ok()?,
            ..of_mode
        };
        let severity = *Severity::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
        let lasts = Duration::from_secs(parts.next()?.parse().ok()?);
        Some(Self::of(seed, setup, severity, lasts))
    }

    /// The same history without the faults whose numbers are not in `kept`.
    fn only(&self, kept: &[usize]) -> Self {
        let blows = kept.iter().filter_map(|number| self.blows.get(*number));
        Self {
            blows: blows.copied().collect(),
            ..self.clone()
        }
    }

    /// Runs it: faults, then peace, in which everything has to be well again.
    pub(crate) fn run(&self) -> Outcome {
        run(self.seed, self.setup, async |history| {
            history.begin().await;
            history
                .oracle
                .promise(|promise| promise.dead_for = DEAD_AT_MOST);
            let elapses = history.elapse(self.lasts);
            tokio::join!(
                elapses,
                self.lane(0, history),
                self.lane(1, history),
                self.lane(2, history)
            );
            history.recovers_within(20 * MINUTE).await;
        })
    }

    async fn lane(&self, lane: u64, history: &History) {
        let begun = history.world.now();
        for blow in self.blows.iter().filter(|blow| blow.lane == lane) {
            if history.world.is_broken() {
                return;
            }
            let passed = history.world.now() - begun;
            tokio::time::sleep(blow.at.saturating_sub(passed)).await;
            blow.fault.strike(history).await;
        }
    }

    /// The faults without which it does not fail any more, by their numbers: whole ranges are left out as
    /// long as it still fails. `fails` says whether a history does; it is asked at most `most` times.
    pub(crate) fn shrink(&self, most: usize, fails: impl Fn(&Self) -> bool) -> Vec<usize> {
        let mut kept: Vec<usize> = (0..self.blows.len()).collect();
        let mut asked = 0;
        let mut part = kept.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < kept.len() && asked < most {
                let out: Range<usize> = from..(from + part).min(kept.len());
                let rest: Vec<usize> = kept[..out.start]
                    .iter()
                    .chain(&kept[out.end..])
                    .copied()
                    .collect();
                asked += 1;
                if fails(&self.only(&rest)) {
                    kept = rest;
                } else {
                    from += part;
                }
            }
            if part == 1 || asked >= most {
                return kept;
            }
            part = part.div_ceil(2);
        }
    }

    /// The plan of a failure that was shrunk: `SIMULATION_KEEP` has the numbers of the faults that are left.
    pub(crate) fn kept_by_environment(self) -> Self {
        let Ok(kept) = std::env::var("SIMULATION_KEEP") else {
            return self;
        };
        let numbers: Vec<usize> = kept.split(',').filter_map(|it| it.parse().ok()).collect();
        self.only(&numbers)
    }
}

/// How long one simulated history lasts, where nothing else is asked for.
pub(crate) const LASTS: Duration = Duration::from_secs(3 * DAY.as_secs());
