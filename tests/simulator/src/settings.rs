//! What WeChat is told to be like. The defaults are the figures WeChat documents, so that a test that changes
//! nothing meets the real rules, and one that is in a hurry sets a scale.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::platform::tickets::TicketRule;

/// One account that may fetch tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The appid, usually `wx` and 16 hex digits.
    pub appid: String,
    /// The AppSecret that goes with it.
    pub secret: String,
    /// Tokens that `/cgi-bin/token` issues in any sliding day.
    pub daily_limit: u32,
    /// Tokens that `/cgi-bin/token` issues in any sliding minute; WeChat documents none.
    pub minute_limit: Option<u32>,
}

impl App {
    /// An account with WeChat's documented limits.
    pub fn new(appid: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            appid: appid.into(),
            secret: secret.into(),
            daily_limit: 2000,
            minute_limit: None,
        }
    }
}

/// A person as one app knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The app.
    pub appid: String,
    /// Who it is to this app.
    pub openid: String,
    /// Who it is to all apps of one owner, where these are bound together.
    pub unionid: Option<String>,
    /// What web authorization tells of the name.
    pub nickname: String,
    /// Whether they follow the account.
    pub follows: bool,
    /// Whether WeChat says that this is a virtual user, whose data must not be kept.
    pub virtual_user: bool,
}

impl User {
    /// A follower without a union id.
    pub fn new(appid: impl Into<String>, openid: impl Into<String>) -> Self {
        Self {
            appid: appid.into(),
            openid: openid.into(),
            unionid: None,
            nickname: "SIMULATED_NICKNAME".to_owned(),
            follows: true,
            virtual_user: false,
        }
    }
}

/// How the simulated WeChat behaves. All the durations but `latency` are divided by `scale`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The accounts it knows.
    pub apps: Vec<App>,
    /// The people it knows.
    pub users: Vec<User>,
    /// How long a one-time code lives.
    pub code_life: Duration,
    /// How long a token of web authorization lives; what renews it lives 360 times as long.
    pub web_token_life: Duration,
    /// By how much its clock runs faster than ours.
    pub scale: u32,
    /// How long a token lives.
    pub token_life: Duration,
    /// How long the previous token works on after a fetch.
    pub overlap: Duration,
    /// How long a JS-SDK ticket lives.
    pub ticket_life: Duration,
    /// What becomes of a ticket when another is asked for.
    pub ticket_rule: TicketRule,
    /// A stable token asked for this close to its end is renewed.
    pub stable_renew_window: Duration,
    /// The window that daily limits count in.
    pub day: Duration,
    /// The window that minute limits count in.
    pub minute: Duration,
    /// Calls of `/cgi-bin/stable_token` in any sliding day.
    pub stable_daily_limit: u32,
    /// Calls of `/cgi-bin/stable_token` in any sliding minute.
    pub stable_minute_limit: u32,
    /// Forced refreshes of the stable token in any sliding day.
    pub forced_daily_limit: u32,
    /// The least time between two forced refreshes.
    pub forced_spacing: Duration,
    /// Whether the caller's address is on the whitelist; if not, fetches are refused with 40164.
    pub whitelisted: bool,
    /// The address that a 40164 names.
    pub seen_ip: IpAddr,
    /// The code for a wrong secret: 40125, or 40001 as some accounts see.
    pub wrong_secret_errcode: i64,
    /// Added to every call before it is acted on; real time, never scaled.
    pub latency: Duration,
    /// Decides which calls a fault with a probability hits.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            apps: Vec::new(),
            users: Vec::new(),
            code_life: Duration::from_secs(300),
            web_token_life: Duration::from_secs(7200),
            scale: 1,
            token_life: Duration::from_secs(7200),
            overlap: Duration::from_secs(300),
            ticket_life: Duration::from_secs(7200),
            ticket_rule: TicketRule::default(),
            stable_renew_window: Duration::from_secs(300),
            day: Duration::from_secs(86_400),
            minute: Duration::from_secs(60),
            stable_daily_limit: 500_000,
            stable_minute_limit: 10_000,
            forced_daily_limit: 20,
            forced_spacing: Duration::from_secs(30),
            whitelisted: true,
            seen_ip: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
            wrong_secret_errcode: 40125,
            latency: Duration::ZERO,
            seed: 0,
        }
    }
}

impl Settings {
    /// The documented WeChat with one account.
    pub fn with_app(appid: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            apps: vec![App::new(appid, secret)],
            ..Self::default()
        }
    }

    /// The same settings in real durations: the scale is worked in and is 1 from here on.
    pub(crate) fn in_real_time(mut self) -> Self {
        let scale = self.scale.max(1);
        for duration in [
            &mut self.token_life,
            &mut self.code_life,
            &mut self.web_token_life,
            &mut self.overlap,
            &mut self.ticket_life,
            &mut self.stable_renew_window,
            &mut self.day,
            &mut self.minute,
            &mut self.forced_spacing,
        ] {
            *duration /= scale;
        }
        self.scale = 1;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shortens_every_duration_but_the_latency() {
        let settings = Settings {
            scale: 100,
            latency: Duration::from_secs(1),
            ..Settings::default()
        }
        .in_real_time();
        assert_eq!(settings.token_life, Duration::from_secs(72));
        assert_eq!(settings.overlap, Duration::from_secs(3));
        assert_eq!(settings.forced_spacing, Duration::from_millis(300));
        assert_eq!(settings.latency, Duration::from_secs(1));
    }
}
