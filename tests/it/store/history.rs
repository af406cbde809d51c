//! Random histories of one record: steps that refer to what happened before, so that most of them are
//! what a replica would really do, and the record gets into its deep states.

use std::time::Duration;

use proptest::prelude::*;
use token_broker::domain::budget::Budget;
use token_broker::domain::credential::Mode;
use token_broker::domain::earlier::{self, EarlierToken, EarlierTokens};
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Claim, Commit, Failure, Judge, PutBack, Reason, Record, SetPause, Suspect,
};
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::Fingerprint;
use token_broker::domain::state::{Memory, Pause, Verdict};
use token_broker::domain::time::Timestamp;
use token_broker::domain::upstream_error::ErrorClass;

use super::sample;

/// How far back in a list: 0 is the latest.
type Ago = usize;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Time goes by.
    Wait(u64),
    /// A failover to a machine whose clock is behind.
    Back(u64),
    /// Time goes to one of the record's deadlines, or to a microsecond beside it.
    ToDeadline(Deadline, i64),
    /// The store loses everything.
    Loss,
    Begin(Reason, Remembered, u64),
    BeginAgain(Ago, Remembered),
    Commit(Ago, u8, u64),
    CommitAgain(Ago),
    Fail(Ago, ErrorClass, u64),
    Release(Ago),
    Claim(Ago, u64),
    Judge(Ago, Verdict, bool),
    PutBack(Ago, Option<u8>, Remembered, usize),
    Suspect(Ago),
    Pause(bool),
}

/// A time at which a record's answers change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deadline {
    Lease,
    Cooldown,
    Spacing,
    Budget,
    Reserve,
    Check,
    Due,
    Kept,
}

const DEADLINES: [Deadline; 8] = [
    Deadline::Lease,
    Deadline::Cooldown,
    Deadline::Spacing,
    Deadline::Budget,
    Deadline::Reserve,
    Deadline::Check,
    Deadline::Due,
    Deadline::Kept,
];

/// What a replica remembers, relative to what there is.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    version: Option<Ago>,
    live: bool,
    budget: u64,
    last_fetch: Option<i64>,
    pause: Option<(bool, i64)>,
}

const MINUTE: u64 = 60_000_000;

/// How often checks are made in most steps.
const CHECK_EVERY: Duration = sample::secs(60);

fn ago() -> impl Strategy<Value = Ago> {
    prop_oneof![12 => Just(0), 3 => Just(1), 1 => 2..6_usize]
}

fn remembered() -> impl Strategy<Value = Remembered> {
    let version = prop_oneof![3 => Just(None), 4 => ago().prop_map(Some)];
    let budget = prop_oneof![8 => Just(0), 1 => 0..120 * MINUTE];
    let around = || -10 * MINUTE.cast_signed()..MINUTE.cast_signed();
    let last_fetch = prop_oneof![6 => Just(None), 1 => around().prop_map(Some)];
    let pause = prop_oneof![15 => Just(None), 1 => (any::<bool>(), around()).prop_map(Some)];
    (version, any::<bool>(), budget, last_fetch, pause).prop_map(
        |(version, live, budget, last_fetch, pause)| Remembered {
            version,
            live,
            budget,
            last_fetch,
            pause,
        },
    )
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        6 => prop::sample::select(Reason::ALL.to_vec()),
        2 => Just(Reason::Forced),
    ]
}

fn class() -> impl Strategy<Value = ErrorClass> {
    prop_oneof![
        2 => Just(ErrorClass::Unclear),
        2 => Just(ErrorClass::Busy),
        3 => prop::sample::select(ErrorClass::ALL.to_vec()),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        1 => Just(Verdict::Accepted),
        3 => Just(Verdict::Refused),
        1 => Just(Verdict::Inconclusive),
    ]
}

fn life() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => Just(120 * MINUTE),
        2 => MINUTE..200 * MINUTE,
        1 => 0..MINUTE,
        1 => Just(60 * 24 * 60 * MINUTE),
    ]
}

fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..MINUTE,
        2 => 0..60 * MINUTE,
        1 => 0..600 * MINUTE,
        1 => 0..3_u64,
    ]
}

fn every() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(MINUTE), 1 => 0..2 * MINUTE]
}

