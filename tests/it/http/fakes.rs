//! The ports, replaced: a store that runs the protocol in memory, a WeChat that answers as told, and a
//! clock that can be moved.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::Credential;
use token_broker::domain::epoch::Nonce;
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begin, Claim, Claimed, Commit, Committed, Failure, Judge, Judged, PutBack,
    PutBackAnswer, Record, SetPause, Suspect,
};
use token_broker::domain::secret::{Fingerprint, Secret};
use token_broker::domain::time::{Moment, Timestamp, micros};
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::ports::{
    Argument, BegunIn, Called, Chance, Checked, Clock, Fetched, Outgoing, Passed, Passing, Reply,
    ReplyBody, Stamped, Store, StoreError, Subject, Upload, Upstream, WeChatCalls, WeChatPassage,
};

/// Runs like a real one from 2026 on, and can be moved ahead.
#[derive(Debug)]
pub(super) struct MovableClock {
    /// None where it stands still.
    begun: Option<Instant>,
    ahead: Mutex<Duration>,
}

impl MovableClock {
    pub(super) fn new() -> Self {
        Self {
            begun: Some(Instant::now()),
            ahead: Mutex::default(),
        }
    }

    /// Moves only where it is moved.
    pub(super) fn standing() -> Self {
        Self {
            begun: None,
            ahead: Mutex::default(),
        }
    }

    pub(super) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Moment {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed()) + ahead;
        Moment {
            boot: Duration::from_secs(1_000) + gone,
            wall: Duration::from_secs(1_790_000_000) + gone,
        }
    }
}

/// Draws the same again and again; nonces count.
#[derive(Debug, Default)]
pub(super) struct NoChance(AtomicU64);

impl Chance for NoChance {
    fn unit(&self) -> f64 {
        0.5
    }

