//! With the store away, a stable token may be asked for without a lease: asking kills nothing, so replicas
//! that ask side by side get the same token.

use tracing::{info, warn};

use super::line::log_refused;
use super::{Refresher, StepEnd};
use crate::domain::grant::Grant;
use crate::domain::history::What;
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;
use crate::domain::time::{Moment, Timestamp, micros};
use crate::domain::upstream_error::UpstreamError;
use crate::metrics::FetchOutcome;
use crate::ports::Fetched;
use crate::snapshot::SlotId;

impl Refresher {
    /// Asks upstream for a stable token, within this replica's own memory of the budget.
    pub(super) async fn refresh_alone(&self, id: SlotId) -> StepEnd {
        let reason = match self
            .publisher
            .inspect(id, |replica| replica.live(self.clock.now()).is_some())
        {
            true => Reason::Scheduled,
            false => Reason::Missing,
        };
        let mut force = false;
        loop {
            let started = self.clock.now();
            let version = match self
                .publisher
                .update(id, |replica| replica.begin_alone(force, started))
            {
                Ok(version) => version,
                Err(wait) => return self.blocked(id, BlockedBy::BudgetSpent, wait),
            };
            let credential = self.publisher.credential(id).clone();
            let fetched = self.upstream.fetch(&credential, force).await;
            self.metrics.fetched(
                &credential,
                reason,
                FetchOutcome::of(credential.kind, &fetched),
            );
            let (value, digest, life) = match fetched {
                Fetched::Granted {
                    value,
                    digest,
                    life,
                } => (value, digest, life),
                Fetched::Refused(error) => return self.refused_alone(id, reason, &error, started),
                Fetched::NotSent(why) | Fetched::Ambiguous(why) => {
                    warn!(appid = %credential.app, reason = reason.as_str(), why, "no stable token: upstream and store are both away");
                    self.publisher.update(id, |replica| {
                        replica.check_failed(started);
                        replica.note(What::NotSent(reason), started);
                    });
                    return self.back_off(id, BlockedBy::UpstreamAway);
                }
            };
            let refused = self
                .publisher
                .inspect(id, |replica| replica.was_refused(&digest));
            if refused && force {
                return self.back_off(id, BlockedBy::NotRenewed);
            }
            if refused {
                // A refused token that comes back the same: only force replaces it.
                force = true;
                continue;
            }
            let issued_at = Timestamp::from_micros(micros(started.wall));
            let grant = Grant {
                version,
                value,
                digest,
                issued_at,
                expires_at: issued_at + life,
            };
            info!(appid = %credential.app, expires_in_s = life.as_secs(), "stable token fetched without the store, which is away");
            self.publisher.update(id, |replica| {
                replica.keep_pending(grant, started.after(life), None, started);
                replica.note(What::Unstored(reason), started);
            });
            return if self.refresh_is_due(id, started) {
                self.back_off(id, BlockedBy::NotRenewed)
            } else {
                StepEnd::Done
            };
        }
    }

    /// Upstream answered with an error: asked again after the cooldown that it calls for.
    fn refused_alone(
        &self,
        id: SlotId,
        reason: Reason,
        error: &UpstreamError,
        started: Moment,
    ) -> StepEnd {
        let class = error.class();
        let random = self.chance.unit();
        let now = Timestamp::from_micros(micros(started.wall));
        let cooldown = self.publisher.update(id, |replica| {
            replica.check_failed(started);
            replica.note(What::Refused(reason, Box::new(error.clone())), started);
            let failures = replica.count_failure();
            class.cooldown(failures, replica.rules().backoff, now, random)
        });
        let credential = self.publisher.credential(id);
        log_refused(credential, reason, error, cooldown);
        self.blocked(id, BlockedBy::CoolingDown(class), cooldown)
    }
}
