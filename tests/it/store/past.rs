//! What happened to a record so far, and the calls that the steps of its history make of it.

use std::time::Duration;

use token_broker::domain::earlier::{EarlierToken, EarlierTokens};
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Claim, Commit, Failure, Judge, PutBack, Record, SetPause, Suspect,
};
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::time::Timestamp;

use super::history::{Ago, Step};
use super::sample;

/// A call of the store.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Begin(Begin),
    Commit(Commit),
    Fail(Failure),
    Release(Attempt),
    Claim(Claim),
    Judge(Judge),
    PutBack(PutBack),
    Suspect(Suspect),
    Pause(SetPause),
}

/// What happened so far, to which steps refer.
#[derive(Default)]
pub(super) struct Past {
    begins: Vec<Begin>,
    pub(super) attempts: Vec<Permitted>,
    commits: Vec<Commit>,
    grants: Vec<Grant>,
    nonces: u128,
}

/// An attempt that was permitted.
#[derive(Clone, Copy)]
pub(super) struct Permitted {
    pub(super) attempt: Attempt,
    pub(super) begun_at: Timestamp,
    pub(super) secret: Fingerprint,
}

fn latest_but<T>(list: &[T], ago: Ago) -> Option<&T> {
    list.iter().rev().nth(ago).or(list.first())
}

impl Past {
    /// The call that a step makes; `None` where it refers to nothing.
    pub(super) fn call(&mut self, step: &Step, record: &Record, now: Timestamp) -> Option<Call> {
        Some(match step {
            Step::Wait(_) | Step::Back(_) | Step::ToDeadline(..) | Step::Loss => return None,
            Step::Begin(reason, memory, secret) => {
                self.nonces += 1;
                let begin = Begin {
                    reason: *reason,
                    nonce: Nonce(self.nonces),
                    memory: memory.of(record, now, |ago| self.version(ago, record)),
                    secret: Fingerprint::new(*secret),
                };
                self.begins.push(begin);
                Call::Begin(begin)
            }
            Step::BeginAgain(ago, memory) => {
                let memory = memory.of(record, now, |ago| self.version(ago, record));
                let begin = *latest_but(&self.begins, *ago)?;
                Call::Begin(Begin { memory, ..begin })
            }
            Step::Commit(ago, token, life) => {
                let of = *latest_but(&self.attempts, *ago)?;
                let version = Version::fetched_under(of.attempt.epoch);
                let mut grant = sample::grant(version, *token, of.begun_at, Duration::ZERO);
                grant.expires_at = life.end(of.begun_at, record);
                let commit = Commit {
                    attempt: of.attempt,
                    grant: grant.clone(),
                };
                self.commits.push(commit.clone());
                self.grants.push(grant);
                Call::Commit(commit)
            }
            Step::CommitAgain(ago) => Call::Commit(latest_but(&self.commits, *ago)?.clone()),
            Step::Fail(ago, class, cooldown) => {
                let of = *latest_but(&self.attempts, *ago)?;
                Call::Fail(Failure {
                    attempt: of.attempt,
                    class: *class,
                    cooldown: Duration::from_micros(*cooldown),
                    secret: of.secret,
                })
            }
            Step::Release(ago) => Call::Release(latest_but(&self.attempts, *ago)?.attempt),
            Step::Claim(ago, every) => Call::Claim(Claim {
                version: self.version(*ago, record),
                every: Duration::from_micros(*every),
            }),
            Step::Judge(ago, verdict, reported) => Call::Judge(Judge {
                version: self.version(*ago, record),
                verdict: *verdict,
                reported: *reported,
            }),
            Step::PutBack(ago, token, memory, earlier) => {
                let mut grant = latest_but(&self.grants, *ago)?.clone();
                if let Some(token) = token {
                    let other = sample::grant(grant.version, *token, now, Duration::ZERO);
                    (grant.value, grant.digest) = (other.value, other.digest);
                }
                let memory = memory.of(record, now, |ago| self.version(ago, record));
                let earlier = self.earlier_tokens(*earlier, now);
                Call::PutBack(PutBack {
                    grant,
                    earlier,
                    memory,
                })
            }
            Step::Suspect(ago) => Call::Suspect(Suspect {
                floor: self.version(*ago, record),
            }),
            Step::Pause(paused) => Call::Pause(SetPause { paused: *paused }),
        })
    }

    /// So many tokens that were issued before, and where that is not enough, some that nobody has heard of.
    fn earlier_tokens(&self, count: usize, now: Timestamp) -> EarlierTokens {
        let issued = self.grants.iter().rev().skip(1).map(EarlierToken::from);
        let foreign = (100..).map(|token| {
            let life = sample::secs(token.into());
            EarlierToken::from(&sample::grant(Version(1), token, now, life))
        });
        EarlierTokens::of(issued.chain(foreign).take(count).collect())
    }

    /// A version of this record: the stored one, the newest, one above all, the lowest that there can be, or that of an
    /// attempt.
    fn version(&self, ago: Ago, record: &Record) -> Version {
        match (ago, &record.grant) {
            (0, Some(grant)) => grant.version,
            (1, _) => Version::fetched_under(record.state.epoch),
            (2, _) => Version(record.state.epoch.0 + 5),
            (3, _) => Version(1),
            _ => latest_but(&self.attempts, ago.saturating_sub(4))
                .map(|of| Version::fetched_under(of.attempt.epoch))
                .unwrap_or_default(),
        }
    }
}