/// How many tokens a replica remembers from before: some of what was ever issued, or as many as are kept.
fn earlier_tokens() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 2 => 1..4_usize, 1 => Just(earlier::MOST + 3)]
}

fn to_one_of(deadlines: Vec<Deadline>) -> impl Strategy<Value = Step> {
    (prop::sample::select(deadlines), -1..2_i64)
        .prop_map(|(deadline, by)| Step::ToDeadline(deadline, by))
}

/// What takes several steps to come about, and would be rare if each were drawn by itself.
fn scene() -> impl Strategy<Value = Vec<Step>> {
    let begin = || {
        (reason(), remembered())
            .prop_map(|(r, m)| Step::Begin(r, m, 1))
            .boxed()
    };
    let commit = || {
        (0..2_usize, 0..4_u8, life())
            .prop_map(|(ago, t, l)| Step::Commit(ago, t, l))
            .boxed()
    };
    let to = |deadlines: &[Deadline]| to_one_of(deadlines.to_vec()).boxed();
    let claim = || every().prop_map(|every| Step::Claim(0, every)).boxed();
    let judge = || {
        (verdict(), any::<bool>())
            .prop_map(|(v, r)| Step::Judge(0, v, r))
            .boxed()
    };
    let due = [Deadline::Due, Deadline::Spacing];
    prop_oneof![
        // Refreshed, and looked at when it is about to go.
        2 => vec![to(&due), begin(), commit(), to(&[Deadline::Kept, Deadline::Due]), begin()],
        // Found dead while a lease is held: it is overtaken, and its holder may commit after all.
        3 => vec![begin(), commit(), to(&due), begin(), judge(), begin(), commit(), commit()],
        // A lease that ends at the very moment when its holder asks again, or another does.
        1 => vec![begin(), to(&[Deadline::Lease]), again(), begin(), commit()],
        1 => vec![begin(), fail(), to(&[Deadline::Cooldown]), begin(), commit()],
        // Refused, and the same token comes back: the next fetch is forced, and given back or failed at times.
        2 => vec![begin(), same(), judge(), begin(), same(), begin(), end(), begin(), same()],
        1 => vec![begin(), commit(), to(&due), begin(), fail(), judge(), begin()],
        1 => vec![claim(), judge(), to(&[Deadline::Check]), claim()],
        1 => vec![claim(), to(&[Deadline::Check]), claim()],
    ]
}

/// The token that the latest attempt brings where nothing rotates.
fn same() -> BoxedStrategy<Step> {
    life().prop_map(|life| Step::Commit(0, 0, life)).boxed()
}

/// However the latest attempt ends.
fn end() -> BoxedStrategy<Step> {
    prop_oneof![fail(), same(), Just(Step::Release(0))].boxed()
}

fn fail() -> BoxedStrategy<Step> {
    (class(), 0..10 * MINUTE)
        .prop_map(|(class, cooldown)| Step::Fail(0, class, cooldown))
        .boxed()
}

fn again() -> BoxedStrategy<Step> {
    (Just(0), remembered())
        .prop_map(|(ago, memory)| Step::BeginAgain(ago, memory))
        .boxed()
}

fn step() -> impl Strategy<Value = Step> {
    let secret = prop_oneof![6 => Just(1_u64), 1 => Just(2_u64)];
    let other_token = prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let cooldown = prop_oneof![5 => 0..10 * MINUTE, 1 => Just(48 * 60 * MINUTE)];
    prop_oneof![
        6 => wait().prop_map(Step::Wait),
        1 => (0..120 * MINUTE).prop_map(Step::Back),
        6 => to_one_of(DEADLINES.to_vec()),
        1 => Just(Step::Loss),
        14 => (reason(), remembered(), secret).prop_map(|(r, m, s)| Step::Begin(r, m, s)),
        2 => (ago(), remembered()).prop_map(|(ago, m)| Step::BeginAgain(ago, m)),
        14 => (ago(), 0..4_u8, life()).prop_map(|(ago, token, life)| Step::Commit(ago, token, life)),
        2 => ago().prop_map(Step::CommitAgain),
        4 => (ago(), class(), cooldown).prop_map(|(ago, class, for_)| Step::Fail(ago, class, for_)),
        2 => ago().prop_map(Step::Release),
        4 => (ago(), every()).prop_map(|(ago, every)| Step::Claim(ago, every)),
        6 => (ago(), verdict(), any::<bool>()).prop_map(|(ago, v, r)| Step::Judge(ago, v, r)),
        4 => (ago(), other_token, remembered(), earlier_tokens())
            .prop_map(|(ago, t, m, earlier)| Step::PutBack(ago, t, m, earlier)),
        1 => ago().prop_map(Step::Suspect),
        1 => any::<bool>().prop_map(Step::Pause),
    ]
}

