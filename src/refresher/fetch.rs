//! One refresh: lease, fetch, commit (`commit.rs`). The order of these lines is the protocol; read it top to bottom.

use std::time::Duration;

use tracing::{Instrument as _, warn};

use super::line::log_refused;
use super::ticket::Means;
use super::{EARLY, Refresher, StepEnd, traced};
use crate::domain::epoch::{Nonce, Version};
use crate::domain::grant::Grant;
use crate::domain::history::What;
use crate::domain::protocol::{Attempt, Begin, Begun, Failure, Permit, Reason};
use crate::domain::replica::BlockedBy;
use crate::domain::secret::Fingerprint;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::upstream_error::{ErrorClass, UpstreamError};
use crate::metrics::FetchOutcome;
use crate::ports::{BegunIn, Fetched, Stamped, StoreError};
use crate::snapshot::SlotId;

/// How often a change is sent to the store before it is given up: a lost reply is common, and every
/// change may be repeated.
pub(super) const TRIES: u32 = 2;

/// One attempt under way.
pub(super) struct Attempting {
    pub(super) id: SlotId,
    pub(super) reason: Reason,
    pub(super) attempt: Attempt,
    permit: Permit,
    /// Which secret the lease was asked for with: one that replaces it meanwhile is not to blame.
    secret: Fingerprint,
    /// Before `begin` was sent: from here the lease's validity and the grant's life are counted.
    pub(super) started: Moment,
}

impl Refresher {
    /// Asks for the lease and, if it is granted, fetches under it.
    pub(super) async fn refresh(&self, id: SlotId, reason: Reason) -> StepEnd {
        let means = match self.means(id) {
            Ok(means) => means,
            Err(end) => return end,
        };
        if reason == Reason::Repair
            && let Some(end) = self.probe_before_repair(id, &means).await
        {
            return end;
        }
        let nonce = self.chance.nonce();
        let Some(secret) = self.secrets.fingerprint(&self.publisher.credential(id).app) else {
            // Only an app that is being taken out has none.
            return StepEnd::Done;
        };
        let started = self.clock.now();
        let begun = match self.begin(id, reason, nonce, secret, started).await {
            Ok(begun) => begun,
            Err(failure) => return self.store_failed(id, &failure),
        };
        let BegunIn {
            begun: answer,
            confirmed,
        } = begun.answer;
        let wait = |until: Timestamp| until.since(begun.at).max(Duration::from_millis(1));
        let held_up = |by, wait| match reason {
            // Only this errand is held up: what is due by itself goes by its own rules.
            Reason::Forced => {
                self.metrics.blocked(by);
                StepEnd::Blocked(by, wait)
            }
            _ => self.blocked(id, by, wait),
        };
        match answer {
            Begun::Granted(permit) => {
                let attempt = Attempt {
                    epoch: permit.epoch,
                    nonce,
                };
                let attempting = Attempting {
                    id,
                    reason,
                    attempt,
                    permit,
                    secret,
                    started,
                };
                self.fetch_under_lease(attempting, confirmed).await
            }
            Begun::Fresh(grant) => {
                let known = self
                    .publisher
                    .inspect(id, |replica| replica.floor() == grant.version);
                self.read(id).await;
                if known && matches!(reason, Reason::Scheduled | Reason::Repair) {
                    // Asked a moment too early by this machine's clock.
                    return self.blocked(id, BlockedBy::Spacing, EARLY);
                }
                StepEnd::Done
            }
            Begun::Behind => {
                self.read(id).await;
                StepEnd::Done
            }
            Begun::Busy { until } => held_up(BlockedBy::Busy, wait(until)),
            Begun::CoolingDown { class, until } => {
                held_up(BlockedBy::CoolingDown(class), wait(until))
            }
            Begun::Spacing { until } => held_up(BlockedBy::Spacing, wait(until)),
            Begun::BudgetSpent { until } => {
                let app = &self.publisher.credential(id).app;
                let wait = wait(until);
                warn!(appid = %app, reason = reason.as_str(), wait_s = wait.as_secs(), "not refreshed: the budget is spent");
                held_up(BlockedBy::BudgetSpent, wait)
            }
            Begun::Paused => {
                self.read(id).await;
                held_up(
                    BlockedBy::Paused,
                    self.publisher.subject(id).rules.reconcile,
                )
            }
        }
    }

    /// begin, asked again with the same nonce where the answer was lost.
    async fn begin(
        &self,
        id: SlotId,
        reason: Reason,
        nonce: Nonce,
        secret: Fingerprint,
        now: Moment,
    ) -> Result<Stamped<BegunIn>, StoreError> {
        let subject = self.publisher.subject(id);
        let memory = self.publisher.inspect(id, |replica| replica.memory(now));
        let input = Begin {
            reason,
            nonce,
            memory,
            secret,
        };
        let first = self.store.begin(&subject, &input).await;
        match first {
            Err(StoreError::Away(_)) => self.store.begin(&subject, &input).await,
            answered => answered,
        }
    }

