//! The store: the domain's record behind its own functions, a standby that may fall behind, and what is
//! promised of each change.

use token_broker::domain::budget::Used;
use token_broker::domain::credential::Mode;
use token_broker::domain::earlier::EarlierTokens;
use token_broker::domain::epoch::{Epoch, Nonce};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Begin, Begun, Commit, Committed, Judged, Reason, Record};
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::state::{Memory, State};
use token_broker::domain::time::Timestamp;

use super::call::{Answer, Call};
use super::promise::Broken;
use super::sabotage::Sabotage;
use super::scale::{Tick, store_time};
use super::setting::Setting;
use super::settle::settle;

const ORIGIN: Fingerprint = Fingerprint::new(1);

/// The store and what surrounds it.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Store {
    record: Record,
    /// What a standby knows since replication to it stopped, and whether `begin` says that its change
    /// is confirmed all the same.
    standby: Option<(Box<Record>, bool)>,
    /// How far its clock is ahead of the others, in ticks.
    ahead: i16,
    /// How often its data went back or away.
    losses: u8,
    /// The highest epoch it ever handed out.
    highest: Epoch,
}

/// What an operation answered, and whether the other replicas are told.
pub(crate) struct Applied {
    pub(crate) answer: Answer,
    pub(crate) signals: bool,
}

impl Store {
    /// What the record says, for people.
    pub(crate) fn summary(&self) -> String {
        let state = &self.record.state;
        let grant = self.record.grant.as_ref();
        format!(
            "{:?} v{:?} lease {:?} intent {:?} suspect {:?} dead {:?} epoch {:?} close {:?}",
            grant.map(|grant| super::upstream::token_of(&grant.digest)),
            grant.map(|grant| grant.version.0),
            state.lease.map(|lease| (lease.epoch.0, lease.until)),
            state.intent.map(|intent| intent.epoch.0),
            state.suspect.map(|epoch| epoch.0),
            state.dead.map(|dead| dead.version.0),
            state.epoch.0,
            state.close_watch_until,
        )
    }

    pub(crate) fn is_lagging(&self) -> bool {
        self.standby.is_some()
    }

    fn time(&self, now: Tick) -> Timestamp {
        store_time(now, self.ahead, self.losses)
    }

    /// Everything is gone.
    pub(crate) fn lose(&mut self) {
        self.record = Record::default();
        self.losses += 1;
    }

    /// From now on nothing reaches the standby.
    pub(crate) fn lag(&mut self, confirmed: bool) {
        self.standby = Some((Box::new(self.record.clone()), confirmed));
    }

    /// Replication goes on: the standby has caught up.
    pub(crate) fn catch_up(&mut self) {
        self.standby = None;
    }

    /// The standby takes over, with a clock that is so far ahead, or behind.
    pub(crate) fn fail_over(&mut self, ahead: i16) {
        if let Some((record, _)) = self.standby.take() {
            self.record = *record;
            self.ahead = ahead;
            self.losses += 1;
        }
    }

    /// How far its clock is ahead of the others, in ticks.
    pub(crate) const fn ahead(&self) -> i16 {
        self.ahead
    }

