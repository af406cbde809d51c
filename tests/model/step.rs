//! One step of the write flow as a sequence of calls, in the order of `src/refresher`: what is sent
//! first, and what follows from each answer. Every decision is the domain's.

use std::time::Duration;

use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Claim, Commit, Judge, Permit, Reason, Suspect,
};
use token_broker::domain::replica::{BlockedBy, Replica, Step, StoreTrouble};
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::state::{Check, Memory, Verdict};
use token_broker::domain::time::{Moment, Timestamp};

use super::actor::{Actor, Flight};
use super::alone;
use super::call::{Answer, Call};
use super::offer;
use super::sabotage::Sabotage;
use super::scale::{Tick, moment};
use super::setting::Setting;

/// The one AppSecret.
pub(crate) const SECRET: Fingerprint = Fingerprint::new(7);

/// What an answer is waited for.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Then {
    /// The check before a repair.
    Probed(Box<Grant>),
    /// The same for a ticket, with its access token.
    TokenProbed,
    /// What that check said is told to the store; whether upstream answered at all.
    ProbeJudged {
        refused: Option<Version>,
        away: bool,
    },
    Begun {
        begin: Begin,
        started: Moment,
    },
    Fetched(Attempting),
    Committed {
        attempting: Attempting,
        commit: Box<Commit>,
        expires: Moment,
    },
    Failed(BlockedBy, Duration),
    Released(BlockedBy),
    /// The record is read, and the step is over.
    ReadAndEnd,
    ReadAndBlock(BlockedBy, Duration),
    ReadAndBackOff(BlockedBy),
    Claimed {
        grant: Box<Grant>,
        every: Duration,
    },
    Watched {
        grant: Box<Grant>,
        every: Duration,
        claimed_at: Timestamp,
        sent: Moment,
    },
    WatchJudged {
        check: Check,
        every: Duration,
    },
    /// The pending commit was sent again.
    Offered,
    /// The held grant was checked, to be put back.
    PutBackChecked {
        version: Version,
        sent: Moment,
    },
    PutBack {
        version: Version,
    },
    CutOffChecked {
        version: Version,
        sent: Moment,
    },
    Asked,
    /// A stable token was asked for without the store.
    FetchedAlone {
        version: Version,
        force: bool,
        started: Moment,
    },
    /// The record is read; a stable token that is not renewed yet is asked for again later.
    ReadAndSeeRenewed,
    /// A report asked for the right to check.
    ReportClaimed {
        grant: Box<Grant>,
    },
    /// A report checked.
    ReportChecked {
        grant: Box<Grant>,
        sent: Moment,
    },
    /// What it found is told to the store.
    ReportJudged {
        refused: Option<Version>,
    },
    /// A report could not ask the store.
    HeldChecked {
        version: Version,
        sent: Moment,
    },
    PauseSet,
}

/// One attempt under way.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Attempting {
    pub(crate) attempt: Attempt,
    pub(crate) permit: Permit,
    pub(crate) started: Moment,
    /// What the fetch costs, as this replica will remember it.
    pub(crate) charged: Memory,
}

/// What a step needs of its surroundings.
pub(crate) struct Context<'a> {
    pub(crate) now: Tick,
    pub(crate) setting: Setting,
    /// How many nonces were drawn in this tick.
    pub(crate) nonces: &'a mut u8,
}

impl Context<'_> {
    pub(crate) fn clock(&self) -> Moment {
        moment(self.now)
    }

    fn nonce(&mut self) -> Nonce {
        *self.nonces += 1;
        Nonce(u128::from(self.now) * 100 + u128::from(*self.nonces))
    }

    pub(crate) fn send(&self, call: Call, then: Then) -> Option<Flight> {
        Some(Flight {
            call,
            answer: None,
            sent: self.now,
            repeated: false,
            then,
        })
    }
}

