//! What is measured of the store, as a decorator over the port.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use prometheus::{Gauge, Histogram, IntCounter};

use super::declare::Declare;
use crate::domain::protocol::{
    Attempt, Begin, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use crate::ports::{BegunIn, Stamped, Store, StoreError, Subject};

const BUCKETS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0,
];

/// What is asked of a store: a closed set, the label `op`.
#[derive(Clone, Copy)]
enum Op {
    Begin,
    Commit,
    Fail,
    Release,
    ClaimCheck,
    Judge,
    PutBack,
    Suspect,
    SetPause,
    Read,
    Ask,
}

impl Op {
    const ALL: [Self; 11] = [
        Self::Begin,
        Self::Commit,
        Self::Fail,
        Self::Release,
        Self::ClaimCheck,
        Self::Judge,
        Self::PutBack,
        Self::Suspect,
        Self::SetPause,
        Self::Read,
        Self::Ask,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Commit => "commit",
            Self::Fail => "fail",
            Self::Release => "release",
            Self::ClaimCheck => "claim_check",
            Self::Judge => "judge",
            Self::PutBack => "put_back",
            Self::Suspect => "suspect",
            Self::SetPause => "set_pause",
            Self::Read => "read",
            Self::Ask => "ask",
        }
    }
}

/// The kinds of [`StoreError`], in the order of [`kind_of`].
const KINDS: [&str; 4] = ["away", "refused", "foreign", "unreadable"];

const fn kind_of(error: &StoreError) -> usize {
    match error {
        StoreError::Away(_) => 0,
        StoreError::Refused(_) => 1,
        StoreError::Foreign(_) => 2,
        StoreError::Unreadable(_) => 3,
    }
}

/// Questions to the store.
#[derive(Debug)]
pub struct StoreMetrics {
    /// In the order of [`Op::ALL`].
    ops: Vec<OpMetrics>,
    up: Gauge,
    evicts: Gauge,
}

#[derive(Debug)]
struct OpMetrics {
    duration: Histogram,
    errors: [IntCounter; KINDS.len()],
}

/// A store that is measured.
#[derive(Debug)]
pub struct MeteredStore<S> {
    inner: S,
    metrics: Arc<StoreMetrics>,
}

impl StoreMetrics {
    /// Whether the store answered the last question.
    pub(super) fn is_up(&self) -> bool {
        self.up.get() > 0.0
    }

    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        let durations = declare.histograms(
            "store_duration_seconds",
            "How long one question to the store took, with whatever outcome.",
            &["op"],
            &BUCKETS,
        );
        let errors = declare.counters(
            "store_errors_total",
            "Questions that the store did not answer, or refused.",
            &["op", "kind"],
        );
        let up = declare.gauge(
            "store_up",
            "Whether the store answered the last question; 1 before the first.",
        );
        up.set(1.0);
        let evicts = declare.gauge(
            "store_evicts",
            "Whether the store was seen to throw records away when its memory is full.",
        );
        let of_op = |op: Op| OpMetrics {
            duration: durations.with_label_values(&[op.as_str()]),
            errors: KINDS.map(|kind| errors.with_label_values(&[op.as_str(), kind])),
        };
        Self {
            ops: Op::ALL.into_iter().map(of_op).collect(),
            up,
            evicts,
        }
    }

    async fn measure<T>(
        &self,
        op: Op,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let answer = asked.await;
        let metrics = &self.ops[op as usize];
        metrics.duration.observe(begun.elapsed().as_secs_f64());
        let away = match &answer {
            Ok(_) => false,
            Err(error) => {
                metrics.errors[kind_of(error)].inc();
                matches!(error, StoreError::Away(_))
            }
        };
        self.up.set(if away { 0.0 } else { 1.0 });
        answer
    }
}

impl<S> MeteredStore<S> {
    /// Measures `inner`.
    pub const fn new(inner: S, metrics: Arc<StoreMetrics>) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl<S: Store> Store for MeteredStore<S> {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        let asked = self.inner.begin(of, input);
        self.metrics.measure(Op::Begin, asked).await
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        let asked = self.inner.commit(of, input);
        self.metrics.measure(Op::Commit, asked).await
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        let asked = self.inner.fail(of, input);
        self.metrics.measure(Op::Fail, asked).await
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        let asked = self.inner.release(of, input);
        self.metrics.measure(Op::Release, asked).await
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let asked = self.inner.claim_check(of, input);
        self.metrics.measure(Op::ClaimCheck, asked).await
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        let asked = self.inner.judge(of, input);
        self.metrics.measure(Op::Judge, asked).await
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        let asked = self.inner.put_back(of, input);
        self.metrics.measure(Op::PutBack, asked).await
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        let asked = self.inner.suspect(of, input);
        self.metrics.measure(Op::Suspect, asked).await
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        let asked = self.inner.set_pause(of, input);
        self.metrics.measure(Op::SetPause, asked).await
    }

    /// An error that concerns one record is counted too: it is that record's, not the store's absence.
    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let asked = self.inner.read(of);
        let answer = self.metrics.measure(Op::Read, asked).await;
        let evicts = self.inner.evicts();
        self.metrics.evicts.set(if evicts { 1.0 } else { 0.0 });
        for error in answer.iter().flatten().filter_map(|one| one.as_ref().err()) {
            self.metrics.ops[Op::Read as usize].errors[kind_of(error)].inc();
        }
        answer
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        let asked = self.inner.ask(of);
        self.metrics.measure(Op::Ask, asked).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn evicts(&self) -> bool {
        self.inner.evicts()
    }

    fn complaint(&self) -> Option<String> {
        self.inner.complaint()
    }
}
