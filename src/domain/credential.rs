//! The credential: what is kept fresh.

use std::fmt;

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
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.app, self.kind, self.mode)
    }
}
