//! WeChat's error codes on a fetch: what each means, what the broker does, and what a person does.
//!
//! Source: the return codes of "Get access token" and "Get stable access token" in WeChat's
//! documentation, and its page of global return codes.

use std::time::Duration;

use super::backoff::backoff;
use super::credential::Kind;
use super::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What kind of refusal an error code is: a closed set, also the label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// -1: WeChat is busy.
    Busy,
    /// 40001, 40125: the AppSecret is wrong.
    BadSecret,
    /// 40013: WeChat does not know the appid.
    BadAppId,
    /// 40002, 41002, 41004, 43002: our request is malformed, a bug of the broker.
    BadRequest,
    /// 40164, 61004: our IP address is not on the app's whitelist.
    IpNotWhitelisted,
    /// 89501, 89503: an administrator of the account must confirm our IP address.
    IpUnconfirmed,
    /// 89507: the administrator refused our IP address; ask again in an hour.
    IpRefusedHour,
    /// 89506: the administrator refused it again; ask again in 24 hours.
    IpRefusedDay,
    /// 40243: the AppSecret is frozen.
    SecretFrozen,
    /// 45009: the day's fetches are used up.
    QuotaSpent,
    /// 45011: too many calls in this minute.
    MinuteLimit,
    /// 50004, 50007: the account is frozen or may not use this API.
    Forbidden,
    /// 40001, 40014, 42001 to the fetch of a ticket: the access token that it was asked for with is not
    /// accepted.
    TokenRefused,
    /// A code that none of the above lists.
    Unknown,
    /// No error code at all: an attempt whose outcome is unclear.
    Unclear,
}

impl ErrorClass {
    /// Every class, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::Busy,
        Self::BadSecret,
        Self::BadAppId,
        Self::BadRequest,
        Self::IpNotWhitelisted,
        Self::IpUnconfirmed,
        Self::IpRefusedHour,
        Self::IpRefusedDay,
        Self::SecretFrozen,
        Self::QuotaSpent,
        Self::MinuteLimit,
        Self::Forbidden,
        Self::TokenRefused,
        Self::Unknown,
        Self::Unclear,
    ];

    /// The class of an `errcode` that answered the fetch of an access token.
    #[must_use]
    pub const fn of(errcode: i64) -> Self {
        match errcode {
            -1 => Self::Busy,
            40001 | 40125 => Self::BadSecret,
            40013 => Self::BadAppId,
            40002 | 41002 | 41004 | 43002 => Self::BadRequest,
            40164 | 61004 => Self::IpNotWhitelisted,
            89501 | 89503 => Self::IpUnconfirmed,
            89507 => Self::IpRefusedHour,
            89506 => Self::IpRefusedDay,
            40243 => Self::SecretFrozen,
            45009 => Self::QuotaSpent,
            45011 => Self::MinuteLimit,
            50004 | 50007 => Self::Forbidden,
            _ => Self::Unknown,
        }
    }

    /// The word for it in logs, metrics, answers and the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::BadSecret => "bad_secret",
            Self::BadAppId => "bad_appid",
            Self::BadRequest => "bad_request",
            Self::IpNotWhitelisted => "ip_not_whitelisted",
            Self::IpUnconfirmed => "ip_unconfirmed",
            Self::IpRefusedHour => "ip_refused_hour",
            Self::IpRefusedDay => "ip_refused_day",
            Self::SecretFrozen => "secret_frozen",
            Self::QuotaSpent => "quota_spent",
            Self::MinuteLimit => "minute_limit",
            Self::Forbidden => "forbidden",
            Self::TokenRefused => "token_refused",
            Self::Unknown => "unknown",
            Self::Unclear => "unclear",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// What it means, in a sentence for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Busy => "WeChat says that it is busy",
            Self::BadSecret => "WeChat refuses the AppSecret",
            Self::BadAppId => "WeChat does not know this appid",
            Self::BadRequest => "WeChat says that the broker's request is malformed",
            Self::IpNotWhitelisted => "the broker's IP address is not on the app's whitelist",
            Self::IpUnconfirmed => {
                "an administrator of the account has yet to confirm the broker's IP address"
            }
            Self::IpRefusedHour => {
                "an administrator of the account refused the broker's IP address for an hour"
            }
            Self::IpRefusedDay => {
                "an administrator of the account refused the broker's IP address for a day"
            }
            Self::SecretFrozen => "the AppSecret is frozen",
            Self::QuotaSpent => "WeChat says that the day's fetches are used up",
            Self::MinuteLimit => "WeChat says that there were too many calls in this minute",
            Self::Forbidden => "WeChat forbids this account the call, or has frozen the account",
            Self::TokenRefused => {
                "WeChat refused the access token that the ticket was asked for with"
            }
            Self::Unknown => "WeChat answered with an error code that the broker does not know",
            Self::Unclear => "nobody knows whether the last fetch issued a token",
        }
    }

    /// What a person does about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Busy | Self::MinuteLimit => "nothing: the broker tries again by itself",
            Self::TokenRefused => {
                "nothing: the access token is looked into, and the ticket asked for again"
            }
            Self::BadSecret => "put the app's current AppSecret into the broker's configuration",
            Self::BadAppId => "correct the appid in the broker's configuration",
            Self::BadRequest => "report a bug of the broker, with this error code and rid",
            Self::IpNotWhitelisted => {
                "add the IP address that WeChat saw to the app's IP whitelist"
            }
            Self::IpUnconfirmed => {
                "ask the account's administrator to confirm the request in WeChat"
            }
            Self::IpRefusedHour | Self::IpRefusedDay => {
                "find out why the administrator refused; have the IP address put on the whitelist"
            }
            Self::SecretFrozen => {
                "unfreeze the AppSecret in the app's console; it takes about 10 minutes"
            }
            Self::QuotaSpent => {
                "find who else fetches this app's token; or clear the quota in the console"
            }
            Self::Forbidden => {
                "look into the app's console for what WeChat holds against the account"
            }
            Self::Unknown => {
                "look the code up in WeChat's documentation; give the rid to its support"
            }
            Self::Unclear => "nothing: the broker watches the token closely and repairs it",
        }
    }

    /// Whether only a person can end it.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::Busy | Self::MinuteLimit | Self::TokenRefused | Self::Unclear => false,
            Self::BadSecret
            | Self::BadAppId
            | Self::BadRequest
            | Self::IpNotWhitelisted
            | Self::IpUnconfirmed
            | Self::IpRefusedHour
            | Self::IpRefusedDay
            | Self::SecretFrozen
            | Self::QuotaSpent
            | Self::Forbidden
            | Self::Unknown => true,
        }
    }

    /// How long no fetch is made after the `failures`-th refusal in a row. A slow re-probe follows in
    /// every case. `random` lies in 0..1; `limits` are the shortest and longest backoff.
    #[must_use]
    pub fn cooldown(
        self,
        failures: u32,
        limits: (Duration, Duration),
        now: Timestamp,
        random: f64,
    ) -> Duration {
        let spread = |fixed: Duration| fixed + (fixed / 10).mul_f64(random);
        match self {
            Self::Busy | Self::TokenRefused | Self::Unclear => {
                backoff(failures, limits.0, limits.1, random)
            }
            Self::Unknown => backoff(failures, MINUTE, HOUR, random),
            Self::MinuteLimit => spread(MINUTE),
            Self::IpNotWhitelisted | Self::IpUnconfirmed => spread(5 * MINUTE),
            Self::SecretFrozen => spread(10 * MINUTE),
            Self::BadSecret
            | Self::BadAppId
            | Self::BadRequest
            | Self::Forbidden
            | Self::IpRefusedHour => spread(HOUR),
            Self::IpRefusedDay => 24 * HOUR,
            // The day is assumed, not documented, to turn at 00:00 UTC+8: probe then, and each hour.
            Self::QuotaSpent => until_day_turns(now).min(HOUR) + (MINUTE / 2).mul_f64(random),
        }
    }
}