    async fn fetch_under_lease(&self, attempting: Attempting, confirmed: bool) -> StepEnd {
        let Attempting {
            id,
            reason,
            attempt,
            permit,
            started,
            ..
        } = attempting;
        let subject = self.publisher.subject(id);
        let credential = &subject.credential;
        let now = self.clock.now();
        let left = permit
            .valid_for
            .saturating_sub(now.boot.saturating_sub(started.boot));
        let hurry = self.publisher.inspect(id, |replica| {
            replica.view(now).servable(now).map(|(_, left)| left)
        });
        let may_wait = hurry.is_some_and(|life| life > subject.rules.lease * 2);
        if !confirmed && may_wait {
            self.release(id, &attempt).await;
            return self.back_off(id, BlockedBy::Unconfirmed);
        }
        if left < subject.rules.timeout {
            self.release(id, &attempt).await;
            return self.back_off(id, BlockedBy::LeaseTooShort);
        }

        // Looked at again: the token may have been replaced since.
        let means = match self.means(id) {
            Ok(means) => means,
            Err(end) => {
                self.release(id, &attempt).await;
                return end;
            }
        };
        let charged = self
            .publisher
            .inspect(id, |replica| replica.charged(&permit));
        let span = traced::fetching(credential, reason);
        let fetching = async {
            match &means {
                Means::AppSecret => self.upstream.fetch(credential, permit.force).await,
                Means::AccessToken(_, token) => {
                    self.upstream.fetch_ticket(credential, &token.value).await
                }
            }
        };
        let fetched = fetching.instrument(span.clone()).await;
        if !matches!(fetched, Fetched::NotSent(_)) {
            let issued = !matches!(fetched, Fetched::Refused(_));
            self.publisher
                .update(id, |replica| replica.spent(charged, issued));
        }
        let kind = credential.kind;
        let outcome = FetchOutcome::of(kind, &fetched);
        traced::fetched(&span, outcome, &fetched);
        self.metrics.fetched(credential, reason, outcome);
        match fetched {
            Fetched::Granted {
                value,
                digest,
                life,
            } => {
                let grant = Grant {
                    version: Version::fetched_under(permit.epoch),
                    value,
                    digest,
                    issued_at: permit.begun_at,
                    expires_at: permit.begun_at + life,
                };
                self.commit_fetched(attempting, grant, started.after(life))
                    .await
            }
            Fetched::Refused(error) => {
                let end = self.fetch_refused(&attempting, &error).await;
                if error.class_for(kind) == ErrorClass::TokenRefused {
                    self.report_access_token(&means).await;
                }
                end
            }
            Fetched::NotSent(why) => {
                warn!(appid = %credential.app, %kind, epoch = %permit.epoch, reason = reason.as_str(), why, "not fetched: upstream cannot be reached");
                self.note(id, What::NotSent(reason));
                self.release(id, &attempt).await;
                self.back_off(id, BlockedBy::UpstreamAway)
            }
            Fetched::Ambiguous(why) => {
                warn!(
                    appid = %credential.app, %kind, epoch = %permit.epoch, reason = reason.as_str(), why,
                    "nobody knows whether this fetch issued a token; the current one is watched and replaced"
                );
                self.note(id, What::Unclear(reason));
                let cooldown = self.cooldown(&attempting, ErrorClass::Unclear);
                self.fail(&attempting, ErrorClass::Unclear, cooldown).await
            }
        }
    }

    async fn fetch_refused(&self, attempting: &Attempting, error: &UpstreamError) -> StepEnd {
        let credential = self.publisher.credential(attempting.id);
        let class = error.class_for(credential.kind);
        let cooldown = self.cooldown(attempting, class);
        log_refused(credential, attempting.reason, error, cooldown);
        self.note(
            attempting.id,
            What::Refused(attempting.reason, Box::new(error.clone())),
        );
        self.fail(attempting, class, cooldown).await
    }

    fn cooldown(&self, attempting: &Attempting, class: ErrorClass) -> Duration {
        let limits = self.publisher.subject(attempting.id).rules.backoff;
        let failures = attempting.permit.failures.saturating_add(1);
        class.cooldown(
            failures,
            limits,
            attempting.permit.begun_at,
            self.chance.unit(),
        )
    }

    async fn fail(
        &self,
        attempting: &Attempting,
        class: ErrorClass,
        cooldown: Duration,
    ) -> StepEnd {
        let id = attempting.id;
        let subject = self.publisher.subject(id);
        let failure = Failure {
            attempt: attempting.attempt,
            class,
            cooldown,
            secret: attempting.secret,
        };
        for _ in 0..TRIES {
            match self.store.fail(&subject, &failure).await {
                Err(StoreError::Away(_)) => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.read(id).await;
        self.blocked(id, BlockedBy::CoolingDown(class), cooldown)
    }

    /// Gives a lease back under which nothing was sent. Where that fails too, the lease runs out and the
    /// intent turns into suspect: safe, at the price of a repair.
    async fn release(&self, id: SlotId, attempt: &Attempt) {
        let subject = self.publisher.subject(id);
        for _ in 0..TRIES {
            match self.store.release(&subject, attempt).await {
                Err(StoreError::Away(_)) => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.read(id).await;
    }
}
