//! Random histories of one record: steps that refer to what happened before, so that most of them are
//! what a replica would really do, and the record gets into its deep states.

use std::time::Duration;

use proptest::prelude::*;
use token_broker::domain::budget::{Budget, Share};
use token_broker::domain::credential::Mode;
use token_broker::domain::earlier;
use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Reason, Record};
use token_broker::domain::rules::Rules;
use token_broker::domain::state::{Memory, Pause, Verdict};
use token_broker::domain::time::Timestamp;
use token_broker::domain::upstream_error::ErrorClass;

use super::{sample, scenes, steps};

/// How far back in a list: 0 is the latest.
pub(super) type Ago = usize;

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
    Commit(Ago, u8, Life),
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
    ForcedBudget,
    /// The oldest fetch that is counted is older than the window.
    Forgotten,
    Check,
    Due,
    Kept,
}

const DEADLINES: [Deadline; 10] = [
    Deadline::Lease,
    Deadline::Cooldown,
    Deadline::Spacing,
    Deadline::Budget,
    Deadline::Reserve,
    Deadline::ForcedBudget,
    Deadline::Forgotten,
    Deadline::Check,
    Deadline::Due,
    Deadline::Kept,
];

/// How long a fetched grant lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    For(u64),
    /// As long as the stored one, or a microsecond more or less.
    AsStored(i64),
}

/// What a replica remembers, relative to what there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    version: Option<Ago>,
    live: bool,
    budget: Time,
    forced_budget: Time,
    last_fetch: Time,
    /// Paused or not where that is another word than the stored one, and since when.
    pause: (Option<bool>, Time),
}

/// A time that a replica remembers.
#[derive(Clone, Copy, Debug)]
enum Time {
    /// The stored one, or a microsecond beside it.
    Stored(i64),
    /// So far from now.
    FromNow(i64),
}

pub(super) const MINUTE: u64 = 60_000_000;

/// How often checks are made in most steps.
const CHECK_EVERY: Duration = sample::secs(60);

fn ago() -> impl Strategy<Value = Ago> {
    prop_oneof![12 => Just(0), 3 => Just(1), 2 => 2..7_usize]
}

fn time() -> impl Strategy<Value = Time> {
    let far = -10 * MINUTE.cast_signed()..120 * MINUTE.cast_signed();
    prop_oneof![
        8 => Just(Time::Stored(0)),
        1 => (-1..2_i64).prop_map(Time::Stored),
        1 => far.prop_map(Time::FromNow),
    ]
}

pub(super) fn remembered() -> impl Strategy<Value = Remembered> {
    let version = prop_oneof![3 => Just(None), 4 => ago().prop_map(Some)];
    let word = prop_oneof![7 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let pause = (word, time());
    (version, any::<bool>(), time(), time(), time(), pause).prop_map(
        |(version, live, budget, forced_budget, last_fetch, pause)| Remembered {
            version,
            live,
            budget,
            forced_budget,
            last_fetch,
            pause,
        },
    )
}

pub(super) fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        6 => prop::sample::select(Reason::ALL.to_vec()),
        2 => Just(Reason::Forced),
    ]
}

pub(super) fn class() -> impl Strategy<Value = ErrorClass> {
    prop_oneof![
        2 => Just(ErrorClass::Unclear),
        2 => Just(ErrorClass::Busy),
        3 => prop::sample::select(ErrorClass::ALL.to_vec()),
    ]
}

pub(super) fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        1 => Just(Verdict::Accepted),
        3 => Just(Verdict::Refused),
        1 => Just(Verdict::Inconclusive),
    ]
}

pub(super) fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        8 => Just(Life::For(120 * MINUTE)),
        2 => (MINUTE..200 * MINUTE).prop_map(Life::For),
        1 => (0..MINUTE).prop_map(Life::For),
        1 => Just(Life::For(60 * 24 * 60 * MINUTE)),
        2 => (-1..2_i64).prop_map(Life::AsStored),
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

pub(super) fn every() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(MINUTE), 1 => 0..2 * MINUTE]
}

