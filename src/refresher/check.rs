//! Checks: asking upstream whether a grant is accepted, for whichever purpose, and what follows.

use tracing::{Instrument as _, error, info, warn};

use super::ticket::Means;
use super::traced::checking;
use super::{EARLY, Refresher, StepEnd, trouble};
use crate::domain::credential::Credential;
use crate::domain::epoch::Version;
use crate::domain::grant::Grant;
use crate::domain::history::What;
use crate::domain::protocol::{Claim, Claimed, Judge, Judged};
use crate::domain::replica::BlockedBy;
use crate::domain::secret::Secret;
use crate::domain::state::{Check, Verdict};
use crate::metrics::{CheckOutcome, Purpose};
use crate::ports::Checked;
use crate::snapshot::SlotId;

impl Refresher {
    /// One check. Only a refusal that is repeated counts: some of WeChat's endpoints are known to answer
    /// 40001 falsely.
    pub(super) async fn check(
        &self,
        credential: &Credential,
        token: &Secret,
        purpose: Purpose,
    ) -> CheckOutcome {
        let span = checking(credential, purpose);
        let outcome = async {
            match self.check_once(credential, token).await {
                CheckOutcome::Refused => self.check_once(credential, token).await,
                outcome => outcome,
            }
        };
        let outcome = outcome.instrument(span.clone()).await;
        span.record("outcome", outcome.as_str());
        self.metrics.checked(purpose, outcome);
        outcome
    }

    async fn check_once(&self, credential: &Credential, token: &Secret) -> CheckOutcome {
        match self.upstream.check(credential, token).await {
            Checked::Accepted => CheckOutcome::Accepted,
            Checked::Refused(_) => CheckOutcome::Refused,
            Checked::Inconclusive(error) => {
                warn!(appid = %credential.app, %error, "a check of the token was answered with an error that says nothing about it");
                CheckOutcome::Inconclusive
            }
            Checked::Away(_) => CheckOutcome::Away,
        }
    }

    /// The regular look at the stored grant, by one replica for all.
    pub(super) async fn watch(&self, id: SlotId) -> StepEnd {
        let subject = self.publisher.subject(id);
        let now = self.clock.now();
        let (stored, every, answered_within) = self.publisher.inspect(id, |replica| {
            let stored = replica
                .record()
                .and_then(|(record, _)| record.servable().cloned());
            let answered_within = replica.answered_by_checks_of(now);
            (stored, replica.watch_every(now), answered_within)
        });
        let Some(grant) = stored else {
            return StepEnd::Done;
        };
        let claim = Claim {
            version: grant.version,
            every: answered_within,
        };
        let claimed = match self.store.claim_check(&subject, &claim).await {
            Ok(claimed) => claimed,
            Err(failure) => return self.store_failed(id, &failure),
        };
        let (pause, told) = match claimed.answer {
            Claimed::Yours => {
                let (outcome, judged) = self.check_and_judge(id, &grant, Purpose::Watch).await;
                let noted = outcome == CheckOutcome::Accepted && judged == Some(Judged::Noted);
                let check = Check {
                    version: grant.version,
                    claimed_at: claimed.at,
                    verdict: Some(Verdict::Accepted),
                };
                (every / 4, noted.then_some(check))
            }
            // Another replica checked, or is checking, or this one asked a moment too early: the next check
            // counts from that claim.
            Claimed::Checked(check) => (EARLY, Some(check)),
            Claimed::NotCurrent => (EARLY, None),
        };
        let now = self.clock.now();
        let is_known = self.publisher.update(id, |replica| {
            replica.checked(now, pause);
            told.is_some_and(|check| replica.noted(check))
        });
        if !is_known {
            self.read(id).await;
        }
        StepEnd::Done
    }

    /// Checks the stored grant under a claim, and tells the store what came of it; what that answers, if anything.
    pub(super) async fn check_and_judge(
        &self,
        id: SlotId,
        grant: &Grant,
        purpose: Purpose,
    ) -> (CheckOutcome, Option<Judged>) {
        let subject = self.publisher.subject(id);
        let sent = self.clock.now();
        let outcome = self.check(&subject.credential, &grant.value, purpose).await;
        if outcome == CheckOutcome::Accepted {
            self.publisher
                .update(id, |replica| replica.accepted(grant.version, sent));
        }
        let verdict = match outcome {
            CheckOutcome::Accepted => Verdict::Accepted,
            CheckOutcome::Refused => Verdict::Refused,
            CheckOutcome::Inconclusive | CheckOutcome::Away => Verdict::Inconclusive,
        };
        let reported = purpose == Purpose::Report;
        let judged = self.judge(id, grant.version, verdict, reported).await;
        (outcome, judged)
    }

