//! What must not happen.

use std::fmt;

use super::scale::{RECONCILE, Tick, WATCH};

/// A promise that a history broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A replica served a dead token for longer than is promised.
    DeadServed,
    /// A replica served a lower version than before.
    Backwards,
    /// The store gave the lease to somebody while somebody else held it.
    TwoHolders,
    /// The store handed an epoch out twice although its clock never went back.
    EpochTwice,
    /// A grant was stored whose lease was not its holder's any more.
    LateStored,
    /// The stored grant was replaced by an older one.
    StoredBackwards,
    /// One version came to name two tokens, in the store or of two replicas: a caller that compares versions keeps the
    /// wrong one.
    VersionTwice,
    /// A suspect was cleared by something else than a commit of a higher epoch.
    SuspectCleared,
    /// Two fetches came closer together than the spacing, and nothing had gone wrong.
    NeedlessFetch,
    /// A token that callers were given, and may keep for a while, died meanwhile, and nothing had gone wrong.
    CacheDied,
    /// More was fetched than the budget allows.
    OverBudget,
    /// A fetch began although the app was paused, and somebody who could tell knew it.
    PausedFetch,
    /// A replica takes step after step and time does not go on.
    Spins,
    /// After all is well again, and some time, somebody serves nothing, or something dead.
    NotHealed,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// For how long a dead token may be served, in ticks: until the next reconcile where a repair of ours
/// killed it; where somebody else fetched, until the watch has found it and the next reconcile has told, as often as that
/// happened.
pub(crate) fn bound(foreign: u8) -> Tick {
    if foreign > 0 {
        (WATCH + RECONCILE) * Tick::from(foreign)
    } else {
        RECONCILE
    }
}

/// How many steps a replica may take within one tick before it counts as spinning.
pub(crate) const MOST_STEPS: u8 = 12;