/// The rules of one history and its steps.
pub(super) fn history() -> impl Strategy<Value = (Rules, Vec<Step>)> {
    let mode = prop::sample::select(vec![
        (Mode::Token, true),
        (Mode::Stable, true),
        // A ticket's.
        (Mode::Token, false),
    ]);
    let at = prop_oneof![2 => Just(0.5), 1 => 0.1..0.95_f64];
    let budget = prop_oneof![
        2 => Just(None),
        1 => (4..30_u32).prop_map(|limit| Some(Budget::for_limit(limit, sample::secs(86_400)))),
    ];
    let rules = (mode, at, budget).prop_map(|((mode, checkable), at, budget)| {
        let rules = sample::rules(mode);
        Rules {
            checkable,
            at,
            budget: budget.unwrap_or(rules.budget),
            ..rules
        }
    });
    let one = step().prop_map(|step| vec![step]);
    let steps = prop_oneof![6 => one, 1 => scene()];
    let flat = |steps: Vec<Vec<Step>>| steps.into_iter().flatten().collect();
    (rules, prop::collection::vec(steps, 1..45).prop_map(flat))
}

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
                    memory: self.memory(memory, record, now),
                    secret: Fingerprint::new(*secret),
                };
                self.begins.push(begin);
                Call::Begin(begin)
            }
            Step::BeginAgain(ago, memory) => {
                let memory = self.memory(memory, record, now);
                let begin = *latest_but(&self.begins, *ago)?;
                Call::Begin(Begin { memory, ..begin })
            }
            Step::Commit(ago, token, life) => {
                let of = *latest_but(&self.attempts, *ago)?;
                let version = Version::fetched_under(of.attempt.epoch);
                let life = Duration::from_micros(*life);
                let grant = sample::grant(version, *token, of.begun_at, life);
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
                let memory = self.memory(memory, record, now);
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

    fn version(&self, ago: Ago, record: &Record) -> Version {
        match (ago, &record.grant) {
            (0, Some(grant)) => grant.version,
            (1, _) => Version::fetched_under(record.state.epoch),
            (2, _) => Version(record.state.epoch.0 + 5),
            _ => latest_but(&self.attempts, ago.saturating_sub(3))
                .map(|of| Version::fetched_under(of.attempt.epoch))
                .unwrap_or_default(),
        }
    }

    fn memory(&self, of: &Remembered, record: &Record, now: Timestamp) -> Memory {
        let around = |by: i64| Timestamp::from_micros(now.as_micros().saturating_add_signed(by));
        Memory {
            version: of
                .version
                .map(|ago| self.version(ago, record))
                .unwrap_or_default(),
            live: of.live,
            budget: if of.budget == 0 {
                record.state.budget
            } else {
                now + Duration::from_micros(of.budget)
            },
            forced_budget: record.state.forced_budget,
            last_fetch: of.last_fetch.map_or(record.state.last_fetch, around),
            pause: of.pause.map_or(record.state.pause, |(paused, by)| Pause {
                paused,
                changed_at: around(by),
            }),
        }
    }
}

impl Deadline {
    /// When that is for this record, where it has one.
    pub(super) fn of(self, record: &Record, rules: &Rules) -> Option<Timestamp> {
        let Record { state, grant } = record;
        let fits = |reason: Reason| rules.budget.fits_from(state.budget, reason.share());
        match self {
            Self::Lease => state.lease.map(|lease| lease.until),
            Self::Cooldown => state.cooldown.map(|cooldown| cooldown.until),
            Self::Spacing => Some(state.last_fetch + rules.min_spacing),
            Self::Budget => Some(fits(Reason::Missing)),
            Self::Reserve => Some(fits(Reason::Forced)),
            Self::Check => Some(state.check.claimed_at + CHECK_EVERY),
            Self::Due => grant.as_ref().map(|grant| rules.due_at(grant)),
            Self::Kept => grant.as_ref().map(Grant::kept_until),
        }
    }
}
