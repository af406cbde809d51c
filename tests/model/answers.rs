//! What follows from each answer: the second half of a step.

use token_broker::domain::epoch::Version;
use token_broker::domain::protocol::{Committed, Reason};
use token_broker::domain::replica::{BlockedBy, Replica};
use token_broker::domain::state::Check;
use token_broker::domain::time::Moment;

use super::actor::{Actor, Flight};
use super::alone;
use super::call::{Answer, Call};
use super::errand;
use super::fetch;
use super::offer;
use super::step::{
    Context, Then, back_off, begin, end_cut_off, judge, read, refused_untold, store_failed, verdict,
};
use super::watch;

/// Takes the answer of `flight`; `Some` is the next call of the step.
pub(crate) fn take(actor: &mut Actor, flight: Flight, context: &mut Context<'_>) -> Option<Flight> {
    let Some(answer) = flight.answer.clone() else {
        return Some(flight);
    };
    let away = matches!(answer, Answer::Away);
    if away && !flight.repeated && is_repeated(&flight) {
        return Some(Flight {
            answer: None,
            repeated: true,
            ..flight
        });
    }
    let (now, clock) = (context.now, context.clock());
    match flight.then {
        Then::Probed(stored) => {
            if matches!(answer, Answer::Accepted) {
                let sent = super::scale::moment(flight.sent);
                actor.update(now, |replica| replica.accepted(stored.version, sent));
            }
            let refused = matches!(answer, Answer::Refused).then_some(stored.version);
            let call = judge(stored.version, &answer, false);
            context.send(call, Then::ProbeJudged { refused, away })
        }
        Then::TokenProbed if away => {
            back_off(actor, context, BlockedBy::UpstreamAway);
            None
        }
        Then::TokenProbed => begin(actor, Reason::Repair, context),
        Then::ProbeJudged {
            refused: version,
            away: unheard,
        } => {
            if let Some(version) = version.filter(|_| away) {
                refused_untold(actor, context, version);
            }
            if unheard {
                back_off(actor, context, BlockedBy::UpstreamAway);
                return None;
            }
            begin(actor, Reason::Repair, context)
        }
        Then::Begun { begin, started } => match answer {
            Answer::Begun {
                begun,
                confirmed,
                at,
            } => fetch::begun(actor, begin, started, begun, confirmed, at, context),
            _ => store_failed(actor, context),
        },
        Then::Fetched(attempting) => fetch::fetched(actor, attempting, &answer, context),
        Then::Committed {
            attempting,
            commit,
            expires,
        } => fetch::committed(actor, attempting, &commit, expires, &answer, context),
        Then::Failed(by, wait) => read(context, Then::ReadAndBlock(by, wait)),
        Then::Released(by) => read(context, Then::ReadAndBackOff(by)),
        Then::ReadAndEnd
        | Then::ReadAndBlock(..)
        | Then::ReadAndBackOff(_)
        | Then::ReadAndSeeRenewed => {
            if !matches!(flight.call, Call::Read) {
                return if away {
                    store_failed(actor, context)
                } else {
                    read(context, flight.then)
                };
            }
            match answer {
                // Whoever stood still meanwhile asks again, as in `refresher::ask_for`.
                Answer::Record(..) if flight.sent < now => return read(context, flight.then),
                Answer::Record(record, at) => {
                    let sent = super::scale::moment(flight.sent);
                    actor.observe(now, context.setting, *record, at, sent);
                }
                _ => actor.lost_store(now),
            }
            match flight.then {
                Then::ReadAndBlock(by, wait) => {
                    actor.update(now, |replica| replica.block(by, clock, wait));
                }
                Then::ReadAndBackOff(by) => back_off(actor, context, by),
                Then::ReadAndSeeRenewed => alone::see_renewed(actor, context),
                _ => {}
            }
            None
        }
        Then::Claimed { grant, every } => watch::claimed(actor, grant, every, &answer, context),
        Then::Watched {
            grant,
            every,
            claimed_at,
            sent,
        } => {
            if matches!(answer, Answer::Accepted) {
                actor.update(now, |replica| replica.accepted(grant.version, sent));
            }
            let check = Check {
                version: grant.version,
                claimed_at,
                verdict: Some(verdict(&answer)),
            };
            let call = judge(grant.version, &answer, false);
            context.send(call, Then::WatchJudged { check, every })
        }
        Then::WatchJudged { check, every } => watch::judged(actor, check, every, &answer, context),
        Then::Offered => match answer {
            Answer::Committed(Committed::Stored { .. }) => {
                actor.update(now, Replica::pending_is_settled);
                read(context, Then::ReadAndEnd)
            }
            Answer::Committed(Committed::Late) => {
                actor.update(now, Replica::pending_is_settled);
                offer::put_back(actor, context)
            }
            _ => store_failed(actor, context),
        },
        Then::PutBackChecked { version, sent } => {
            offer::checked(actor, version, sent, &answer, context)
        }
        Then::PutBack { version } => offer::answered(actor, version, &answer, context),
        Then::CutOffChecked { version, sent } => {
            held_checked(actor, version, sent, &answer, context);
            end_cut_off(actor, context)
        }
        Then::Asked => {
            actor.update(now, |replica| replica.asked(clock));
            if away {
                return store_failed(actor, context);
            }
            None
        }
        Then::FetchedAlone {
            version,
            force,
            started,
        } => alone::fetched(actor, version, force, started, &answer, context),
        Then::ReportClaimed { grant } => errand::claimed(actor, grant, &answer, context),
        Then::ReportChecked { grant, sent } => {
            errand::checked(actor, &grant, sent, &answer, context)
        }
        Then::ReportJudged { refused: version } => {
            if let Some(version) = version.filter(|_| away) {
                refused_untold(actor, context, version);
            }
            read(context, Then::ReadAndEnd)
        }
        Then::HeldChecked { version, sent } => {
            held_checked(actor, version, sent, &answer, context);
            None
        }
        Then::PauseSet if away => None,
        Then::PauseSet => read(context, Then::ReadAndEnd),
    }
}

/// What upstream said of the held grant, where the store cannot be asked.
fn held_checked(
    actor: &mut Actor,
    version: Version,
    sent: Moment,
    answer: &Answer,
    context: &Context<'_>,
) {
    let clock = context.clock();
    actor.update(context.now, |replica| match answer {
        Answer::Accepted => replica.accepted(version, sent),
        Answer::Refused => {
            replica.refused(version, clock);
        }
        _ => replica.check_failed(sent),
    });
}

/// What the refresher sends once more where no answer came.
fn is_repeated(flight: &Flight) -> bool {
    matches!(
        flight.call,
        Call::Begin(_) | Call::Commit(_) | Call::Fail(_) | Call::Release(_)
    )
}
