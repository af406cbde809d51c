//! The credential: what is kept fresh.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::app_id::AppId;

/// How an app asks WeChat for its access token. WeChat keeps the two fully apart: a token of one mode
/// never invalidates one of the other, so an app is in exactly one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Mode {
    /// `GET /cgi-bin/token`: each fetch issues a new token and kills the one before after an overlap.
    Token,
    /// `POST /cgi-bin/stable_token`: asked again, it answers the same token.
    Stable,
}

impl Mode {
    /// The word used in the configuration, in keys, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Stable => "stable",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is fetched for an app.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Kind {
    /// The token that opens WeChat's API.
    AccessToken,
    /// What signs a page that uses the JS-SDK. Asked for with the access token.
    JsapiTicket,
    /// What signs the cards that such a page adds or chooses. Asked for with the access token.
    WxCardTicket,
}

impl Kind {
    /// Every kind, in the order of the type; the access token first, since the others need it.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::JsapiTicket, Self::WxCardTicket];

    /// The kinds that are kept only for an app that lists them.
    pub const TICKETS: [Self; 2] = [Self::JsapiTicket, Self::WxCardTicket];

    /// The word used in keys, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::JsapiTicket => "jsapi_ticket",
            Self::WxCardTicket => "wx_card_ticket",
        }
    }

    /// WeChat's word for a kind of ticket, also the configuration's; `None` for the access token.
    #[must_use]
    pub const fn ticket_type(self) -> Option<&'static str> {
        match self {
            Self::AccessToken => None,
            Self::JsapiTicket => Some("jsapi"),
            Self::WxCardTicket => Some("wx_card"),
        }
    }

    /// Reads WeChat's word for a kind of ticket.
    #[must_use]
    pub fn of_ticket_type(word: &str) -> Option<Self> {
        Self::TICKETS
            .into_iter()
            .find(|kind| kind.ticket_type() == Some(word))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing kept fresh: an app and what is fetched for it, in the app's mode.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Credential {
    /// Whose.
    pub app: AppId,
    /// What.
    pub kind: Kind,
    /// How it is asked for.
    pub mode: Mode,
}

impl Credential {
    /// The access token of `app`.
    #[must_use]
    pub const fn access_token(app: AppId, mode: Mode) -> Self {
        Self {
            app,
            kind: Kind::AccessToken,
            mode,
        }
    }

    /// A ticket of `app`, or its access token. A ticket has no mode of its own and follows the stricter of the
    /// two, whatever the app's: WeChat does not say whether a new one ends the one before.
    #[must_use]
    pub const fn of(app: AppId, kind: Kind, mode: Mode) -> Self {
        let mode = match kind {
            Kind::AccessToken => mode,
            Kind::JsapiTicket | Kind::WxCardTicket => Mode::Token,
        };
        Self { app, kind, mode }
    }

    /// From 0 to 1, this credential's own, and the same in every replica: what each credential does at regular
    /// times is spread by it.
    #[must_use]
    pub fn phase(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let high = u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / f64::from(u32::MAX)
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.app, self.kind, self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::app_id::AppIdError;

    #[test]
    fn each_kind_and_mode_has_its_word_and_wechats_words_are_read_back() {
        for (kind, word, wechats) in [
            (Kind::AccessToken, "access_token", None),
            (Kind::JsapiTicket, "jsapi_ticket", Some("jsapi")),
            (Kind::WxCardTicket, "wx_card_ticket", Some("wx_card")),
        ] {
            assert_eq!(kind.to_string(), word);
            assert_eq!(kind.ticket_type(), wechats);
            let read = wechats.and_then(Kind::of_ticket_type);
            assert_eq!(read, wechats.map(|_| kind));
            assert_eq!(Kind::of_ticket_type(word), None);
        }
        let modes = [Mode::Token, Mode::Stable].map(|mode| mode.to_string());
        assert_eq!(modes, ["token", "stable"]);
    }

    #[test]
    fn a_ticket_has_the_stricter_mode_whatever_the_apps() -> Result<(), AppIdError> {
        let app = AppId::parse("wx1")?;
        let of = |kind| Credential::of(app.clone(), kind, Mode::Stable).to_string();
        assert_eq!(of(Kind::AccessToken), "wx1:access_token:stable");
        assert_eq!(of(Kind::JsapiTicket), "wx1:jsapi_ticket:token");
        Ok(())
    }

    #[test]
    fn phases_lie_apart_and_do_not_change() {
        let phase = |number: usize| {
            let app = AppId::parse(&format!("wx{number:016}"))?;
            Ok::<_, AppIdError>(Credential::access_token(app, Mode::Token).phase())
        };
        let mut quarters = [0; 4];
        for number in 0..1000 {
            let phase = phase(number).unwrap_or_default();
            let at = (0..3)
                .filter(|quarter| phase >= f64::from(quarter + 1) / 4.0)
                .count();
            quarters[at] += 1;
        }
        assert!(
            quarters.iter().all(|count| (200..300).contains(count)),
            "{quarters:?}"
        );
        assert_eq!(phase(1), phase(1));
    }
}
