//! What the broker refuses, as problems. Exhaustive: a new refusal does not compile until it has its
//! code here.

use std::time::Duration;

use super::{Code, Problem};
use crate::broker::{PauseRefusal, RefreshRefusal, Refusal};
use crate::domain::app_id::AppId;
use crate::domain::credential::Kind;
use crate::domain::replica::{BlockedBy, WhyNot};
use crate::domain::upstream_error::ErrorClass;
use crate::ports::StoreError;

/// After which time it is worth asking again where nothing better is known.
pub(super) const SOON: Duration = Duration::from_secs(1);

impl Problem {
    /// There is no token to hand out.
    pub(in crate::http) fn no_token(refusal: Refusal, app: &AppId) -> Self {
        let Refusal::Nothing { why, retry_after } = refusal else {
            return Self::unknown_app(Some(app.clone()));
        };
        let problem = match why {
            WhyNot::Starting => Self::new(
                Code::Starting,
                "There is no token yet; one is on its way. Ask again.",
            ),
            WhyNot::Paused => Self::paused(),
            WhyNot::UpstreamRefuses(class) => Self::refused_by_upstream(class),
            WhyNot::UpstreamAway => Self::upstream_away(),
            WhyNot::BudgetSpent => Self::budget_spent(),
            WhyNot::StoreAway => Self::store_away(),
            WhyNot::StoreUnusable => Self::store_unusable(),
        };
        problem.about(app).retry_after(retry_after)
    }

    /// There is no ticket to hand out.
    pub(in crate::http) fn no_ticket(refusal: Refusal, app: &AppId) -> Self {
        match refusal {
            Refusal::Nothing {
                why: WhyNot::Starting,
                retry_after,
            } => Self::new(
                Code::Starting,
                "There is no ticket yet; one is on its way. Ask again.",
            )
            .about(app)
            .retry_after(retry_after),
            other => Self::no_token(other, app),
        }
    }

    /// The app does not list the ticket.
    pub(in crate::http) fn ticket_not_kept(kind: Kind, app: &AppId) -> Self {
        let word = kind.ticket_type().unwrap_or_default();
        let detail = format!(
            "No ticket of type '{word}' is kept for this app. Add it to the app's tickets in the broker's configuration."
        );
        Self::new(Code::TicketNotKept, detail).about(app)
    }

    /// A forced refresh brought nothing new.
    pub(in crate::http) fn not_refreshed(refusal: RefreshRefusal, app: &AppId) -> Self {
        match refusal {
            RefreshRefusal::UnknownApp => Self::unknown_app(Some(app.clone())),
            RefreshRefusal::Blocked(by, wait) => Self::blocked(by).about(app).retry_after(wait),
            RefreshRefusal::TimedOut => Self::new(
                Code::RefreshTimeout,
                "The refresh did not end in time; it may still bring a new token. Ask for the token.",
            )
            .about(app)
            .retry_after(SOON),
        }
    }

    fn blocked(by: BlockedBy) -> Self {
        match by {
            BlockedBy::CoolingDown(ErrorClass::Busy | ErrorClass::Unclear)
            | BlockedBy::UpstreamAway => Self::upstream_away(),
            BlockedBy::CoolingDown(class) => Self::refused_by_upstream(class),
            BlockedBy::Spacing => Self::new(
                Code::TooSoon,
                "The last fetch is too recent: another one would kill a token that callers still use.",
            ),
            BlockedBy::BudgetSpent => Self::budget_spent(),
            BlockedBy::Paused => Self::paused(),
            BlockedBy::StoreAway | BlockedBy::Unconfirmed => Self::store_away(),
            BlockedBy::Busy | BlockedBy::Behind | BlockedBy::LeaseTooShort => Self::new(
                Code::RefreshUnderWay,
                "A refresh is under way already. Ask for the token in a moment.",
            ),
            BlockedBy::NoAccessToken => Self::new(
                Code::Starting,
                "There is no access token yet; one is on its way. Ask again.",
            ),
            BlockedBy::NotRenewed => Self::new(
                Code::NotRenewed,
                "WeChat answers the same stable token until it is about to expire; it stays valid.",
            ),
        }
    }

    /// The app was neither paused nor resumed.
    pub(in crate::http) fn not_paused(refusal: &PauseRefusal, app: &AppId) -> Self {
        let problem = match refusal {
            PauseRefusal::UnknownApp => return Self::unknown_app(Some(app.clone())),
            PauseRefusal::Store(StoreError::Away(_) | StoreError::Refused(_)) => Self::store_away(),
            PauseRefusal::Store(StoreError::Foreign(_) | StoreError::Unreadable(_)) => {
                Self::store_unusable()
            }
            PauseRefusal::Stopping => Self::stopping(),
        };
        problem.about(app).retry_after(SOON)
    }

    /// This replica answers no more.
    pub(in crate::http) fn stopping() -> Self {
        Self::new(
            Code::Stopping,
            "This replica is stopping. Ask again: another one answers.",
        )
    }

    fn paused() -> Self {
        Self::new(
            Code::Paused,
            "Somebody has paused this app: nothing is fetched until it is resumed, POST /apps/{appid}/resume.",
        )
    }

    fn refused_by_upstream(class: ErrorClass) -> Self {
        let (meaning, advice) = (class.meaning(), class.advice());
        let mut problem = Self::new(
            Code::RefusedByUpstream,
            format!("There is no token: {meaning}. What to do: {advice}."),
        );
        problem.0.cause = Some(class.as_str());
        problem
    }

    fn upstream_away() -> Self {
        Self::new(
            Code::UpstreamAway,
            "WeChat cannot be reached or is busy. The broker tries again by itself.",
        )
    }

    fn budget_spent() -> Self {
        Self::new(
            Code::BudgetSpent,
            "The fetches that this app may use are used up for now. Find out what uses them: the metric token_broker_fetches_total names the reasons.",
        )
    }

    fn store_away() -> Self {
        Self::new(
            Code::StoreAway,
            "The store that all replicas share does not answer or refuses, and nobody may fetch without it. The broker tries again by itself.",
        )
    }

    fn store_unusable() -> Self {
        Self::new(
            Code::StoreUnusable,
            "The store's record of this app belongs to another upstream or to a newer release, and was left as it is. The broker's log says which.",
        )
    }
}