    /// The newest epoch that it knows of.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.record.state.epoch
    }

    /// How often its data went back or away.
    pub(crate) const fn losses(&self) -> u8 {
        self.losses
    }

    /// The record as a replica reads it, which looks at nobody's nonce.
    pub(crate) fn read(&self, now: Tick, setting: Setting) -> (Record, Timestamp) {
        let at = self.time(now);
        let mut record = self.record.clone();
        open(&mut record, &setting.rules(), at);
        if !setting.remembers_all {
            settle(&mut record, &[]);
        }
        (record, at)
    }

    /// A tick begins, and attempts with these nonces are all that can be spoken of.
    pub(crate) fn settle(&mut self, now: Tick, nonces: &[Nonce]) {
        let standby = self.standby.iter_mut().map(|(record, _)| &mut **record);
        for record in std::iter::once(&mut self.record).chain(standby) {
            settle(record, nonces);
        }
        // What was handed out in an earlier tick lies below its time.
        let time = store_time(now, 0, 0).as_micros();
        self.highest = self.highest.max(Epoch(time - 1));
    }

    /// Runs a call.
    pub(crate) fn apply(
        &mut self,
        call: &Call,
        now: Tick,
        setting: Setting,
    ) -> Result<Applied, Broken> {
        let at = self.time(now);
        let (rules, sabotage) = (setting.rules(), setting.sabotage);
        open(&mut self.record, &rules, at);
        let before = self.record.clone();
        prepare(&mut self.record, call, sabotage, at);
        let told = |answer| Applied {
            answer,
            signals: true,
        };
        let quiet = |answer| Applied {
            answer,
            signals: false,
        };
        let record = &mut self.record;
        let applied = match call {
            Call::Begin(begin) => {
                let begin = &asked(begin, &before, sabotage);
                let mut begun = record.begin(begin, &rules, at);
                if sabotage == Sabotage::EpochFromTime {
                    count_epoch(&mut record.state, &before.state, &mut begun);
                }
                if sabotage == Sabotage::None {
                    self.check_begin(begin, &before, &begun, at)?;
                }
                quiet(Answer::Begun {
                    begun,
                    confirmed: self
                        .standby
                        .as_ref()
                        .is_none_or(|(_, confirmed)| *confirmed),
                    at,
                })
            }
            Call::Commit(commit) => {
                let committed = record.commit(commit, &rules, at);
                if matches!(sabotage, Sabotage::None | Sabotage::Nonce)
                    && setting.mode == Mode::Token
                {
                    check_commit(commit, &before, record, committed)?;
                }
                told(Answer::Committed(committed))
            }
            Call::Fail(failure) => {
                record.fail(failure, &rules, at);
                told(Answer::Done)
            }
            Call::Release(attempt) => {
                record.release(attempt, &rules);
                quiet(Answer::Done)
            }
            Call::Claim(claim) => quiet(Answer::Claimed(record.claim_check(claim, at), at)),
            Call::Judge(judge) => {
                let judged = record.judge(judge, &rules, at);
                Applied {
                    signals: matches!(judged, Judged::Dead { .. }),
                    answer: Answer::Judged(judged),
                }
            }
            Call::PutBack(put_back) => told(Answer::PutBack(record.put_back(put_back, &rules, at))),
            Call::Suspect(suspect) => {
                record.suspect(suspect, &rules, at);
                told(Answer::Done)
            }
            Call::SetPause(pause) => {
                record.set_pause(pause, at);
                told(Answer::Done)
            }
            Call::Ask => told(Answer::Done),
            Call::Read => {
                let (record, at) = self.read(now, setting);
                quiet(Answer::Record(Box::new(record), at))
            }
            Call::Fetch { .. } | Call::Check(_) | Call::CheckAccessToken => quiet(Answer::Away),
        };
        if sabotage == Sabotage::None {
            check_suspect(call, &before.state, &self.record.state)?;
        }
        tamper(&mut self.record.state, call, sabotage);
        // They decide nothing (earlier tokens, as the differential test of the stores shows; failures, since every wait is
        // as short as chance may have it) and would make many states of one.
        self.record.state.earlier = EarlierTokens::default();
        self.record.state.used = Used::default();
        self.record.state.failures = 0;
        if setting.mode == Mode::Token {
            check_order(before.grant.as_ref(), self.record.grant.as_ref())?;
        }
        Ok(applied)
    }

    /// One holder at a time, and no epoch twice unless data and time were lost.
    fn check_begin(
        &mut self,
        begin: &Begin,
        before: &Record,
        begun: &Begun,
        at: Timestamp,
    ) -> Result<(), Broken> {
        let Begun::Granted(permit) = begun else {
            return Ok(());
        };
        let state = &before.state;
        let again = state.lease.is_some_and(|lease| lease.nonce == begin.nonce);
        let overtaken = |epoch| state.dead.is_some_and(|dead| epoch <= dead.epoch);
        let held = state
            .lease
            .is_some_and(|lease| at < lease.until && !overtaken(lease.epoch));
        if held && !again {
            return Err(Broken::TwoHolders);
        }
        let unique = again || permit.epoch > self.highest;
        if !unique && self.ahead == 0 {
            return Err(Broken::EpochTwice);
        }
        // What a clock that is ahead hands out lies above what comes after it, and is another epoch for all that.
        if self.ahead == 0 {
            self.highest = self.highest.max(permit.epoch);
        }
        Ok(())
    }
}

fn open(record: &mut Record, rules: &Rules, at: Timestamp) {
    let opened = record.open(rules, ORIGIN, at);
    debug_assert!(opened.is_ok(), "there is only one fleet");
}

