//! A caller's report, in the order of `refresher::report`: claim, check, tell.

use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::Claimed;
use token_broker::domain::replica::StoreTrouble;
use token_broker::domain::time::Moment;

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::step::{Context, Then, back_off, check_held, judge, read};
use token_broker::domain::replica::BlockedBy;

/// The store has said whether this replica may check for the report.
pub(crate) fn claimed(
    actor: &mut Actor,
    grant: Box<Grant>,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    let sent = context.clock();
    match answer {
        Answer::Claimed(Claimed::Yours, _) => context.send(
            Call::Check(grant.clone()),
            Then::ReportChecked { grant, sent },
        ),
        // Another replica's check is looked after until it has said something; the caller's wait ends there.
        Answer::Claimed(Claimed::Checked(check), _) if check.verdict.is_none() => None,
        Answer::Claimed(..) => read(context, Then::ReadAndEnd),
        _ => {
            actor.update(context.now, |replica| {
                replica.store_failed(StoreTrouble::Away, sent);
            });
            actor.next_read = actor.next_read.min(context.now + 1);
            back_off(actor, context, BlockedBy::StoreAway);
            check_held(actor, context, |version| Then::HeldChecked {
                version,
                sent,
            })
        }
    }
}

/// Upstream has answered.
pub(crate) fn checked(
    actor: &mut Actor,
    grant: &Grant,
    sent: Moment,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    if matches!(answer, Answer::Accepted) {
        actor.update(context.now, |replica| replica.accepted(grant.version, sent));
    }
    let refused = matches!(answer, Answer::Refused).then_some(grant.version);
    let call = judge(grant.version, answer, true);
    context.send(call, Then::ReportJudged { refused })
}
