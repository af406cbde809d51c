//! What a replica holds and the store lacks, in the order of `refresher::offer`: check, put back.

use token_broker::domain::epoch::Version;
use token_broker::domain::protocol::{Commit, PutBackAnswer};
use token_broker::domain::replica::BlockedBy;
use token_broker::domain::state::Memory;
use token_broker::domain::time::Moment;

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::sabotage::Sabotage;
use super::step::{Context, Then, back_off, check_held, read, refused, store_failed};

/// The pending commit is sent again; where there is none, what is held goes back.
pub(crate) fn start(actor: &mut Actor, context: &Context<'_>) -> Option<Flight> {
    let Some((attempt, grant)) = actor.replica.pending() else {
        return put_back(actor, context);
    };
    let commit = Commit { attempt, grant };
    context.send(Call::Commit(Box::new(commit)), Then::Offered)
}

/// Asks upstream about the held grant before it is put back. What cannot be checked is replaced.
pub(crate) fn put_back(actor: &mut Actor, context: &Context<'_>) -> Option<Flight> {
    if context.setting.ticket {
        return read(context, Then::ReadAndEnd);
    }
    let sent = context.clock();
    check_held(actor, context, |version| Then::PutBackChecked {
        version,
        sent,
    })
    .or_else(|| {
        back_off(actor, context, BlockedBy::UpstreamAway);
        None
    })
}

/// Upstream has answered whether the token lives.
pub(crate) fn checked(
    actor: &mut Actor,
    version: Version,
    sent: Moment,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    let clock = context.clock();
    let unchecked = context.setting.lacks(Sabotage::PutBackCheck);
    match answer {
        _ if unchecked => {}
        Answer::Accepted => actor.update(context.now, |replica| replica.accepted(version, sent)),
        Answer::Refused => {
            refused(actor, context, version);
            return read(context, Then::ReadAndEnd);
        }
        _ => {
            actor.update(context.now, |replica| replica.check_failed(sent));
            back_off(actor, context, BlockedBy::UpstreamAway);
            return None;
        }
    }
    let mut put_back = actor.replica.put_back(clock)?;
    let version = put_back.grant.version;
    if context.setting.lacks(Sabotage::Memory) {
        put_back.memory = Memory::default();
    }
    let put_back = Call::PutBack(Box::new(put_back));
    context.send(put_back, Then::PutBack { version })
}

/// The store has answered whether it took the token back.
pub(crate) fn answered(
    actor: &mut Actor,
    version: Version,
    answer: &Answer,
    context: &Context<'_>,
) -> Option<Flight> {
    match answer {
        Answer::PutBack(PutBackAnswer::Superseded) => {
            return read(
                context,
                Then::ReadAndBlock(BlockedBy::Behind, actor.replica.rules().close_watch),
            );
        }
        Answer::PutBack(PutBackAnswer::Dead) => refused(actor, context, version),
        Answer::PutBack(PutBackAnswer::Stored | PutBackAnswer::Conflict) => {}
        _ => return store_failed(actor, context),
    }
    read(context, Then::ReadAndEnd)
}
