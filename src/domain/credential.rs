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
}

impl Kind {
    /// Every kind, in the order of the type.
    pub const ALL: [Self; 1] = [Self::AccessToken];

    /// The word used in keys, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
        }
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
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.app, self.kind, self.mode)
    }
}
