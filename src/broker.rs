//! The read flow: an appid → a servable grant, or a typed refusal that says when to come back.
//!
//! Never sees the store or upstream. What needs them is left as an errand for the write flow, and a
//! request waits for it at most `cold_wait`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::app_id::AppId;
use crate::domain::credential::Kind;
use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::replica::{BlockedBy, Reading, View, WhyNot};
use crate::domain::secret::Digest;
use crate::domain::time::Moment;
use crate::fingerprint::digest_of;
use crate::ports::{Clock, StoreError};
use crate::refresher::{Report, ReportVerdict, StepEnd};
use crate::scheduler::{Desk, Errand};
use crate::snapshot::{Reader, SlotId};

/// How often a waiting request has the store read: signals may be lost. Where the store is there, no request is
/// refused by what was read longer ago.
const ATTEND_EVERY: Duration = Duration::from_millis(500);

/// Answers requests.
#[derive(Clone)]
pub struct Broker {
    reader: Reader,
    desk: Desk,
    clock: Arc<dyn Clock>,
    cold_wait: Duration,
}

/// A grant as it is handed out.
#[derive(Clone, Debug)]
pub struct Served {
    /// The grant.
    pub grant: Grant,
    /// What is left of its life: at least a second.
    pub expires_in: Duration,
    /// When it expires by this machine's wall clock, since 1970 UTC.
    pub expires_at: Duration,
    /// Whether the store or a check has lately said that it stands.
    pub vouched: bool,
}

/// Why no grant was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such app here.
    UnknownApp,
    /// There is nothing to serve; when the next attempt is planned.
    Nothing {
        /// Why.
        why: WhyNot,
        /// How long until the next attempt.
        retry_after: Duration,
    },
}

/// What a follower of an app has been told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    version: Version,
    gone: Option<Refusal>,
}

/// What came of a report.
#[derive(Clone, Debug)]
pub struct Reported {
    /// What was found out.
    pub verdict: ReportVerdict,
    /// The token to use now, or why there is none.
    pub current: Result<Served, Refusal>,
}

/// Why a forced refresh brought nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// No such app here.
    UnknownApp,
    /// Kept from it, and for how long.
    Blocked(BlockedBy, Duration),
    /// It did not end in time.
    TimedOut,
}

/// Why an app was neither paused nor resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PauseRefusal {
    /// No such app here.
    #[error("no such app")]
    UnknownApp,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker is stopping.
    #[error("the broker is stopping")]
    Stopping,
}

impl Told {
    /// Somebody who has this version.
    #[must_use]
    pub const fn up_to(version: Version) -> Self {
        Self {
            version,
            gone: None,
        }
    }

    /// The same, told why there is no token any more.
    #[must_use]
    pub const fn and_gone(self, refusal: Refusal) -> Self {
        Self {
            gone: Some(refusal),
            ..self
        }
    }

    fn is_gone(self, because: WhyNot) -> bool {
        matches!(self.gone, Some(Refusal::Nothing { why, .. }) if why == because)
    }
}

impl Broker {
    /// A broker that reads from `reader` and leaves its errands at `desk`.
    #[must_use]
    pub fn new(reader: Reader, desk: Desk, clock: Arc<dyn Clock>, cold_wait: Duration) -> Self {
        Self {
            reader,
            desk,
            clock,
            cold_wait,
        }
    }

    /// The app's position, for calls that follow.
    #[must_use]
    pub fn find(&self, app: &str) -> Option<SlotId> {
        self.reader.find(app, Kind::AccessToken)
    }

    /// The app that this access token is of: the current one, or an earlier one until it would have expired.
    #[must_use]
    pub fn holder_of(&self, token: &str) -> Option<SlotId> {
        self.reader.holder(&digest_of(token), self.clock.now())
    }

    /// The position of a ticket of the app whose access token `id` is, where it is kept.
    #[must_use]
    pub fn ticket(&self, id: SlotId, kind: Kind) -> Option<SlotId> {
        self.reader.find(self.app(id).as_str(), kind)
    }

    /// The grant, where it can be answered at once: the hot path. No lock, no I/O, no allocation.
    #[must_use]
    pub fn at_once(&self, id: SlotId) -> Option<Served> {
        self.served(&self.reader.view(id))
    }

