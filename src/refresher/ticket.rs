//! What a ticket needs beside a lease: the app's access token, which another credential keeps.
//!
//! Never without one that lives: that is a wait, which costs the ticket neither budget nor a cooldown, and ends
//! with the token's coming. An access token that WeChat refuses here is reported as any refused call is.

use tracing::warn;

use super::{Refresher, Report, StepEnd};
use crate::domain::grant::Grant;
use crate::domain::replica::{BlockedBy, Replica};
use crate::metrics::{CheckOutcome, Purpose};
use crate::snapshot::SlotId;

/// What a fetch is made with.
#[derive(Clone, Debug)]
pub(super) enum Means {
    /// The AppSecret, for an access token.
    AppSecret,
    /// The app's access token, for a ticket: where it is kept, and the token.
    AccessToken(SlotId, Grant),
}

impl Refresher {
    /// What a fetch of this credential is made with now.
    ///
    /// # Errors
    /// The step is over: the ticket waits for the app's access token, or the app is paused.
    pub(super) fn means(&self, id: SlotId) -> Result<Means, StepEnd> {
        let subject = self.publisher.subject(id);
        if subject.credential.kind.ticket_type().is_none() {
            return Ok(Means::AppSecret);
        }
        let wait = subject.rules.reconcile;
        let Some(token_id) = self.publisher.access_token_of(id) else {
            return Err(self.blocked(id, BlockedBy::NoAccessToken, wait));
        };
        // Where the app was paused before the ticket was listed, the ticket's own record does not say so.
        if self.publisher.inspect(token_id, Replica::is_paused) {
            return Err(self.blocked(id, BlockedBy::Paused, wait));
        }
        let live = || {
            let now = self.clock.now();
            self.publisher
                .inspect(token_id, |replica| replica.live(now).cloned())
        };
        if let Some(token) = live() {
            return Ok(Means::AccessToken(token_id, token));
        }
        let waits = self.blocked(id, BlockedBy::NoAccessToken, wait);
        if live().is_some() {
            // It came in between, and found nobody waiting.
            self.publisher.update(id, Replica::access_token_came);
        }
        Err(waits)
    }

    /// A ticket cannot be checked. Whether upstream answers at all is asked with the access token instead,
    /// before a repair spends budget. `Some` ends the step.
    pub(super) async fn probe_with_token(&self, id: SlotId, means: &Means) -> Option<StepEnd> {
        let Means::AccessToken(token_id, token) = means else {
            return None;
        };
        let credential = self.publisher.credential(*token_id);
        match self.check(credential, &token.value, Purpose::Repair).await {
            CheckOutcome::Accepted | CheckOutcome::Inconclusive => None,
            CheckOutcome::Away => Some(self.back_off(id, BlockedBy::UpstreamAway)),
            CheckOutcome::Refused => {
                self.report_access_token(means).await;
                Some(self.back_off(id, BlockedBy::NoAccessToken))
            }
        }
    }

    /// WeChat refused the access token that a ticket was asked for with: a hint to look.
    pub(super) async fn report_access_token(&self, means: &Means) {
        if let Means::AccessToken(token_id, token) = means {
            let app = &self.publisher.credential(*token_id).app;
            let report = Report {
                token: token.digest,
                seen: Some(self.clock.now()),
            };
            let verdict = self.report(*token_id, report).await;
            warn!(appid = %app, version = %token.version, ?verdict, "WeChat refused the access token that a ticket was asked for with");
        }
    }
}