    async fn judge(
        &self,
        id: SlotId,
        version: Version,
        verdict: Verdict,
        reported: bool,
    ) -> Option<Judged> {
        let subject = self.publisher.subject(id);
        let app = &subject.credential.app;
        match self
            .store
            .judge(
                &subject,
                &Judge {
                    version,
                    verdict,
                    reported,
                },
            )
            .await
        {
            Ok(judged) => {
                if let Judged::Dead { foreign } = judged.answer {
                    self.metrics.died(app);
                    self.note(id, What::Died { foreign });
                    if foreign {
                        self.metrics.foreign_invalidation(app);
                        error!(
                            appid = %app, %version,
                            "WeChat refuses the current token although no fetch of ours replaced it: somebody else fetches with this app's secret"
                        );
                    } else {
                        warn!(appid = %app, %version, "WeChat refuses the current token; it is replaced");
                    }
                }
                Some(judged.answer)
            }
            Err(failure) => {
                warn!(appid = %app, %version, error = %failure, "what a check said could not be told to the store");
                if verdict == Verdict::Refused {
                    let now = self.clock.now();
                    self.publisher.update(id, |replica| {
                        replica.refused(version, now);
                        replica.store_failed(trouble(&failure), now);
                    });
                }
                None
            }
        }
    }

    /// The store cannot be asked: the held grant is checked by this replica for itself.
    pub(super) async fn check_cut_off(&self, id: SlotId) -> StepEnd {
        // The next one counts from this one's beginning, as does what may be answered for it: the process may stand
        // still while it is on its way.
        let sent = self.clock.now();
        self.check_held(id, Purpose::CutOff).await;
        let every = self.publisher.subject(id).rules.reconcile;
        self.publisher
            .update(id, |replica| replica.checked(sent, every));
        StepEnd::Done
    }

    /// Checks the held grant and lets go of it where upstream refuses it.
    pub(super) async fn check_held(&self, id: SlotId, purpose: Purpose) -> CheckOutcome {
        let credential = &self.publisher.credential(id);
        let sent = self.clock.now();
        let Some(grant) = self
            .publisher
            .inspect(id, |replica| replica.live(sent).cloned())
        else {
            return CheckOutcome::Inconclusive;
        };
        let outcome = self.check(credential, &grant.value, purpose).await;
        let now = self.clock.now();
        self.publisher.update(id, |replica| match outcome {
            CheckOutcome::Accepted => replica.accepted(grant.version, sent),
            CheckOutcome::Refused => {
                if replica.refused(grant.version, now).is_some() {
                    self.metrics.died(&credential.app);
                    replica.note(What::Died { foreign: false }, now);
                    error!(appid = %credential.app, version = %grant.version, "WeChat refuses the held token; no longer served");
                }
            }
            CheckOutcome::Inconclusive | CheckOutcome::Away => replica.check_failed(sent),
        });
        outcome
    }

    /// A repair spends budget only where upstream answers at all. `Some` ends the step.
    pub(super) async fn probe_before_repair(&self, id: SlotId, means: &Means) -> Option<StepEnd> {
        if !self.publisher.subject(id).rules.checkable {
            return self.probe_with_token(id, means).await;
        }
        let stored = self.publisher.inspect(id, |replica| {
            replica
                .record()
                .and_then(|(record, _)| record.servable().cloned())
        })?;
        let (outcome, _) = self.check_and_judge(id, &stored, Purpose::Repair).await;
        match outcome {
            CheckOutcome::Away => Some(self.back_off(id, BlockedBy::UpstreamAway)),
            CheckOutcome::Accepted | CheckOutcome::Inconclusive => None,
            CheckOutcome::Refused => {
                info!(appid = %self.publisher.credential(id).app, version = %stored.version, "suspect token found dead; fetching a new one");
                None
            }
        }
    }
}
