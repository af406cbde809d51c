//! What the store remembers of one credential beside its grant, and the two things done to it before
//! every change: cutting deadlines that cannot be, and raising it to what a replica remembers.

use super::budget::Used;
use super::earlier::EarlierTokens;
use super::epoch::{Epoch, Nonce, Version};
use super::grant::Grant;
use super::rules::{MAX_COOLDOWN, Rules};
use super::secret::Fingerprint;
use super::time::Timestamp;
use super::upstream_error::ErrorClass;

/// The right to fetch one credential for a limited time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose attempt it is.
    pub nonce: Nonce,
    /// Under which number.
    pub epoch: Epoch,
    /// Until when nobody else may begin.
    pub until: Timestamp,
}

/// "A fetch may have happened under this epoch": written with the lease, before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Under which number.
    pub epoch: Epoch,
    /// When: the store's time before the request.
    pub begun_at: Timestamp,
    /// The last fetch before this one, for when this one turns out not to have happened.
    pub last_fetch_before: Timestamp,
    /// The issuer before this one, likewise.
    pub issuer_before: Epoch,
    /// Whether it was charged to the forced budget as well.
    pub forced: bool,
}

/// A grant that upstream refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dead {
    /// Which; everything older is dead too.
    pub version: Version,
    /// The newest epoch handed out when it was found: a lease up to here blocks nobody.
    pub epoch: Epoch,
    /// Whether a caller's report led to it.
    pub reported: bool,
}

/// Why and until when no fetch is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cooldown {
    /// What upstream answered.
    pub class: ErrorClass,
    /// Until when.
    pub until: Timestamp,
    /// For which secret; another one ends it.
    pub secret: Fingerprint,
}

/// Whether an SRE has stopped all fetches of this app, and when that was last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Pause {
    /// Paused or not.
    pub paused: bool,
    /// When it was last changed, or a little more than the word before: it orders, the newer word wins.
    pub changed_at: Timestamp,
}

impl Pause {
    /// The newer of two.
    #[must_use]
    pub fn newer(self, other: Self) -> Self {
        if other.changed_at > self.changed_at {
            other
        } else {
            self
        }
    }
}

/// What a check said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Upstream accepts the grant.
    Accepted,
    /// Upstream refused it, twice.
    Refused,
    /// Upstream answered something else, or nothing.
    Inconclusive,
}

/// The latest check of the stored grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Check {
    /// Which version is or was checked.
    pub version: Version,
    /// When the right to check was taken.
    pub claimed_at: Timestamp,
    /// What it said, once it did.
    pub verdict: Option<Verdict>,
}

/// What the store remembers of one credential beside its grant.
#[derive(Clone, Debug, PartialEq, Hash, Default)]
pub struct State {
    /// Hash of the base URL these keys belong to.
    pub origin: Option<Fingerprint>,
    /// The newest epoch handed out, or raised to.
    pub epoch: Epoch,
    /// The newest version ever published, as far as anybody remembers.
    pub version: Version,
    /// Who may fetch.
    pub lease: Option<Lease>,
    /// The fetch whose outcome nobody has told yet.
    pub intent: Option<Intent>,
    /// The stored grant may die before it expires; cleared only by a commit of a higher epoch.
    pub suspect: Option<Epoch>,
    /// The grant that upstream refused.
    pub dead: Option<Dead>,
    /// The last fetch that may have issued a grant.
    pub last_fetch: Timestamp,
    /// The epoch of that fetch: above the stored version, it explains why that version died.
    pub issuer: Epoch,
    /// The budget's theoretical arrival time.
    pub budget: Timestamp,
    /// The same for forced fetches of a stable token.
    pub forced_budget: Timestamp,
    /// A refused stable token came back the same: the next fetch must be forced.
    pub force: bool,
    /// What was used lately, for people.
    pub used: Used,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// Why no fetch is made.
    pub cooldown: Option<Cooldown>,
    /// Whether an SRE stopped it.
    pub pause: Pause,
    /// Until when the stored grant is checked often.
    pub close_watch_until: Timestamp,
    /// The latest check.
    pub check: Check,
    /// The latest commit that was accepted, so that it can be repeated.
    pub committed: Option<(Epoch, Nonce)>,
    /// The access tokens before the stored one, for their holders; decides nothing.
    pub earlier: EarlierTokens,
}

/// What one replica has seen: a store that lost its data forgets nothing that a replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Memory {
    /// The highest version it has seen.
    pub version: Version,
    /// Whether it holds the grant of that version, live and not refused.
    pub live: bool,
    /// The furthest theoretical arrival time it has seen.
    pub budget: Timestamp,
    /// The same for forced fetches.
    pub forced_budget: Timestamp,
    /// The latest fetch it has seen.
    pub last_fetch: Timestamp,
    /// The newest word about a pause.
    pub pause: Pause,
}

impl Memory {
    /// The further value of each, where two were seen; the rest is this one's.
    #[must_use]
    pub fn furthest(self, other: Self) -> Self {
        Self {
            budget: self.budget.max(other.budget),
            forced_budget: self.forced_budget.max(other.forced_budget),
            last_fetch: self.last_fetch.max(other.last_fetch),
            pause: self.pause.newer(other.pause),
            ..self
        }
    }
}

impl State {
    /// Whether nothing was ever recorded: a first start, or a store that lost its data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.epoch == Epoch::default()
    }

    /// Whether `grant` was refused upstream.
    #[must_use]
    pub fn is_dead(&self, grant: &Grant) -> bool {
        self.dead.is_some_and(|dead| dead.version >= grant.version)
    }

    /// Cuts every stored time that lies further away than it ever could to what it could be: after a
    /// failover to a machine whose clock is behind, nothing may wait for longer than its own length.
    pub fn cut_to(&mut self, rules: &Rules, now: Timestamp) {
        if let Some(lease) = &mut self.lease {
            lease.until = lease.until.min(now + rules.lease);
        }
        if let Some(intent) = &mut self.intent {
            intent.begun_at = intent.begun_at.min(now);
            intent.last_fetch_before = intent.last_fetch_before.min(now);
        }
        if let Some(cooldown) = &mut self.cooldown {
            cooldown.until = cooldown.until.min(now + MAX_COOLDOWN);
        }
        self.last_fetch = self.last_fetch.min(now);
        self.budget = rules.budget.cut_to(self.budget, now);
        self.forced_budget = rules.forced_budget.cut_to(self.forced_budget, now);
        self.close_watch_until = self.close_watch_until.min(now + rules.close_watch_lasts());
        self.check.claimed_at = self.check.claimed_at.min(now);
    }

    /// Raises the state to what a replica remembers. What it says of versions is for the caller.
    pub fn raise(&mut self, memory: &Memory, rules: &Rules, now: Timestamp) {
        self.epoch = self.epoch.max(memory.version.into());
        self.version = self.version.max(memory.version);
        self.budget = self.budget.max(rules.budget.cut_to(memory.budget, now));
        self.forced_budget = self
            .forced_budget
            .max(rules.forced_budget.cut_to(memory.forced_budget, now));
        self.last_fetch = self.last_fetch.max(memory.last_fetch.min(now));
        self.pause = self.pause.newer(memory.pause);
    }
}
