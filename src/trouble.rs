//! What is wrong with a credential, read from its [`Overview`]: named, weighed, and with the runbook that
//! ends it. The words for it are the status page's.

use std::time::Duration;

use crate::domain::history::{Event, What};
use crate::domain::replica::{BlockedBy, StoreTrouble};
use crate::domain::upstream_error::ErrorClass;
use crate::overview::{Overview, Status};

/// How long a foreign fetch or an overlap is told after it was repaired: as long as its alert shows.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Within this the store is read after it took a token, unless something is wrong.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Less left than this, and less than half of the time that is meant for refreshing, is worth telling by
/// itself: the same bound as the alert's.
const SOON: Duration = Duration::from_secs(1800);

/// One thing that is wrong: a closed set. The order is that of the page where all else is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// WeChat refuses to issue one.
    Refused(ErrorClass),
    /// The store holds what this broker must not touch, or refuses.
    StoreUnusable(StoreWord),
    /// The budget is spent.
    BudgetSpent,
    /// There is none, and nothing says why.
    NoToken,
    /// It expires soon and nothing says why it is not refreshed.
    ExpiresSoon,
    /// Neither store nor upstream has lately said that it stands.
    Unvouched,
    /// The store does not answer.
    StoreAway,
    /// WeChat does not answer.
    WeChatAway,
    /// Somebody else fetches with the app's secret.
    ForeignFetcher,
    /// Only this replica has it.
    Pending,
    /// Somebody has paused the app.
    Paused,
    /// Two fetches overlapped.
    Overlapped,
    /// It may die before it expires, and is being replaced.
    Repairing,
    /// It was not looked up yet, or the first one is on its way.
    Starting,
}

/// Why a store that answers cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreWord {
    /// It refuses.
    Refused,
    /// The keys belong to brokers of another upstream.
    Foreign,
    /// The record is of a newer release, or damaged.
    Unreadable,
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    /// Callers are refused now.
    Refusing,
    /// Callers are served; a person is needed before the token dies.
    Act,
    /// Callers are served; it passes by itself, or waits for the morning.
    Know,
}

impl Trouble {
    /// Every trouble.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [
            Self::StoreUnusable(StoreWord::Refused),
            Self::StoreUnusable(StoreWord::Foreign),
            Self::StoreUnusable(StoreWord::Unreadable),
            Self::BudgetSpent,
            Self::NoToken,
            Self::ExpiresSoon,
            Self::Unvouched,
            Self::StoreAway,
            Self::WeChatAway,
            Self::ForeignFetcher,
            Self::Pending,
            Self::Paused,
            Self::Overlapped,
            Self::Repairing,
            Self::Starting,
        ];
        ErrorClass::ALL.into_iter().map(Self::Refused).chain(others)
    }

    /// The alert of the same name, whose runbook ends it; `None` where there is nothing to do.
    #[must_use]
    pub const fn runbook(self) -> Option<&'static str> {
        Some(match self {
            Self::Refused(class) => match class {
                ErrorClass::BadSecret | ErrorClass::SecretFrozen => "TokenBrokerSecretRefused",
                ErrorClass::IpNotWhitelisted
                | ErrorClass::IpUnconfirmed
                | ErrorClass::IpRefusedHour
                | ErrorClass::IpRefusedDay => "TokenBrokerIpNotWhitelisted",
                ErrorClass::QuotaSpent => "TokenBrokerQuotaSpent",
                ErrorClass::BadAppId
                | ErrorClass::BadRequest
                | ErrorClass::Forbidden
                | ErrorClass::Unknown => "TokenBrokerAppRefused",
                ErrorClass::Busy
                | ErrorClass::MinuteLimit
                | ErrorClass::TokenRefused
                | ErrorClass::Unclear => "TokenBrokerWeChatAway",
            },
            Self::StoreUnusable(_) => "TokenBrokerStoreUnusable",
            Self::BudgetSpent => "TokenBrokerBudgetBurning",
            Self::NoToken => "TokenBrokerNoLiveGrant",
            Self::ExpiresSoon => "TokenBrokerGrantExpiresSoon",
            Self::Unvouched => "TokenBrokerReplicaUnvouched",
            Self::StoreAway => "TokenBrokerStoreAway",
            Self::WeChatAway => "TokenBrokerWeChatAway",
            Self::ForeignFetcher => "TokenBrokerForeignFetcher",
            Self::Pending => "TokenBrokerGrantPending",
            Self::Paused => "TokenBrokerAppPaused",
            Self::Overlapped => "TokenBrokerOverlapDetected",
            Self::Repairing | Self::Starting => return None,
        })
    }

    /// How bad it is for this app.
    #[must_use]
    pub fn weight(self, app: &Overview) -> Weight {
        match self {
            Self::Starting | Self::Overlapped | Self::Pending => Weight::Know,
            // Not what keeps a new token from being fetched.
            Self::ForeignFetcher if !app.servable => Weight::Act,
            Self::ForeignFetcher => Weight::Know,
            _ if !app.servable => Weight::Refusing,
            Self::Refused(class) if class.needs_a_person() => Weight::Act,
            Self::StoreUnusable(_)
            | Self::StoreAway
            | Self::BudgetSpent
            | Self::NoToken
            | Self::ExpiresSoon
            | Self::Unvouched => Weight::Act,
            // These end by themselves, or somebody wanted them: a person is needed when time runs out.
            Self::Refused(_) | Self::WeChatAway | Self::Paused if expires_soon(app) => Weight::Act,
            Self::Refused(_) | Self::WeChatAway | Self::Paused | Self::Repairing => Weight::Know,
        }
    }
}

