//! From the lease to the stored token, in the order of `refresher::fetch` and `refresher::commit`.

use std::time::Duration;

use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Commit, Committed, Failure, Permit, Reason,
};
use token_broker::domain::replica::BlockedBy;
use token_broker::domain::time::{Moment, Timestamp};
use token_broker::domain::upstream_error::ErrorClass;

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::sabotage::Sabotage;
use super::scale::{TICK, Tick, tick_of};
use super::step::{Attempting, Context, SECRET, Then, read, store_failed};
use super::upstream::{Token, digest, value};

/// How long to wait where the store says that a grant is not due yet, as in `refresher::fetch`.
pub(crate) const EARLY: Duration = Duration::from_millis(100);

/// The store has answered whether there is a lease.
pub(crate) fn begun(
    actor: &mut Actor,
    begin: Begin,
    started: Moment,
    begun: Begun,
    confirmed: bool,
    at: Timestamp,
    context: &Context<'_>,
) -> Option<Flight> {
    let clock = context.clock();
    let wait = |until: Timestamp| until.since(at).max(Duration::from_millis(1));
    let (by, until) = match begun {
        Begun::Granted(permit) => {
            let attempting = Attempting {
                attempt: Attempt {
                    epoch: permit.epoch,
                    nonce: begin.nonce,
                },
                permit,
                started,
                charged: actor.replica.charged(&permit),
            };
            return fetch_under_lease(actor, attempting, confirmed, context);
        }
        Begun::Fresh(grant) => {
            let known = actor.replica.floor() == grant.version;
            return if known && matches!(begin.reason, Reason::Scheduled | Reason::Repair) {
                read(context, Then::ReadAndBlock(BlockedBy::Spacing, EARLY))
            } else {
                read(context, Then::ReadAndEnd)
            };
        }
        Begun::Behind | Begun::Paused => return read(context, Then::ReadAndEnd),
        Begun::Busy { until } => (BlockedBy::Busy, until),
        Begun::CoolingDown { class, until } => (BlockedBy::CoolingDown(class), until),
        Begun::Spacing { until } => (BlockedBy::Spacing, until),
        Begun::BudgetSpent { until } => (BlockedBy::BudgetSpent, until),
    };
    // Where it was forced, only the errand is held up.
    if begin.reason != Reason::Forced {
        actor.update(context.now, |replica| replica.block(by, clock, wait(until)));
    }
    None
}

fn fetch_under_lease(
    actor: &Actor,
    attempting: Attempting,
    confirmed: bool,
    context: &Context<'_>,
) -> Option<Flight> {
    let now = context.clock();
    let rules = actor.replica.rules();
    let passed = now.boot.saturating_sub(attempting.started.boot);
    let left = attempting.permit.valid_for.saturating_sub(passed);
    let view = actor.replica.view(now);
    let may_wait = view
        .servable(now)
        .is_some_and(|(_, life)| life > rules.lease * 2);
    let release = Call::Release(attempting.attempt);
    if !confirmed && may_wait {
        return context.send(release, Then::Released(BlockedBy::Unconfirmed));
    }
    if left < rules.timeout && !context.setting.lacks(Sabotage::Validity) {
        return context.send(release, Then::Released(BlockedBy::LeaseTooShort));
    }
    let call = Call::Fetch {
        begun: tick_of(attempting.started),
        force: attempting.permit.force,
    };
    context.send(call, Then::Fetched(attempting))
}

/// Upstream has answered, or not.
pub(crate) fn fetched(
    actor: &mut Actor,
    attempting: Attempting,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    if !matches!(answer, Answer::NotSent) && !context.setting.lacks(Sabotage::Memory) {
        let issued = !matches!(answer, Answer::Definite);
        actor.update(context.now, |replica| {
            replica.spent(attempting.charged, issued);
        });
    }
    let class = match answer {
        Answer::Issued(token, left) => return commit(attempting, *token, *left, context),
        Answer::NotSent => {
            let release = Call::Release(attempting.attempt);
            return context.send(release, Then::Released(BlockedBy::UpstreamAway));
        }
        Answer::Definite => ErrorClass::Busy,
        _ => ErrorClass::Unclear,
    };
    let Permit {
        failures, begun_at, ..
    } = attempting.permit;
    let cooldown = class.cooldown(failures + 1, (TICK, TICK * 2), begun_at, 0.0);
    let failure = Failure {
        attempt: attempting.attempt,
        class,
        cooldown,
        secret: SECRET,
    };
    let by = BlockedBy::CoolingDown(class);
    context.send(Call::Fail(failure), Then::Failed(by, cooldown))
}

fn commit(
    attempting: Attempting,
    token: Token,
    left: Tick,
    context: &Context<'_>,
) -> Option<Flight> {
    let life = TICK * u32::from(left);
    let begun_at = attempting.permit.begun_at;
    let commit = Box::new(Commit {
        attempt: attempting.attempt,
        grant: Grant {
            version: Version::fetched_under(attempting.permit.epoch),
            value: value(token),
            digest: digest(token),
            issued_at: begun_at,
            expires_at: begun_at + life,
        },
    });
    let then = Then::Committed {
        attempting,
        commit: commit.clone(),
        expires: attempting.started.after(life),
    };
    context.send(Call::Commit(commit), then)
}

/// The store has answered whether it took the token.
pub(crate) fn committed(
    actor: &mut Actor,
    attempting: Attempting,
    commit: &Commit,
    expires: Moment,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    let Attempting {
        attempt, started, ..
    } = attempting;
    let grant = commit.grant.clone();
    match answer {
        Answer::Committed(Committed::Stored {
            version,
            expires_at,
        }) => {
            let extra = expires_at.since(grant.expires_at);
            let renewed = *version == grant.version;
            let stored = Grant {
                version: *version,
                expires_at: *expires_at,
                ..grant
            };
            actor.update(context.now, |replica| {
                replica.committed(stored, expires.after(extra), started);
            });
            let then = if renewed {
                Then::ReadAndEnd
            } else {
                Then::ReadAndSeeRenewed
            };
            read(context, then)
        }
        Answer::Committed(Committed::Late) => read(context, Then::ReadAndEnd),
        _ => {
            if !context.setting.lacks(Sabotage::Pending) {
                actor.update(context.now, |replica| {
                    replica.keep_pending(grant, expires, Some(attempt), started);
                });
            }
            store_failed(actor, context)
        }
    }
}