/// How many tokens a replica remembers from before: some of what was ever issued, or as many as are kept.
fn earlier_tokens() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 2 => 1..4_usize, 1 => Just(earlier::MOST + 3)]
}

/// A history's rules and steps.
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
    let steps = prop_oneof![4 => one, 1 => scenes::scene()];
    let flat = |steps: Vec<Vec<Step>>| steps.into_iter().flatten().collect();
    (rules, prop::collection::vec(steps, 1..40).prop_map(flat))
}

/// Any step by itself.
fn step() -> impl Strategy<Value = Step> {
    let secret = prop_oneof![6 => Just(1_u64), 1 => Just(2_u64)];
    let other_token = prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let cooldown = prop_oneof![5 => 0..10 * MINUTE, 1 => Just(48 * 60 * MINUTE)];
    prop_oneof![
        6 => wait().prop_map(Step::Wait),
        1 => (0..120 * MINUTE).prop_map(Step::Back),
        6 => steps::to(&DEADLINES),
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

impl Remembered {
    /// What that is for this record.
    pub(super) fn of(
        &self,
        record: &Record,
        now: Timestamp,
        version: impl FnOnce(Ago) -> Version,
    ) -> Memory {
        let state = &record.state;
        let (word, changed_at) = self.pause;
        Memory {
            version: self.version.map(version).unwrap_or_default(),
            live: self.live,
            budget: self.budget.when(state.budget, now),
            forced_budget: self.forced_budget.when(state.forced_budget, now),
            last_fetch: self.last_fetch.when(state.last_fetch, now),
            pause: Pause {
                paused: word.unwrap_or(state.pause.paused),
                changed_at: changed_at.when(state.pause.changed_at, now),
            },
        }
    }

    /// No more than is stored, but for a version.
    pub(super) fn only(version: Option<Ago>, live: bool) -> Self {
        let stored = Time::Stored(0);
        Self {
            version,
            live,
            budget: stored,
            forced_budget: stored,
            last_fetch: stored,
            pause: (None, stored),
        }
    }
}

impl Time {
    fn when(self, stored: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Self::Stored(by) => moved(stored, by),
            Self::FromNow(by) => moved(now, by),
        }
    }
}

impl Life {
    pub(super) fn end(self, issued_at: Timestamp, record: &Record) -> Timestamp {
        match (self, &record.grant) {
            (Self::For(life), _) => issued_at + Duration::from_micros(life),
            (Self::AsStored(by), Some(grant)) => moved(grant.expires_at, by),
            (Self::AsStored(_), None) => issued_at + sample::secs(7200),
        }
    }
}

fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add_signed(by))
}

impl Deadline {
    /// When that is for this record, where it has one.
    pub(super) fn of(self, record: &Record, rules: &Rules) -> Option<Timestamp> {
        let Record { state, grant } = record;
        let fits = |reason: Reason| rules.budget.fits_from(state.budget, reason.share());
        let forced = &rules.forced_budget;
        match self {
            Self::Lease => state.lease.map(|lease| lease.until),
            Self::Cooldown => state.cooldown.map(|cooldown| cooldown.until),
            Self::Spacing => Some(state.last_fetch + rules.min_spacing),
            Self::Budget => Some(fits(Reason::Missing)),
            Self::Reserve => Some(fits(Reason::Forced)),
            Self::ForcedBudget => Some(forced.fits_from(state.forced_budget, Share::Whole)),
            Self::Forgotten => {
                let used = state.used.to_record();
                let (oldest, _) = used.split_once(':')?;
                let part = u64::try_from(rules.budget.part().as_micros()).ok()?;
                Some(Timestamp::from_micros(
                    (oldest.parse::<u64>().ok()? + 24) * part,
                ))
            }
            Self::Check => Some(state.check.claimed_at + CHECK_EVERY),
            Self::Due => grant.as_ref().map(|grant| rules.due_at(grant)),
            Self::Kept => grant.as_ref().map(Grant::kept_until),
        }
    }
}
