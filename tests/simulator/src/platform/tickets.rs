//! JS-SDK and card tickets. WeChat documents no rule by which one ticket ends another, so that a test can have
//! it either way.

use std::time::Instant;

use super::history::fake_credential;
use crate::settings::Settings;

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

/// What becomes of the ticket before when another is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TicketRule {
    /// It lives on to its own end.
    #[default]
    LivesOn,
    /// It dies after the overlap, and the one before it at once, as tokens do.
    Superseded,
    /// It is answered again, with what is left of its life, until its last overlap begins.
    Repeated,
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
        settings: &Settings,
    ) -> &IssuedTicket {
        let (life, overlap) = (settings.ticket_life, settings.overlap);
        let ours = |ticket: &IssuedTicket| ticket.appid == appid && ticket.kind == kind;
        let last = self.tickets.iter().rposition(ours);
        match (settings.ticket_rule, last) {
            (TicketRule::Repeated, Some(last)) if self.tickets[last].dies_at > now + overlap => {
                return &self.tickets[last];
            }
            (TicketRule::Superseded, Some(last)) => {
                let before = self.tickets.iter_mut().enumerate();
                for (index, ticket) in before.filter(|(_, ticket)| ours(ticket)) {
                    let until = if index == last { now + overlap } else { now };
                    ticket.dies_at = ticket.dies_at.min(until);
                }
            }
            (TicketRule::LivesOn | TicketRule::Repeated | TicketRule::Superseded, _) => {}
        }
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
