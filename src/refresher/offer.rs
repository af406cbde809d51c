//! Offering: the store does not have the grant that this replica holds, since the commit did not reach
//! it or it lost its data. The commit is repeated; failing that, upstream decides.

use tracing::{info, warn};

use super::{Refresher, StepEnd};
use crate::domain::history::What;
use crate::domain::protocol::{Commit, Committed, PutBackAnswer};
use crate::domain::replica::BlockedBy;
use crate::metrics::{CheckOutcome, Purpose};
use crate::snapshot::SlotId;

impl Refresher {
    pub(super) async fn offer(&self, id: SlotId) -> StepEnd {
        match self.commit_again(id).await {
            Some(end) => end,
            None if self.publisher.subject(id).rules.checkable => self.put_back(id).await,
            // It cannot be checked, so it is replaced: the store has noted that it may be dead.
            None => {
                self.read(id).await;
                StepEnd::Done
            }
        }
    }

    /// The lease may still be ours: then the commit is as good as it was. `None` = it is not.
    async fn commit_again(&self, id: SlotId) -> Option<StepEnd> {
        let (attempt, grant) = self
            .publisher
            .inspect(id, crate::domain::replica::Replica::pending)?;
        let app = &self.publisher.credential(id).app;
        let commit = Commit { attempt, grant };
        match self.commit(id, &commit).await {
            Ok(Committed::Stored { version, .. }) => {
                info!(appid = %app, %version, "the pending token is stored now");
                // Where the read does not bring it (the store has lost it since, or keeps the same stable
                // token under an earlier version), it is put back.
                self.publisher
                    .update(id, crate::domain::replica::Replica::pending_is_settled);
                self.read(id).await;
                Some(StepEnd::Done)
            }
            Ok(Committed::Late) => {
                self.metrics.overlap_detected(app);
                self.note(id, What::Overlapped);
                warn!(appid = %app, version = %commit.grant.version, "the pending token's lease is over; a check decides about it, or it is replaced");
                self.publisher
                    .update(id, crate::domain::replica::Replica::pending_is_settled);
                None
            }
            Err(failure) => Some(self.store_failed(id, &failure)),
        }
    }

    async fn put_back(&self, id: SlotId) -> StepEnd {
        match self.check_held(id, Purpose::PutBack).await {
            CheckOutcome::Accepted => {}
            CheckOutcome::Refused => {
                self.read(id).await;
                return StepEnd::Done;
            }
            CheckOutcome::Inconclusive | CheckOutcome::Away => {
                return self.back_off(id, BlockedBy::UpstreamAway);
            }
        }
        let subject = self.publisher.subject(id);
        let app = &subject.credential.app;
        let Some(put_back) = self
            .publisher
            .inspect(id, |replica| replica.put_back(self.clock.now()))
        else {
            return StepEnd::Done;
        };
        let grant = &put_back.grant;
        match self.store.put_back(&subject, &put_back).await {
            Ok(answer) => {
                match answer.answer {
                    PutBackAnswer::Stored => {
                        self.metrics.put_back(app);
                        self.note(id, What::PutBack);
                        warn!(appid = %app, version = %grant.version, "the store had lost this token; it was put back");
                    }
                    PutBackAnswer::Superseded => {
                        // The store has something newer, or lets go of this one a little before we do,
                        // and each offer costs a check: nothing to hurry for.
                        self.read(id).await;
                        let pause = subject.rules.close_watch;
                        return self.blocked(id, BlockedBy::Behind, pause);
                    }
                    PutBackAnswer::Dead => {
                        let now = self.clock.now();
                        self.publisher
                            .update(id, |replica| replica.refused(grant.version, now));
                    }
                    PutBackAnswer::Conflict => {
                        warn!(appid = %app, version = %grant.version, "the store has another token under this version; it is replaced");
                    }
                }
                self.read(id).await;
                StepEnd::Done
            }
            Err(failure) => self.store_failed(id, &failure),
        }
    }
}