    fn served(&self, view: &View) -> Option<Served> {
        let now = self.clock.now();
        let (grant, expires_in) = view.servable(now).filter(|_| view.may_answer(now))?;
        Some(Served {
            grant: grant.clone(),
            expires_in,
            expires_at: now.wall + expires_in,
            vouched: view.is_vouched(now),
        })
    }

    /// The grant, waiting at most `cold_wait` for the first one, or for the first attempt after a pause
    /// of this process.
    ///
    /// # Errors
    /// Says why there is none, and when to come back.
    pub async fn token(&self, id: SlotId) -> Result<Served, Refusal> {
        match self.wait_for_token(id).await {
            Err(Refusal::UnknownApp) => match self.moved(id) {
                Some(now) => self.wait_for_token(now).await,
                None => Err(Refusal::UnknownApp),
            },
            answer => answer,
        }
    }

    /// Where the app is found now, if that is elsewhere: it has changed its mode.
    #[must_use]
    pub fn moved(&self, id: SlotId) -> Option<SlotId> {
        let credential = self.reader.credential(id);
        let now = self.reader.find(credential.app.as_str(), credential.kind)?;
        (now != id).then_some(now)
    }

    async fn wait_for_token(&self, id: SlotId) -> Result<Served, Refusal> {
        if let Some(served) = self.at_once(id) {
            return Ok(served);
        }
        let mut attend = tokio::time::interval(ATTEND_EVERY);
        let found = self.reader.wait_for(id, |view| self.answer(view));
        let bound = tokio::time::sleep(self.cold_wait);
        tokio::pin!(found, bound);
        loop {
            tokio::select! {
                biased;
                answer = &mut found => return answer,
                () = &mut bound => break,
                _ = attend.tick() => self.desk.hint(Errand::Attend(id)),
            }
        }
        let view = self.reader.view(id);
        self.served(&view).ok_or_else(|| self.refusal(&view))
    }

    /// Has the store read soon, where there is nothing to answer with yet.
    pub fn attend(&self, id: SlotId) {
        if self.at_once(id).is_none() {
            self.desk.hint(Errand::Attend(id));
        }
    }

    /// Waits for what somebody who was `told` so much has to hear: a newer token, that there is none any
    /// more, or why. Never an older one. A token that expires is not announced: ask again then.
    ///
    /// # Errors
    /// There is no token any more, or there will be none soon.
    pub async fn news(&self, id: SlotId, told: Told) -> Result<Served, Refusal> {
        let news = self.reader.wait_for(id, |view| self.news_in(view, told));
        news.await
    }

    fn news_in(&self, view: &View, told: Told) -> Option<Result<Served, Refusal>> {
        if let Some(served) = self.served(view) {
            let version = served.grant.version;
            let again = version == told.version && told.gone.is_some();
            return (version > told.version || again).then_some(Ok(served));
        }
        let starting = view.why_not == WhyNot::Starting && told.version.is_none();
        if view.removed {
            return Some(Err(Refusal::UnknownApp));
        }
        // Nothing is known after a pause of this process until an attempt was made.
        if starting || told.is_gone(view.why_not) || !view.may_answer(self.clock.now()) {
            return None;
        }
        Some(Err(self.refusal(view)))
    }

    /// What can be said for good: a grant, or a refusal that waiting does not change.
    fn answer(&self, view: &View) -> Option<Result<Served, Refusal>> {
        if let Some(served) = self.served(view) {
            return Some(Ok(served));
        }
        let now = self.clock.now();
        let settled = view.may_answer(now) && has_heard(view, now);
        let hopeless = match view.why_not {
            _ if view.removed => true,
            WhyNot::Paused
            | WhyNot::UpstreamRefuses(_)
            | WhyNot::BudgetSpent
            | WhyNot::StoreAway
            | WhyNot::StoreUnusable
            | WhyNot::UpstreamAway => view.servable(now).is_none() && settled,
            WhyNot::Starting => false,
        };
        hopeless.then(|| Err(self.refusal(view)))
    }

    fn refusal(&self, view: &View) -> Refusal {
        if view.removed {
            return Refusal::UnknownApp;
        }
        let wait = view.retry_at.saturating_sub(self.clock.now().boot);
        Refusal::Nothing {
            why: view.why_not,
            retry_after: wait.max(Duration::from_secs(1)),
        }
    }