/// How long until the next 00:00 UTC+8.
fn until_day_turns(now: Timestamp) -> Duration {
    const DAY_SECONDS: u64 = 24 * 3600;
    let seconds = now.as_micros() / 1_000_000 + 8 * 3600;
    Duration::from_secs(DAY_SECONDS - seconds % DAY_SECONDS)
}

/// An error as WeChat wrote it. `Debug` and `Display` are safe to log: WeChat's message is cleaned and
/// bounded by whoever builds this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// WeChat's `errcode`.
    pub code: i64,
    /// WeChat's `errmsg`, without its `rid`.
    pub message: String,
    /// WeChat's request id, which its support asks for.
    pub rid: Option<String>,
    /// The IP address that a whitelist error names.
    pub ip: Option<String>,
}

impl UpstreamError {
    /// Whether it says that the access token was not accepted. Some of WeChat's calls say so falsely: it is
    /// a reason to look, never to fetch.
    #[must_use]
    pub const fn is_about_token(&self) -> bool {
        matches!(self.code, 40001 | 40014 | 42001)
    }

    /// What kind of refusal it is, of the fetch of an access token.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::of(self.code)
    }

    /// What kind of refusal it is, of the fetch of `kind`.
    #[must_use]
    pub const fn class_for(&self, kind: Kind) -> ErrorClass {
        match kind {
            Kind::AccessToken => self.class(),
            Kind::JsapiTicket | Kind::WxCardTicket if self.is_about_token() => {
                ErrorClass::TokenRefused
            }
            Kind::JsapiTicket | Kind::WxCardTicket => self.class(),
        }
    }
}

