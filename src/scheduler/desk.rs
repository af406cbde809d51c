//! Where requests leave what they want of the write flow: an errand never runs inside a request.

use tokio::sync::{mpsc, oneshot};

use crate::ports::StoreError;
use crate::refresher::{Report, ReportVerdict, StepEnd};
use crate::snapshot::SlotId;

/// What a request wants of the write flow.
#[derive(Debug)]
pub enum Errand {
    /// Nothing servable, or not heard of for long: read the store now.
    Attend(SlotId),
    /// A token was refused.
    Report(SlotId, Report, oneshot::Sender<ReportVerdict>),
    /// A new token is wanted.
    Refresh(SlotId, oneshot::Sender<StepEnd>),
    /// Pause or resume.
    SetPause(SlotId, bool, oneshot::Sender<Result<(), StoreError>>),
}

/// Where requests leave their errands.
#[derive(Clone, Debug)]
pub struct Desk(mpsc::Sender<Errand>);

impl Desk {
    pub(super) const fn in_front_of(scheduler: mpsc::Sender<Errand>) -> Self {
        Self(scheduler)
    }

    /// Leaves an errand. `false` = the broker is stopping, or overrun; the errand is dropped.
    pub async fn leave(&self, errand: Errand) -> bool {
        self.0.send(errand).await.is_ok()
    }

    /// Leaves an errand that may as well be lost.
    pub fn hint(&self, errand: Errand) {
        let _ = self.0.try_send(errand);
    }
}
