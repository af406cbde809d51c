//! The regular look at a token, in the order of `refresher::check`: claim, check, tell.

use std::time::Duration;

use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Claimed, Judged};
use token_broker::domain::state::{Check, Verdict};

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::fetch::EARLY;
use super::step::{Context, Then, read, refused_untold, store_failed};

/// The store has said whether this replica may check.
pub(crate) fn claimed(
    actor: &mut Actor,
    grant: Box<Grant>,
    every: Duration,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    match *answer {
        Answer::Claimed(Claimed::Yours, claimed_at) => {
            let then = Then::Watched {
                grant: grant.clone(),
                every,
                claimed_at,
                sent: context.clock(),
            };
            context.send(Call::Check(grant), then)
        }
        Answer::Claimed(Claimed::Checked(check), _) => end(actor, EARLY, Some(check), context),
        Answer::Claimed(Claimed::NotCurrent, _) => end(actor, EARLY, None, context),
        _ => store_failed(actor, context),
    }
}

/// The store was told what the check said.
pub(crate) fn judged(
    actor: &mut Actor,
    check: Check,
    every: Duration,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    if check.verdict == Some(Verdict::Refused) && matches!(answer, Answer::Away) {
        refused_untold(actor, context, check.version);
    }
    let is_accepted = check.verdict == Some(Verdict::Accepted);
    let is_noted = is_accepted && matches!(answer, Answer::Judged(Judged::Noted));
    end(actor, every / 4, is_noted.then_some(check), context)
}

/// A reading ends it, unless what the store told will do.
fn end(
    actor: &mut Actor,
    pause: Duration,
    told: Option<Check>,
    context: &Context<'_>,
) -> Option<Flight> {
    let clock = context.clock();
    actor.update(context.now, |replica| replica.checked(clock, pause));
    let is_known =
        told.is_some_and(|check| actor.update(context.now, |replica| replica.noted(check)));
    if is_known {
        return None;
    }
    read(context, Then::ReadAndEnd)
}
