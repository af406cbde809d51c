//! JS-SDK and card tickets. Each call issues a new one that lives on its own: WeChat documents no rule by which
//! one ticket ends another.

use std::time::{Duration, Instant};

use super::history::fake_credential;

/// What a ticket signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketKind {
    /// JS-SDK pages.
    Jsapi,
    /// Card coupons.
    WxCard,
}

impl TicketKind {
    /// The kind that a request's `type` names.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "jsapi" => Some(Self::Jsapi),
            "wx_card" => Some(Self::WxCard),
            _ => None,
        }
    }
}

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedTicket {
    /// Whose it is.
    pub appid: String,
    /// What it signs.
    pub kind: TicketKind,
    /// The ticket itself.
    pub value: String,
    /// When it was issued.
    pub issued_at: Instant,
    /// When it dies.
    pub dies_at: Instant,
}

/// All the tickets, in the order of issue.
#[derive(Debug, Default)]
pub(crate) struct TicketHistory {
    tickets: Vec<IssuedTicket>,
}

impl TicketHistory {
    pub(crate) fn issue(
        &mut self,
        appid: &str,
        kind: TicketKind,
        now: Instant,
        life: Duration,
    ) -> &IssuedTicket {
        let index = self.tickets.len();
        self.tickets.push(IssuedTicket {
            appid: appid.to_owned(),
            kind,
            value: fake_credential("ticket", index as u64 + 1),
            issued_at: now,
            dies_at: now + life,
        });
        &self.tickets[index]
    }

    pub(crate) fn all(&self) -> &[IssuedTicket] {
        &self.tickets
    }
}
