//! The course that a record's history takes by the protocol alone: what each step calls, what is answered, what is left.

use std::time::Duration;

use token_broker::domain::earlier::EarlierTokens;
use token_broker::domain::protocol::{Attempt, Begun, Record};
use token_broker::domain::rules::Rules;
use token_broker::domain::time::Timestamp;

use super::history::Step;
use super::past::{Call, Past, Permitted};
use super::sample::ORIGIN;

/// Where each history begins, in microseconds.
pub(super) const START: u64 = 1_700_000_000_123_456;

/// An answer of any call, to be compared.
pub(super) type Answer = String;

/// A history so far.
pub(super) struct Course<'a> {
    rules: &'a Rules,
    pub(super) record: Record,
    pub(super) now: Timestamp,
    past: Past,
}

impl<'a> Course<'a> {
    /// Nothing has happened yet.
    pub(super) fn of(rules: &'a Rules) -> Self {
        Self {
            rules,
            record: Record::default(),
            now: Timestamp::from_micros(START),
            past: Past::default(),
        }
    }

    /// Takes a step. What it called and was answered, where it called anything.
    ///
    /// # Errors
    /// What the protocol must not do, whatever a store does.
    pub(super) fn step(&mut self, step: &Step) -> Result<Option<(Call, Answer)>, String> {
        let (rules, now) = (self.rules, self.go(step));
        let Some(call) = self.past.call(step, &self.record, now) else {
            return Ok(None);
        };
        self.record.open(rules, ORIGIN, now).unwrap();
        let forgetful = forgetful(&self.record, &call, rules, now);
        let (answer, begun) = pure(&mut self.record, &call, rules, now);
        if forgetful != (answer.clone(), without_earlier(&self.record)) {
            return Err(format!("earlier tokens decide about {call:?}: {answer}"));
        }
        if let (Call::Begin(input), Some(Begun::Granted(permit))) = (&call, begun) {
            self.past.attempts.push(Permitted {
                attempt: Attempt {
                    epoch: permit.epoch,
                    nonce: input.nonce,
                },
                begun_at: permit.begun_at,
                secret: input.secret,
            });
        }
        Ok(Some((call, answer)))
    }

    /// To the time of a step.
    fn go(&mut self, step: &Step) -> Timestamp {
        let now = self.now;
        self.now = match step {
            Step::Wait(micros) => now + Duration::from_micros(*micros),
            Step::Back(micros) => now - Duration::from_micros(*micros),
            Step::ToDeadline(deadline, by) => {
                let at = deadline.of(&self.record, self.rules);
                let there = at.map(|at| at.as_micros().saturating_add_signed(*by));
                now.max(Timestamp::from_micros(there.unwrap_or_default()))
            }
            _ => now,
        };
        if matches!(step, Step::Loss) {
            self.record = Record::default();
        }
        self.now
    }
}

fn pure(
    record: &mut Record,
    call: &Call,
    rules: &Rules,
    now: Timestamp,
) -> (Answer, Option<Begun>) {
    let answer = match call {
        Call::Begin(input) => {
            let begun = record.begin(input, rules, now);
            return (format!("{begun:?}"), Some(begun));
        }
        Call::Commit(input) => format!("{:?}", record.commit(input, rules, now)),
        Call::Fail(input) => format!("{:?}", record.fail(input, rules, now)),
        Call::Release(input) => format!("{:?}", record.release(input, rules)),
        Call::Claim(input) => format!("{:?}", record.claim_check(input, now)),
        Call::Judge(input) => format!("{:?}", record.judge(input, rules, now)),
        Call::PutBack(input) => format!("{:?}", record.put_back(input, rules, now)),
        Call::Suspect(input) => format!("{:?}", record.suspect(input, rules, now)),
        Call::Pause(input) => format!("{:?}", record.set_pause(input, now)),
    };
    (answer, None)
}

/// The same where nobody remembers earlier tokens: what it answers and leaves must be the same but for these.
fn forgetful(record: &Record, call: &Call, rules: &Rules, now: Timestamp) -> (Answer, Record) {
    let (mut record, mut call) = (without_earlier(record), call.clone());
    if let Call::PutBack(put_back) = &mut call {
        put_back.earlier = EarlierTokens::default();
    }
    let (answer, _) = pure(&mut record, &call, rules, now);
    (answer, without_earlier(&record))
}

fn without_earlier(record: &Record) -> Record {
    let mut record = record.clone();
    record.state.earlier = EarlierTokens::default();
    record
}