    fn nonce(&self) -> Nonce {
        Nonce(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}

/// What happens while a question to the store is under way.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// Runs the protocol in memory. Clones share it.
#[derive(Clone)]
pub(super) struct MemoryStore {
    clock: Arc<MovableClock>,
    records: Arc<Mutex<HashMap<Credential, Record>>>,
    away: Arc<AtomicBool>,
    /// For how long the machine sleeps while the next reading is under way.
    sleep: Arc<Mutex<Duration>>,
    /// What happens before the next claim of a check gets no answer.
    unclaimed: Arc<Mutex<Option<Meanwhile>>>,
}

impl MemoryStore {
    pub(super) fn new(clock: Arc<MovableClock>) -> Self {
        Self {
            clock,
            records: Arc::default(),
            away: Arc::default(),
            sleep: Arc::default(),
            unclaimed: Arc::default(),
        }
    }

    /// The next claim of a check gets no answer; before that, this happens.
    pub(super) fn lose_the_next_claim(&self, meanwhile: impl FnOnce() + Send + 'static) {
        let mut unclaimed = self
            .unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *unclaimed = Some(Box::new(meanwhile));
    }

    /// The machine is suspended between the next reading's question and its answer.
    pub(super) fn sleep_in_the_next_reading(&self, time: Duration) {
        *self.sleep.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Another replica has stored this grant, and no signal has told of it.
    pub(super) fn come_to_hold(&self, credential: &Credential, grant: Grant) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(credential.clone()).or_default();
        record.state.version = grant.version;
        record.grant = Some(grant);
    }

    pub(super) fn go_away(&self) {
        self.away.store(true, Ordering::Relaxed);
    }

    fn change<T>(
        &self,
        of: &Subject,
        change: impl FnOnce(&mut Record, Timestamp) -> T,
    ) -> Result<Stamped<T>, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Away(String::from("told to be")));
        }
        let at = Timestamp::from_micros(micros(self.clock.now().wall));
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(of.credential.clone()).or_default();
        record.open(&of.rules, Fingerprint::new(1), at)?;
        let answer = change(record, at);
        Ok(Stamped { at, answer })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self, of: &Subject, input: &Begin) -> Result<Stamped<BegunIn>, StoreError> {
        self.change(of, |record, at| BegunIn {
            begun: record.begin(input, &of.rules, at),
            confirmed: true,
        })
    }

    async fn commit(&self, of: &Subject, input: &Commit) -> Result<Stamped<Committed>, StoreError> {
        self.change(of, |record, at| record.commit(input, &of.rules, at))
    }

    async fn fail(&self, of: &Subject, input: &Failure) -> Result<Stamped<()>, StoreError> {
        self.change(of, |record, at| record.fail(input, &of.rules, at))
    }

    async fn release(&self, of: &Subject, input: &Attempt) -> Result<Stamped<()>, StoreError> {
        self.change(of, |record, _| record.release(input, &of.rules))
    }

    async fn claim_check(
        &self,
        of: &Subject,
        input: &Claim,
    ) -> Result<Stamped<Claimed>, StoreError> {
        let lost = self
            .unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(meanwhile) = lost {
            meanwhile();
            return Err(StoreError::Away(String::from("told to be")));
        }
        self.change(of, |record, at| record.claim_check(input, at))
    }

    async fn judge(&self, of: &Subject, input: &Judge) -> Result<Stamped<Judged>, StoreError> {
        self.change(of, |record, at| record.judge(input, &of.rules, at))
    }

    async fn put_back(
        &self,
        of: &Subject,
        input: &PutBack,
    ) -> Result<Stamped<PutBackAnswer>, StoreError> {
        self.change(of, |record, at| record.put_back(input, &of.rules, at))
    }

    async fn suspect(&self, of: &Subject, input: &Suspect) -> Result<Stamped<()>, StoreError> {
        self.change(of, |record, at| record.suspect(input, &of.rules, at))
    }

    async fn set_pause(&self, of: &Subject, input: &SetPause) -> Result<Stamped<()>, StoreError> {
        self.change(of, |record, at| record.set_pause(input, at))
    }

    async fn read(
        &self,
        of: &[&Subject],
    ) -> Result<Vec<Result<Stamped<Record>, StoreError>>, StoreError> {
        let sleep = std::mem::take(&mut *self.sleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.clock.advance(sleep);
        let read = |of: &&Subject| self.change(of, |record, _| record.clone());
        of.iter()
            .map(read)
            .map(|answer| match answer {
                Err(StoreError::Away(why)) => Err(StoreError::Away(why)),
                answer => Ok(answer),
            })
            .collect()
    }

    async fn ask(&self, of: &Subject) -> Result<(), StoreError> {
        self.change(of, |_, _| ()).map(|_| ())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// Answers as it was told to; until then, not at all. Clones share it.
#[derive(Clone)]
pub(super) struct ToldUpstream {
    fetched: Arc<Mutex<Fetched>>,
    checked: Arc<Mutex<Checked>>,
}

impl ToldUpstream {
    pub(super) fn new() -> Self {
        let why = || String::from("nothing was told");
        Self {
            fetched: Arc::new(Mutex::new(Fetched::NotSent(why()))),
            checked: Arc::new(Mutex::new(Checked::Away(why()))),
        }
    }

    pub(super) fn will_issue(&self, fetched: Fetched) {
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = fetched;
    }

    pub(super) fn will_say(&self, checked: Checked) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = checked;
    }
}

#[async_trait]
impl Upstream for ToldUpstream {
    async fn fetch(&self, _: &Credential, _: bool) -> Fetched {
        let fetched = self.fetched.lock();
        fetched.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch_ticket(&self, of: &Credential, _: &Secret) -> Fetched {
        self.fetch(of, false).await
    }

    async fn check(&self, _: &Credential, _: &Secret) -> Checked {
        let checked = self.checked.lock();
        checked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A WeChat that refuses every call made with the token `first`, and answers any other with a profile.
pub(super) struct NotTheFirst;

#[async_trait]
impl WeChatCalls for NotTheFirst {
    async fn send(&self, _: Option<&AppId>, call: Outgoing) -> Called {
        let first = |argument: &Argument| matches!(argument, Argument::Secret(token) if token.expose() == "first");
        if call.query.iter().any(|(_, argument)| first(argument)) {
            return Called::Refused(UpstreamError {
                code: 40001,
                message: String::from("invalid credential"),
                rid: None,
                ip: None,
            });
        }
        Called::Answered(b"{\"openid\":\"o\"}".to_vec())
    }
}

#[async_trait]
impl WeChatPassage for NotTheFirst {
    async fn pass(&self, _: &AppId, passing: Passing) -> Passed {
        let errcode = if passing.token.expose() == "first" {
            40001
        } else {
            0
        };
        let length = match &passing.body {
            Upload::Whole(body) => body.len(),
            Upload::Stream { .. } => 0,
        };
        let body = format!("{{\"errcode\":{errcode},\"length\":{length}}}");
        Passed::Answered(Reply {
            errcode,
            content_type: None,
            content_disposition: None,
            body: ReplyBody::Whole(body.into()),
        })
    }
}
