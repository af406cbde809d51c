//! Which broker is explored, of which app: with or without a safeguard, in which mode, with how much to
//! spend.

use std::time::Duration;

use token_broker::domain::budget::Budget;
use token_broker::domain::credential::Mode;
use token_broker::domain::rules::Rules;

use super::explore::RECOVERY;
use super::sabotage::Sabotage;
use super::scale::{LIFE, OVERLAP, TICK, Tick, rules};

/// Of a scarce budget: one fetch is regained in so many ticks, and so many may be spent at once.
pub(crate) const SCARCE: (Tick, u32) = (15, 2);

/// The same for all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) mode: Mode,
    /// The budget is small enough to be spent within a history.
    pub(crate) scarce: bool,
    /// It is a ticket: it cannot be checked, and is asked for with an access token, which is always there.
    pub(crate) ticket: bool,
    pub(crate) sabotage: Sabotage,
    /// Nothing is let go of, also what decides nothing any more.
    pub(crate) remembers_all: bool,
}

impl Setting {
    pub(crate) const TOKEN: Self = Self {
        mode: Mode::Token,
        scarce: false,
        ticket: false,
        sabotage: Sabotage::None,
        remembers_all: false,
    };
    pub(crate) const SCARCE: Self = Self {
        scarce: true,
        ..Self::TOKEN
    };
    pub(crate) const STABLE: Self = Self {
        mode: Mode::Stable,
        ..Self::TOKEN
    };
    pub(crate) const TICKET: Self = Self {
        ticket: true,
        ..Self::TOKEN
    };

    /// Whether this safeguard is missing.
    pub(crate) fn lacks(self, safeguard: Sabotage) -> bool {
        self.sabotage == safeguard
    }

    /// The rules its replicas keep a credential by.
    pub(crate) fn rules(self) -> Rules {
        let rules = Rules {
            mode: self.mode,
            checkable: !self.ticket,
            ..rules()
        };
        let rules = if self.scarce {
            let (interval, burst) = SCARCE;
            let budget = Budget {
                interval: TICK * u32::from(interval),
                burst,
                reserve: 1,
                window: Duration::from_secs(24 * 3600),
            };
            Rules { budget, ..rules }
        } else {
            rules
        };
        if self.lacks(Sabotage::CloseWatch) {
            return Rules {
                close_watch: rules.watch,
                ..rules
            };
        }
        rules
    }

    /// After so many ticks from an issue the grant is due.
    pub(crate) const fn due(self) -> Tick {
        match self.mode {
            Mode::Token => LIFE / 2,
            // A little inside upstream's window.
            Mode::Stable => LIFE - OVERLAP + 1,
        }
    }

    /// For how long, after all is well again, a live token may be missing.
    pub(crate) const fn recovery(self) -> Tick {
        if self.scarce {
            RECOVERY + SCARCE.0 * 2
        } else {
            RECOVERY
        }
    }
}
