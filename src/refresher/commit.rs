//! The end of a refresh: the fetched grant goes to the store.

use tracing::error;

use super::fetch::{Attempting, TRIES};
use super::line::log_refreshed;
use super::{Refresher, StepEnd};
use crate::domain::grant::Grant;
use crate::domain::history::What;
use crate::domain::protocol::{Commit, Committed};
use crate::domain::replica::BlockedBy;
use crate::domain::time::Moment;
use crate::ports::StoreError;
use crate::snapshot::SlotId;

impl Refresher {
    /// Stores what an attempt fetched, and tells the replica, the log and the metrics what came of it.
    pub(super) async fn commit_fetched(
        &self,
        attempting: Attempting,
        grant: Grant,
        expires: Moment,
    ) -> StepEnd {
        let Attempting {
            id,
            reason,
            attempt,
            started,
            ..
        } = attempting;
        let credential = self.publisher.credential(id).clone();
        let commit = Commit {
            attempt,
            grant: grant.clone(),
        };
        match self.commit(id, &commit).await {
            Ok(Committed::Stored {
                version,
                expires_at,
            }) => {
                let renewed = version == grant.version;
                let extra = expires_at.since(grant.expires_at);
                let stored = Grant {
                    version,
                    expires_at,
                    ..grant
                };
                let life = stored.life();
                self.publisher.update(id, |replica| {
                    replica.committed(stored, expires.after(extra), started);
                    let what = if renewed {
                        What::Refreshed(reason)
                    } else {
                        What::NotRenewed
                    };
                    replica.note(what, started);
                });
                self.read(id).await;
                log_refreshed(&credential, version, reason, life, renewed);
                if renewed {
                    StepEnd::Done
                } else {
                    self.not_renewed(id)
                }
            }
            Ok(Committed::Late) => {
                self.metrics.overlap_detected(&credential.app);
                self.note(id, What::Overlapped);
                error!(
                    appid = %credential.app, kind = %credential.kind, epoch = %attempt.epoch,
                    "two fetches overlapped: this one came too late to be stored; the current token is watched and replaced"
                );
                self.read(id).await;
                StepEnd::Done
            }
            Err(failure) => {
                self.metrics.pending(&credential.app);
                error!(
                    appid = %credential.app, kind = %credential.kind, version = %grant.version, error = %failure,
                    "the fetched token cannot be stored; this replica serves it and offers it again"
                );
                self.publisher.update(id, |replica| {
                    replica.keep_pending(grant, expires, Some(attempt), started);
                    replica.note(What::Unstored(reason), started);
                });
                self.store_failed(id, &failure)
            }
        }
    }

    /// commit, repeated where the answer was lost.
    pub(super) async fn commit(
        &self,
        id: SlotId,
        commit: &Commit,
    ) -> Result<Committed, StoreError> {
        let subject = self.publisher.subject(id);
        let mut tries = 1;
        loop {
            match self.store.commit(&subject, commit).await {
                Ok(committed) => return Ok(committed.answer),
                Err(StoreError::Away(_)) if tries < TRIES => tries += 1,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A stable token came back the same although it was due: upstream renews it a little later.
    fn not_renewed(&self, id: SlotId) -> StepEnd {
        if self.refresh_is_due(id, self.clock.now()) {
            self.back_off(id, BlockedBy::NotRenewed)
        } else {
            StepEnd::Done
        }
    }
}