/// The first call of a step.
pub(crate) fn start(actor: &mut Actor, step: Step, context: &mut Context<'_>) -> Option<Flight> {
    let now = context.clock();
    match step {
        Step::Refresh(reason) => refresh(actor, reason, context),
        Step::Offer => offer::start(actor, context),
        Step::Watch => {
            let stored = actor.replica.record()?.0.servable()?.clone();
            let every = actor.replica.watch_every(now);
            let claim = Claim {
                version: stored.version,
                every: actor.replica.answered_by_checks_of(now),
            };
            let grant = Box::new(stored);
            context.send(Call::Claim(claim), Then::Claimed { grant, every })
        }
        Step::CheckCutOff => {
            if context.setting.lacks(Sabotage::CutOffCheck) {
                return end_cut_off(actor, context);
            }
            check_held(actor, context, |version| Then::CutOffChecked {
                version,
                sent: now,
            })
            .or_else(|| end_cut_off(actor, context))
        }
        Step::Suspect => {
            let floor = actor.replica.floor();
            context.send(Call::Suspect(Suspect { floor }), Then::ReadAndEnd)
        }
        Step::Ask => context.send(Call::Ask, Then::Asked),
        Step::RefreshAlone => alone::start(actor, false, context),
    }
}

fn refresh(actor: &Actor, reason: Reason, context: &mut Context<'_>) -> Option<Flight> {
    let stored = actor
        .replica
        .record()
        .and_then(|(record, _)| record.servable());
    let probes = reason == Reason::Repair && !context.setting.lacks(Sabotage::Probe);
    if probes && context.setting.ticket {
        return context.send(Call::CheckAccessToken, Then::TokenProbed);
    }
    if let Some(stored) = stored
        && probes
    {
        let stored = Box::new(stored.clone());
        return context.send(Call::Check(stored.clone()), Then::Probed(stored));
    }
    begin(actor, reason, context)
}

pub(crate) fn begin(actor: &Actor, reason: Reason, context: &mut Context<'_>) -> Option<Flight> {
    let started = context.clock();
    let memory = if context.setting.lacks(Sabotage::Memory) {
        Memory::default()
    } else {
        actor.replica.memory(started)
    };
    let begin = Begin {
        reason,
        nonce: context.nonce(),
        memory,
        secret: SECRET,
    };
    context.send(Call::Begin(begin), Then::Begun { begin, started })
}

pub(crate) fn check_held(
    actor: &Actor,
    context: &Context<'_>,
    then: impl FnOnce(Version) -> Then,
) -> Option<Flight> {
    let held = actor.replica.live(context.clock())?.clone();
    let version = held.version;
    context.send(Call::Check(Box::new(held)), then(version))
}

/// The step ends, after the record was read.
pub(crate) fn read(context: &Context<'_>, then: Then) -> Option<Flight> {
    context.send(Call::Read, then)
}

pub(crate) fn end_cut_off(actor: &mut Actor, context: &Context<'_>) -> Option<Flight> {
    let every = actor.replica.rules().reconcile;
    actor.update(context.now, |replica| {
        replica.checked(context.clock(), every);
    });
    None
}

/// The store was away: nothing more in this step, and the follower looks after it soon.
pub(crate) fn store_failed(actor: &mut Actor, context: &Context<'_>) -> Option<Flight> {
    actor.update(context.now, |replica| {
        replica.store_failed(StoreTrouble::Away, context.clock());
    });
    actor.next_read = actor.next_read.min(context.now + 1);
    back_off(actor, context, BlockedBy::StoreAway);
    None
}

/// Waits as short as chance may have it, which is the same however often it failed before: failures are not counted.
pub(crate) fn back_off(actor: &mut Actor, context: &Context<'_>, by: BlockedBy) {
    let now = context.clock();
    actor.update(context.now, |replica| {
        let (shortest, _) = replica.rules().backoff;
        replica.block(by, now, shortest);
    });
}

/// What was asked of upstream, as a verdict on the version.
pub(crate) fn judge(version: Version, answer: &Answer, reported: bool) -> Call {
    Call::Judge(Judge {
        version,
        verdict: verdict(answer),
        reported,
    })
}

/// What upstream's answer says of the token that was checked.
pub(crate) const fn verdict(answer: &Answer) -> Verdict {
    match answer {
        Answer::Accepted => Verdict::Accepted,
        Answer::Refused => Verdict::Refused,
        _ => Verdict::Inconclusive,
    }
}

pub(crate) fn refused(actor: &mut Actor, context: &Context<'_>, version: Version) {
    actor.update(context.now, |replica: &mut Replica| {
        replica.refused(version, context.clock());
    });
}

/// A verdict that did not reach the store still counts for this replica.
pub(crate) fn refused_untold(actor: &mut Actor, context: &Context<'_>, version: Version) {
    refused(actor, context, version);
    actor.lost_store(context.now);
}
