//! A stable token is asked for without the store, as in `refresher::alone`.

use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::replica::BlockedBy;
use token_broker::domain::time::{Moment, Timestamp, micros};
use token_broker::domain::upstream_error::ErrorClass;

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::scale::TICK;
use super::step::{Context, Then, back_off};
use super::upstream::{digest, value};

/// Asks for one within this replica's own memory of the budget.
pub(crate) fn start(actor: &mut Actor, force: bool, context: &Context<'_>) -> Option<Flight> {
    let started = context.clock();
    match actor.update(context.now, |replica| replica.begin_alone(force, started)) {
        Ok(version) => {
            let call = Call::Fetch {
                begun: context.now,
                force,
            };
            let then = Then::FetchedAlone {
                version,
                force,
                started,
            };
            context.send(call, then)
        }
        Err(wait) => {
            actor.update(context.now, |replica| {
                replica.block(BlockedBy::BudgetSpent, started, wait);
            });
            None
        }
    }
}

/// Upstream has answered, or not.
pub(crate) fn fetched(
    actor: &mut Actor,
    version: Version,
    force: bool,
    started: Moment,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    let now = context.now;
    let (token, left) = match answer {
        Answer::Issued(token, left) => (*token, *left),
        Answer::Definite => {
            actor.update(now, |replica| {
                replica.check_failed(started);
                let cooldown = ErrorClass::Busy.cooldown(1, (TICK, TICK * 2), wall(started), 0.0);
                replica.block(
                    BlockedBy::CoolingDown(ErrorClass::Busy),
                    context.clock(),
                    cooldown,
                );
            });
            return None;
        }
        _ => {
            actor.update(now, |replica| replica.check_failed(started));
            back_off(actor, context, BlockedBy::UpstreamAway);
            return None;
        }
    };
    let refused = actor.replica.was_refused(&digest(token));
    if refused && force {
        back_off(actor, context, BlockedBy::NotRenewed);
        return None;
    }
    if refused {
        return start(actor, true, context);
    }
    let life = TICK * u32::from(left);
    let grant = Grant {
        version,
        value: value(token),
        digest: digest(token),
        issued_at: wall(started),
        expires_at: wall(started) + life,
    };
    actor.update(now, |replica| {
        replica.keep_pending(grant, started.after(life), None, started);
    });
    if is_due(actor, started) {
        back_off(actor, context, BlockedBy::NotRenewed);
    }
    None
}

/// A stable token came back the same although it was due: it is asked for again a little later.
pub(crate) fn see_renewed(actor: &mut Actor, context: &Context<'_>) {
    if is_due(actor, context.clock()) {
        back_off(actor, context, BlockedBy::NotRenewed);
    }
}

fn is_due(actor: &Actor, now: Moment) -> bool {
    actor
        .replica
        .next(now)
        .is_some_and(|plan| plan.at <= now.boot)
}

/// This machine's wall clock, as the broker writes it into a grant.
fn wall(moment: Moment) -> Timestamp {
    Timestamp::from_micros(micros(moment.wall))
}