    /// Looks into a caller's report that a token was refused, and answers with the token to use now.
    pub async fn report(&self, id: SlotId, token: Digest) -> Reported {
        self.look_into(id, Report { token, seen: None }).await
    }

    /// The same for a call of the broker's own that was refused a moment ago: what was true before that is no
    /// answer.
    pub async fn saw_refused(&self, id: SlotId, token: Digest) -> Reported {
        let seen = Some(self.clock.now());
        self.look_into(id, Report { token, seen }).await
    }

    async fn look_into(&self, id: SlotId, report: Report) -> Reported {
        if let Some(served) = self
            .at_once(id)
            .filter(|served| served.grant.digest != report.token)
        {
            return Reported {
                verdict: ReportVerdict::Stale,
                current: Ok(served),
            };
        }
        let (reply, verdict) = oneshot::channel();
        let verdict = if self.desk.leave(Errand::Report(id, report, reply)).await {
            verdict.await.unwrap_or(ReportVerdict::Inconclusive)
        } else {
            ReportVerdict::Inconclusive
        };
        if verdict == ReportVerdict::Refused {
            return self.replaced(id, report.token).await;
        }
        Reported {
            verdict,
            current: self.token(id).await,
        }
    }

    /// Waits for the grant that replaces the refused one.
    async fn replaced(&self, id: SlotId, refused: Digest) -> Reported {
        let found = self.reader.wait_for(id, |view| {
            self.answer(view)
                .filter(|answer| !matches!(answer, Ok(served) if served.grant.digest == refused))
        });
        let current = match tokio::time::timeout(self.cold_wait, found).await {
            Ok(current) => current,
            Err(_) => Err(self.refusal(&self.reader.view(id))),
        };
        Reported {
            verdict: ReportVerdict::Refused,
            current,
        }
    }

    /// Has a new token fetched, within spacing and budget, and answers with it.
    ///
    /// # Errors
    /// What kept it from being fetched.
    pub async fn refresh(&self, id: SlotId) -> Result<Served, RefreshRefusal> {
        let (reply, end) = oneshot::channel();
        if !self.desk.leave(Errand::Refresh(id, reply)).await {
            return Err(RefreshRefusal::TimedOut);
        }
        let subject = self.reader.subject(id);
        let rules = &subject.rules;
        let bound = rules.lease + rules.timeout;
        match tokio::time::timeout(bound, end).await {
            Ok(Ok(StepEnd::Blocked(by, wait))) => Err(RefreshRefusal::Blocked(by, wait)),
            Ok(Ok(StepEnd::Done)) => self.at_once(id).ok_or(RefreshRefusal::TimedOut),
            Ok(Err(_)) if self.reader.view(id).removed => Err(RefreshRefusal::UnknownApp),
            Ok(Err(_)) | Err(_) => Err(RefreshRefusal::TimedOut),
        }
    }

    /// Pauses or resumes all fetches of an app, on all replicas.
    ///
    /// # Errors
    /// The store's, or that the broker is stopping.
    pub async fn set_pause(&self, id: SlotId, paused: bool) -> Result<(), PauseRefusal> {
        let (reply, done) = oneshot::channel();
        if !self.desk.leave(Errand::SetPause(id, paused, reply)).await {
            return Err(PauseRefusal::Stopping);
        }
        Ok(done.await.map_err(|_| PauseRefusal::Stopping)??)
    }

    /// What this replica knows of a credential, for people.
    #[must_use]
    pub fn view(&self, id: SlotId) -> Arc<View> {
        Arc::clone(&self.reader.view(id))
    }

    /// Which app it is.
    #[must_use]
    pub fn app(&self, id: SlotId) -> &AppId {
        &self.reader.credential(id).app
    }

    /// Every credential, whether servable or not.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// This machine's clocks, for what is told about times.
    #[must_use]
    pub fn now(&self) -> crate::domain::time::Moment {
        self.clock.now()
    }
}

/// Whether the store was read so lately that another replica can hardly have put a token there since; or is away.
fn has_heard(view: &View, now: Moment) -> bool {
    let lately = |reading: &Arc<Reading>| now.boot.saturating_sub(reading.sent.boot) < ATTEND_EVERY;
    view.trouble.is_some() || view.reading.as_ref().is_some_and(lately)
}