impl std::fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "errcode {}: {}", self.code, self.message)?;
        if let Some(rid) = &self.rid {
            write!(f, " (rid {rid})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_documented_code_has_its_class() {
        let documented = [
            (-1, "busy"),
            (40001, "bad_secret"),
            (40125, "bad_secret"),
            (40013, "bad_appid"),
            (40002, "bad_request"),
            (41002, "bad_request"),
            (41004, "bad_request"),
            (43002, "bad_request"),
            (40164, "ip_not_whitelisted"),
            (61004, "ip_not_whitelisted"),
            (40243, "secret_frozen"),
            (45009, "quota_spent"),
            (45011, "minute_limit"),
            (50004, "forbidden"),
            (50007, "forbidden"),
            (89501, "ip_unconfirmed"),
            (89503, "ip_unconfirmed"),
            (89507, "ip_refused_hour"),
            (89506, "ip_refused_day"),
            (12345, "unknown"),
        ];
        for (code, class) in documented {
            assert_eq!(ErrorClass::of(code).as_str(), class, "{code}");
        }
    }

    fn error(code: i64, rid: Option<&str>) -> UpstreamError {
        UpstreamError {
            code,
            message: String::from("no"),
            rid: rid.map(str::to_owned),
            ip: None,
        }
    }

    #[test]
    fn an_error_is_told_with_its_code_and_the_id_that_support_asks_for() {
        assert_eq!(error(40013, None).to_string(), "errcode 40013: no");
        let with_rid = error(-1, Some("6a-1")).to_string();
        assert_eq!(with_rid, "errcode -1: no (rid 6a-1)");
    }

    #[test]
    fn each_class_means_something_else_and_a_person_is_told_what_to_do_where_one_is_needed() {
        let meanings: HashSet<_> = ErrorClass::ALL.map(ErrorClass::meaning).into();
        assert_eq!(meanings.len(), ErrorClass::ALL.len());
        for class in ErrorClass::ALL {
            let nothing = class.advice().starts_with("nothing: ");
            assert_eq!(nothing, !class.needs_a_person(), "{class:?}");
        }
    }

    #[test]
    fn what_is_said_of_an_access_token_is_no_word_about_the_secret() {
        for code in [40001, 40014, 42001] {
            let error = error(code, None);
            for ticket in Kind::TICKETS {
                assert_eq!(error.class_for(ticket), ErrorClass::TokenRefused, "{code}");
            }
            assert_ne!(
                error.class_for(Kind::AccessToken),
                ErrorClass::TokenRefused,
                "{code}"
            );
        }
        let busy = error(-1, None);
        assert_eq!(busy.class_for(Kind::JsapiTicket), ErrorClass::Busy);
    }

    #[test]
    fn each_class_cools_down_for_its_own_time_and_replicas_a_little_apart() {
        let limits = (Duration::from_secs(1), MINUTE);
        let wait = |class: ErrorClass, random| {
            let midday = Timestamp::from_micros(0);
            class.cooldown(3, limits, midday, random).as_secs()
        };
        for (class, shortest, longest) in [
            (ErrorClass::Busy, 1, 4),
            (ErrorClass::TokenRefused, 1, 4),
            (ErrorClass::Unclear, 1, 4),
            (ErrorClass::Unknown, 60, 240),
            (ErrorClass::MinuteLimit, 60, 66),
            (ErrorClass::IpNotWhitelisted, 300, 330),
            (ErrorClass::IpUnconfirmed, 300, 330),
            (ErrorClass::SecretFrozen, 600, 660),
            (ErrorClass::BadSecret, 3600, 3960),
            (ErrorClass::BadAppId, 3600, 3960),
            (ErrorClass::BadRequest, 3600, 3960),
            (ErrorClass::Forbidden, 3600, 3960),
            (ErrorClass::IpRefusedHour, 3600, 3960),
            (ErrorClass::IpRefusedDay, 86_400, 86_400),
            (ErrorClass::QuotaSpent, 3600, 3630),
        ] {
            let waits = (wait(class, 0.0), wait(class, 1.0));
            assert_eq!(waits, (shortest, longest), "{class:?}");
        }
    }

    #[test]
    fn every_class_reads_back_and_cools_down_for_at_most_a_day() {
        let limits = (Duration::from_secs(1), MINUTE);
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::parse(class.as_str()), Some(class));
            for failures in [1, 5, 50] {
                let wait = class.cooldown(failures, limits, Timestamp::from_micros(1), 1.0);
                assert!(
                    wait > Duration::ZERO && wait <= 24 * HOUR,
                    "{class:?} {wait:?}"
                );
            }
        }
    }

    #[test]
    fn a_spent_quota_is_probed_when_the_day_turns_in_china() {
        let shanghai_2359_30 = Timestamp::from_micros((16 * 3600 - 30) * 1_000_000);
        let wait = ErrorClass::QuotaSpent.cooldown(1, (MINUTE, MINUTE), shanghai_2359_30, 0.0);
        assert_eq!(wait, Duration::from_secs(30));
    }
}