/// A late grant is not stored, unless it is a stable token, which kills nothing.
fn check_commit(
    commit: &Commit,
    before: &Record,
    after: &Record,
    committed: Committed,
) -> Result<(), Broken> {
    let attempt = commit.attempt;
    let holds = before
        .state
        .lease
        .is_some_and(|lease| (lease.epoch, lease.nonce) == (attempt.epoch, attempt.nonce));
    let repeated = before.state.committed == Some((attempt.epoch, attempt.nonce));
    if !holds && !repeated && (after.grant != before.grant || committed != Committed::Late) {
        return Err(Broken::LateStored);
    }
    Ok(())
}

/// Whoever looks into the store sees versions grow, and one token under each.
fn check_order(before: Option<&Grant>, after: Option<&Grant>) -> Result<(), Broken> {
    match (before, after) {
        (Some(before), Some(after)) if after.version < before.version => {
            Err(Broken::StoredBackwards)
        }
        (Some(before), Some(after))
            if after.version == before.version && after.digest != before.digest =>
        {
            Err(Broken::VersionTwice)
        }
        _ => Ok(()),
    }
}

/// Only a commit of a higher epoch clears a suspect, and no suspect goes back.
fn check_suspect(call: &Call, before: &State, after: &State) -> Result<(), Broken> {
    let Some(was) = before.suspect else {
        return Ok(());
    };
    let cleared_by_higher = matches!(call, Call::Commit(commit) if commit.attempt.epoch > was);
    match after.suspect {
        Some(is) if is >= was => Ok(()),
        None if cleared_by_higher => Ok(()),
        _ => Err(Broken::SuspectCleared),
    }
}

/// What a missing safeguard changes before a call.
fn prepare(record: &mut Record, call: &Call, sabotage: Sabotage, at: Timestamp) {
    let state = &mut record.state;
    match (sabotage, call) {
        (Sabotage::Epoch, Call::Commit(commit)) => {
            state.version = state.version.min(commit.grant.version);
            if let Some(lease) = &mut state.lease {
                lease.epoch = commit.attempt.epoch;
                lease.nonce = commit.attempt.nonce;
            } else {
                state.lease = Some(token_broker::domain::state::Lease {
                    nonce: commit.attempt.nonce,
                    epoch: commit.attempt.epoch,
                    until: at,
                });
            }
        }
        (Sabotage::Nonce, Call::Commit(commit)) => {
            let attempt = commit.attempt;
            if let Some(lease) = &mut state.lease
                && lease.epoch == attempt.epoch
            {
                lease.nonce = attempt.nonce;
            }
        }
        (Sabotage::Lease, Call::Begin(begin)) => {
            state.lease.take_if(|lease| lease.nonce != begin.nonce);
        }
        (Sabotage::Spacing | Sabotage::LookAndSpacing, Call::Begin(_)) => {
            state.last_fetch = Timestamp::NEVER;
        }
        _ => {}
    }
}

/// What `begin` is asked where the second look is missing: as if somebody insisted.
fn asked(begin: &Begin, before: &Record, sabotage: Sabotage) -> Begin {
    let blind = matches!(sabotage, Sabotage::SecondLook | Sabotage::LookAndSpacing);
    let Some(stored) = before.grant.as_ref().filter(|_| blind) else {
        return *begin;
    };
    Begin {
        reason: Reason::Forced,
        memory: Memory {
            version: begin.memory.version.max(stored.version),
            ..begin.memory
        },
        ..*begin
    }
}

/// The next epoch is the one after the last, whatever the time.
fn count_epoch(state: &mut State, before: &State, begun: &mut Begun) {
    let Begun::Granted(permit) = begun else {
        return;
    };
    let epoch = Epoch(before.epoch.0 + 1);
    permit.epoch = epoch;
    state.epoch = epoch;
    state.issuer = epoch;
    if let Some(lease) = &mut state.lease {
        lease.epoch = epoch;
    }
    if let Some(intent) = &mut state.intent {
        intent.epoch = epoch;
    }
}

/// What a missing safeguard changes after a call.
fn tamper(state: &mut State, call: &Call, sabotage: Sabotage) {
    match sabotage {
        Sabotage::Intent => state.intent = None,
        Sabotage::Suspect => state.suspect = None,
        Sabotage::ClearedEarly if matches!(call, Call::Commit(_)) => state.suspect = None,
        _ => {}
    }
}
