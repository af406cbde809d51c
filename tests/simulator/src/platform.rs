//! WeChat itself, without a network: the accounts, what was issued to them, and the rules by which tokens live
//! and die. Every rule takes `now`, so that each can be proven without waiting.

pub(crate) mod calls;
pub(crate) mod errcode;
pub(crate) mod history;
mod issuing;
pub(crate) mod media;
pub(crate) mod people;
pub(crate) mod quota;
pub(crate) mod tickets;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::faults::FaultBook;
use crate::settings::{App, Settings};
use calls::CallRecord;
use errcode::Refusal;
use history::{Death, IssuedToken, TokenHistory, TokenIndex, Verdict, is_well_formed};
use media::MediaShelf;
use people::Vouchers;
use quota::SlidingCount;
use tickets::TicketHistory;

pub(crate) use issuing::{Granted, expires_in, whole_seconds};

/// One account and what WeChat keeps about it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) secret: String,
    pub(crate) daily_limit: u32,
    pub(crate) minute_limit: Option<u32>,
    /// Every token fetch is answered with this, until it is cleared.
    pub(crate) forced_errcode: Option<i64>,
    pub(crate) current: Option<TokenIndex>,
    pub(crate) previous: Option<TokenIndex>,
    pub(crate) stable: Option<TokenIndex>,
    fetches: SlidingCount,
    stable_calls: SlidingCount,
    forced_refreshes: SlidingCount,
}

impl Account {
    fn new(app: &App) -> Self {
        Self {
            secret: app.secret.clone(),
            daily_limit: app.daily_limit,
            minute_limit: app.minute_limit,
            forced_errcode: None,
            current: None,
            previous: None,
            stable: None,
            fetches: SlidingCount::default(),
            stable_calls: SlidingCount::default(),
            forced_refreshes: SlidingCount::default(),
        }
    }

    /// How many tokens of the rotating series it was issued within `window` before `now`.
    pub(crate) fn fetches_within(&self, window: Duration, now: Instant) -> u32 {
        self.fetches.within(window, now)
    }
}

/// All that WeChat remembers.
#[derive(Debug)]
pub(crate) struct Platform {
    /// In real durations.
    pub(crate) settings: Settings,
    /// Where the people stand in the settings, by app and openid: there may be many.
    people: HashMap<String, HashMap<String, usize>>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) tokens: TokenHistory,
    pub(crate) tickets: TicketHistory,
    pub(crate) vouchers: Vouchers,
    pub(crate) media: MediaShelf,
    pub(crate) record: CallRecord,
    pub(crate) faults: FaultBook,
}

impl Platform {
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = settings.in_real_time();
        let mut people = HashMap::<_, HashMap<_, _>>::new();
        for (index, user) in settings.users.iter().enumerate() {
            let known = people.entry(user.appid.clone()).or_default();
            known.entry(user.openid.clone()).or_insert(index);
        }
        Self {
            people,
            accounts: settings
                .apps
                .iter()
                .map(|app| (app.appid.clone(), Account::new(app)))
                .collect(),
            tokens: TokenHistory::default(),
            tickets: TicketHistory::default(),
            vouchers: Vouchers::default(),
            media: MediaShelf::default(),
            record: CallRecord::default(),
            faults: FaultBook::new(StdRng::seed_from_u64(settings.seed)),
            settings,
        }
    }

    /// Whether this is the app's secret.
    pub(crate) fn identify(&self, appid: &str, secret: &str) -> Result<&Account, Refusal> {
        let Some(account) = self.accounts.get(appid) else {
            return Err(Refusal::violating(40013, format!("unknown appid {appid}")));
        };
        if account.secret != secret {
            return Err(Refusal::violating(
                self.settings.wrong_secret_errcode,
                "wrong secret",
            ));
        }
        Ok(account)
    }

    /// Lets the caller in to fetch a token, or says why not. WeChat checks who asks before how often.
    pub(crate) fn admit(&self, appid: &str, secret: &str) -> Result<(), Refusal> {
        match self.identify(appid, secret)?.forced_errcode {
            Some(errcode) => Err(self.refusal(errcode)),
            None if !self.settings.whitelisted => Err(self.refusal(40164)),
            None => Ok(()),
        }
    }

    /// A refusal with this code. The one about the whitelist names the address that WeChat sees.
    pub(crate) fn refusal(&self, errcode: i64) -> Refusal {
        if errcode != 40164 {
            return Refusal::new(errcode);
        }
        let ip = self.settings.seen_ip;
        let text = format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist");
        Refusal::saying(errcode, text)
    }

    /// The token that an API call names, if WeChat accepts it now.
    pub(crate) fn accept(&self, token: &str, now: Instant) -> Result<&IssuedToken, Refusal> {
        if !is_well_formed(token) {
            return Err(Refusal::new(40014));
        }
        let Some(issued) = self.tokens.find(token) else {
            return Err(Refusal::new(40001));
        };
        match issued.verdict_at(now) {
            Verdict::Valid { .. } => Ok(issued),
            Verdict::Dead {
                why: Death::Expired,
                ..
            } => Err(Refusal::new(42001)),
            Verdict::Dead { .. } => Err(Refusal::new(40001)),
        }
    }

    /// What WeChat says of this app's token at `at`. Another app's token is unknown to it.
    pub(crate) fn verdict(&self, appid: &str, token: &str, at: Instant) -> Verdict {
        match self.tokens.find(token) {
            Some(issued) if issued.appid == appid => issued.verdict_at(at),
            _ => Verdict::Dead {
                since: None,
                why: Death::Unknown,
            },
        }
    }

    /// The value of an account's current token, in its rotating series.
    pub(crate) fn current(&self, appid: &str) -> Option<&IssuedToken> {
        let index = self.accounts.get(appid)?.current?;
        Some(self.tokens.at(index))
    }
}
