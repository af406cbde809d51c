//! Offering: the store does not have the grant that this replica holds, since the commit did not reach
//! it or it lost its data. The commit is repeated; failing that, upstream decides.

use std::time::Duration;

use tracing::{info, warn};

use super::{Refresher, StepEnd};
use crate::domain::protocol::{Commit, Committed, PutBack, PutBackAnswer};
use crate::domain::replica::BlockedBy;
use crate::metrics::{CheckOutcome, Purpose};
use crate::snapshot::SlotId;

/// The store has something newer, or lets go of this one a moment before we do: nothing to hurry for.
const SUPERSEDED_WAIT: Duration = Duration::from_secs(1);

impl Refresher {
    pub(super) async fn offer(&self, id: SlotId) -> StepEnd {
        match self.commit_again(id).await {
            Some(end) => end,
            None => self.put_back(id).await,
        }
    }

    /// The lease may still be ours: then the commit is as good as it was. `None` = it is not.
    async fn commit_again(&self, id: SlotId) -> Option<StepEnd> {
        let (attempt, grant) = self
            .publisher
            .inspect(id, crate::domain::replica::Replica::pending)?;
        let app = &self.publisher.subject(id).credential.app;
        let commit = Commit {
            attempt,
            grant: grant.as_ref().clone(),
        };
        match self.commit(id, &commit).await {
            Ok(Committed::Stored { version, .. }) => {
                info!(appid = %app, %version, "the pending token is stored now");
                self.read(id).await;
                Some(StepEnd::Done)
            }
            Ok(Committed::Late) => {
                self.metrics.overlap_detected(app);
                warn!(appid = %app, version = %grant.version, "the pending token's lease is over; a check decides about it");
                self.publisher
                    .update(id, crate::domain::replica::Replica::pending_is_late);
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
        let now = self.clock.now();
        let held = self.publisher.inspect(id, |replica| {
            Some((replica.live(now)?.clone(), replica.memory(now)))
        });
        let Some((grant, memory)) = held else {
            return StepEnd::Done;
        };
        let put_back = PutBack {
            grant: grant.as_ref().clone(),
            memory,
        };
        match self.store.put_back(subject, &put_back).await {
            Ok(answer) => {
                match answer.answer {
                    PutBackAnswer::Stored => {
                        self.metrics.put_back(app);
                        warn!(appid = %app, version = %grant.version, "the store had lost this token; it was put back");
                    }
                    PutBackAnswer::Superseded => {
                        self.read(id).await;
                        return self.blocked(id, BlockedBy::Behind, SUPERSEDED_WAIT);
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
