//! A caller's report that its token was refused: a hint to check, never a command to fetch.

use std::time::Duration;

use super::Refresher;
use crate::domain::protocol::{Claim, Claimed};
use crate::domain::secret::Digest;
use crate::domain::state::{Check, Verdict};
use crate::domain::time::Moment;
use crate::metrics::{CheckOutcome, Purpose};
use crate::ports::StoreError;
use crate::snapshot::SlotId;

/// That a token was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Which.
    pub token: Digest,
    /// When the refusal came, where this replica saw it itself, and no check from before it may answer. `None` =
    /// a caller says so: it may have come at any time.
    pub seen: Option<Moment>,
}

/// What a report led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportVerdict {
    /// The reported token is not the current one any more.
    Stale,
    /// Upstream accepts the reported token.
    StillValid,
    /// Upstream refuses it: a new one is being fetched.
    Refused,
    /// Upstream's answer says nothing about the token.
    Inconclusive,
}

/// How often another replica's check is looked after.
const POLL: Duration = Duration::from_millis(50);

impl Refresher {
    /// Finds out about the reported token: one check for all replicas and callers, its verdict shared.
    /// Bounded by the time of two checks.
    pub async fn report(&self, id: SlotId, report: Report) -> ReportVerdict {
        let subject = self.publisher.subject(id);
        let rules = &subject.rules;
        let bound = self.clock.now().boot + rules.timeout * 2;
        loop {
            let now = self.clock.now();
            let Some(held) = self
                .publisher
                .inspect(id, |replica| replica.live(now).cloned())
            else {
                return ReportVerdict::Refused;
            };
            if held.digest != report.token {
                return ReportVerdict::Stale;
            }
            let claim = Claim {
                version: held.version,
                every: report.answered_by_checks_of(rules.close_watch, now),
            };
            match self
                .store
                .claim_check(&subject, &claim)
                .await
                .map(|claimed| claimed.answer)
            {
                Ok(Claimed::Yours) => {
                    let (outcome, _) = self.check_and_judge(id, &held, Purpose::Report).await;
                    self.read(id).await;
                    return verdict_of(outcome);
                }
                Ok(Claimed::Checked(Check {
                    verdict: Some(verdict),
                    ..
                })) => {
                    self.read(id).await;
                    return match verdict {
                        Verdict::Accepted => ReportVerdict::StillValid,
                        Verdict::Refused => ReportVerdict::Refused,
                        Verdict::Inconclusive => ReportVerdict::Inconclusive,
                    };
                }
                Ok(Claimed::NotCurrent) => {
                    self.read(id).await;
                    let now = self.clock.now();
                    let still = self.publisher.inspect(id, |replica| {
                        replica
                            .live(now)
                            .is_some_and(|grant| grant.digest == report.token)
                    });
                    if !still {
                        return ReportVerdict::Stale;
                    }
                    // The store has lost it: the put-back that follows checks it.
                    return ReportVerdict::Inconclusive;
                }
                Ok(Claimed::Checked(_)) if now.boot < bound => tokio::time::sleep(POLL).await,
                Ok(Claimed::Checked(_)) => return ReportVerdict::Inconclusive,
                Err(failure) => return self.report_cut_off(id, report, &failure).await,
            }
        }
    }

    /// The store cannot be asked: this replica checks for itself, unless another token has come meanwhile.
    async fn report_cut_off(
        &self,
        id: SlotId,
        report: Report,
        failure: &StoreError,
    ) -> ReportVerdict {
        self.store_failed(id, failure);
        let now = self.clock.now();
        let other = self.publisher.inspect(id, |replica| {
            replica
                .live(now)
                .is_some_and(|grant| grant.digest != report.token)
        });
        if other {
            return ReportVerdict::Stale;
        }
        verdict_of(self.check_held(id, Purpose::Report).await)
    }
}

impl Report {
    /// A check answers it if it was begun within this time.
    fn answered_by_checks_of(&self, close_watch: Duration, now: Moment) -> Duration {
        self.seen.map_or(close_watch, |seen| {
            now.boot.saturating_sub(seen.boot).min(close_watch)
        })
    }
}

const fn verdict_of(outcome: CheckOutcome) -> ReportVerdict {
    match outcome {
        CheckOutcome::Accepted => ReportVerdict::StillValid,
        CheckOutcome::Refused => ReportVerdict::Refused,
        CheckOutcome::Inconclusive | CheckOutcome::Away => ReportVerdict::Inconclusive,
    }
}
