//! What follows from each answer: the second half of a step.

use std::time::Duration;

use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Commit, Committed, Failure, Permit, PutBackAnswer, Reason,
};
use token_broker::domain::replica::{BlockedBy, Replica};
use token_broker::domain::state::{Check, Memory};
use token_broker::domain::time::{Moment, Timestamp, micros};
use token_broker::domain::upstream_error::ErrorClass;

use super::actor::{Actor, Flight};
use super::call::{Answer, Call};
use super::errand;
use super::sabotage::Sabotage;
use super::scale::{TICK, Tick, tick_of};
use super::step::{
    self, Attempting, Context, SECRET, Then, back_off, begin, end_cut_off, judge, put_back, read,
    refused, refused_untold, store_failed, verdict,
};
use super::upstream::{Token, digest, value};
use super::watch;

/// How long to wait where the store says that a grant is not due yet, as in `refresher::fetch`.
pub(crate) const EARLY: Duration = Duration::from_millis(100);

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
            } => begun_is(actor, begin, started, begun, confirmed, at, context),
            _ => store_failed(actor, context),
        },
        Then::Fetched(attempting) => fetched(actor, attempting, &answer, context),
        Then::Committed {
            attempting,
            commit,
            expires,
        } => committed(actor, attempting, &commit, expires, &answer, context),
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
                Then::ReadAndSeeRenewed => see_renewed(actor, context),
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
                put_back(actor, context)
            }
            _ => store_failed(actor, context),
        },
        Then::PutBackChecked { version, sent } => {
            put_back_checked(actor, version, sent, &answer, context)
        }
        Then::PutBack { version } => put_back_answered(actor, version, &answer, context),
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
        } => fetched_alone(actor, version, force, started, &answer, context),
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

fn begun_is(
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

fn fetched(
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

fn committed(
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

fn put_back_checked(
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

fn put_back_answered(
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
        Answer::PutBack(PutBackAnswer::Dead) => step::refused(actor, context, version),
        Answer::PutBack(PutBackAnswer::Stored | PutBackAnswer::Conflict) => {}
        _ => return store_failed(actor, context),
    }
    read(context, Then::ReadAndEnd)
}

/// A stable token came back the same although it was due: it is asked for again a little later.
fn see_renewed(actor: &mut Actor, context: &Context<'_>) {
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

/// The end of a fetch without the store, as in `refresher::alone`.
fn fetched_alone(
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
                let failures = replica.count_failure();
                let cooldown =
                    ErrorClass::Busy.cooldown(failures, (TICK, TICK * 2), wall(started), 0.0);
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
        return step::fetch_alone(actor, true, context);
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

/// This machine's wall clock, as the broker writes it into a grant.
fn wall(moment: Moment) -> Timestamp {
    Timestamp::from_micros(micros(moment.wall))
}