/// Everything that is wrong, the worst first. `now` is the wall clock's, since 1970 UTC.
#[must_use]
pub fn troubles(app: &Overview, now: Duration) -> Vec<Trouble> {
    let mut found = Vec::new();
    found.extend(cause(app));
    let lately = |what: fn(&What) -> bool| {
        let from = now.saturating_sub(REMEMBERED);
        app.history
            .since(from)
            .any(|Event { what: seen, .. }| what(seen))
    };
    if app.servable && !app.vouched {
        found.push(Trouble::Unvouched);
    }
    if lately(|what| matches!(what, What::Died { foreign: true })) {
        found.push(Trouble::ForeignFetcher);
    }
    if app.pending && !just_stored(app, now) {
        found.push(Trouble::Pending);
    }
    if lately(|what| matches!(what, What::Overlapped)) {
        found.push(Trouble::Overlapped);
    }
    if found.is_empty() {
        found.extend(unexplained(app));
    }
    found.sort_by_key(|trouble| (trouble.weight(app), *trouble));
    found
}

/// Whether the store took the token a moment ago: it may not have been read since.
fn just_stored(app: &Overview, now: Duration) -> bool {
    let newest = app.history.events().next();
    newest.is_some_and(|event| {
        matches!(event.what, What::Refreshed(_)) && now.saturating_sub(event.last) < READ_AGAIN
    })
}

/// What keeps the token from being refreshed.
fn cause(app: &Overview) -> Option<Trouble> {
    if app.paused {
        return Some(Trouble::Paused);
    }
    match app.trouble {
        Some(StoreTrouble::Away) => return Some(Trouble::StoreAway),
        Some(StoreTrouble::Refused) => return Some(Trouble::StoreUnusable(StoreWord::Refused)),
        Some(StoreTrouble::Foreign) => return Some(Trouble::StoreUnusable(StoreWord::Foreign)),
        Some(StoreTrouble::Unreadable) => {
            return Some(Trouble::StoreUnusable(StoreWord::Unreadable));
        }
        None => {}
    }
    let told = match app.blocked {
        Some((BlockedBy::CoolingDown(class), _)) => Some(class),
        _ => app.cooldown.map(|(class, _)| class),
    };
    match (told, app.blocked) {
        (Some(ErrorClass::Busy | ErrorClass::Unclear), _)
        | (None, Some((BlockedBy::UpstreamAway, _))) => Some(Trouble::WeChatAway),
        (Some(class), _) => Some(Trouble::Refused(class)),
        (None, Some((BlockedBy::BudgetSpent, _))) => Some(Trouble::BudgetSpent),
        (None, _) => match app.status {
            Status::BudgetSpent => Some(Trouble::BudgetSpent),
            Status::UpstreamAway => Some(Trouble::WeChatAway),
            Status::StoreAway => Some(Trouble::StoreAway),
            _ => None,
        },
    }
}

/// What is wrong where nothing says why.
fn unexplained(app: &Overview) -> Option<Trouble> {
    match app.status {
        Status::Starting if is_new(app) => Some(Trouble::Starting),
        _ if !app.servable => Some(Trouble::NoToken),
        _ if app.suspect || app.dead => Some(Trouble::Repairing),
        _ if expires_soon(app) => Some(Trouble::ExpiresSoon),
        _ => None,
    }
}

/// Whether it was not looked up yet, or never fetched and nothing has failed: what takes a moment at a start.
fn is_new(app: &Overview) -> bool {
    app.stored
        .is_none_or(|stored| stored.last_fetch.is_none() && stored.failures == 0)
}

fn expires_soon(app: &Overview) -> bool {
    let (Some(left), Some(window)) = (app.expires_in, app.window()) else {
        return false;
    };
    left < SOON && left < window / 2
}

#[cfg(test)]
mod tests;
