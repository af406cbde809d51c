//! The record of every call that reached WeChat: what came, when, and what became of it. Tests count fetches
//! here, where nothing a caller believes about itself can change the figure.

use std::time::Instant;

/// One of WeChat's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `GET /cgi-bin/token`.
    Token,
    /// `POST /cgi-bin/stable_token`.
    StableToken,
    /// `GET /cgi-bin/get_api_domain_ip`, the cheap check of a token.
    ApiDomainIp,
    /// `GET /cgi-bin/ticket/getticket`.
    Ticket,
    /// `GET /cgi-bin/user/info`.
    UserInfo,
    /// `POST /cgi-bin/user/info/batchget`.
    UserBatch,
    /// `GET /sns/oauth2/access_token`.
    WebToken,
    /// `GET /sns/oauth2/refresh_token`.
    WebRefresh,
    /// `GET /sns/userinfo`.
    WebUser,
    /// `GET /sns/auth`.
    WebCheck,
    /// `GET /sns/jscode2session`.
    Session,
    /// `POST /cgi-bin/message/template/send`.
    TemplateSend,
    /// `POST /cgi-bin/media/upload`.
    MediaUpload,
    /// `GET /cgi-bin/media/get`.
    MediaGet,
    /// `POST /wxa/getwxacodeunlimit`.
    WxaCode,
    /// `/wxa/simulator/echo`: no endpoint of WeChat's; it answers with what it saw.
    Echo,
    /// A path that WeChat does not have.
    Nowhere,
}

impl Endpoint {
    /// Every endpoint that exists.
    pub const ALL: [Self; 16] = [
        Self::Token,
        Self::StableToken,
        Self::ApiDomainIp,
        Self::Ticket,
        Self::UserInfo,
        Self::UserBatch,
        Self::WebToken,
        Self::WebRefresh,
        Self::WebUser,
        Self::WebCheck,
        Self::Session,
        Self::TemplateSend,
        Self::MediaUpload,
        Self::MediaGet,
        Self::WxaCode,
        Self::Echo,
    ];

    /// Its name in the control API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::StableToken => "stable_token",
            Self::ApiDomainIp => "get_api_domain_ip",
            Self::Ticket => "getticket",
            Self::UserInfo => "user_info",
            Self::UserBatch => "user_batchget",
            Self::WebToken => "web_access_token",
            Self::WebRefresh => "web_refresh_token",
            Self::WebUser => "web_userinfo",
            Self::WebCheck => "web_auth",
            Self::Session => "jscode2session",
            Self::TemplateSend => "template_send",
            Self::MediaUpload => "media_upload",
            Self::MediaGet => "media_get",
            Self::WxaCode => "getwxacodeunlimit",
            Self::Echo => "echo",
            Self::Nowhere => "nowhere",
        }
    }

    /// Whether a call of it may issue an access token.
    pub fn fetches_tokens(self) -> bool {
        matches!(self, Self::Token | Self::StableToken)
    }
}

/// What WeChat did about a call, whatever of it the caller got to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not decided yet: the call is delayed.
    Pending,
    /// A new token was issued.
    Issued {
        /// Its serial number.
        serial: u64,
    },
    /// The token that was there already was given again.
    Same {
        /// Its serial number.
        serial: u64,
    },
    /// Done as asked; nothing to do with tokens.
    Answered,
    /// Turned down.
    Refused {
        /// With this code.
        errcode: i64,
    },
    /// A fault came before WeChat did anything.
    NotActed,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it had come in whole.
    pub at: Instant,
    /// When the reply was ready or the connection gone; `None` while it lasts.
    pub ended_at: Option<Instant>,
    /// What it asked for.
    pub endpoint: Endpoint,
    /// Who asked, as far as the request tells.
    pub appid: Option<String>,
    /// Whether it asked for a forced refresh of the stable token.
    pub forced: bool,
    /// What WeChat did.
    pub outcome: Outcome,
    /// The fault that met it, by name.
    pub fault: Option<&'static str>,
}

/// Something that no correct caller sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Instant,
    /// Where.
    pub endpoint: Endpoint,
    /// Who, as far as the request tells.
    pub appid: Option<String>,
    /// The code it was answered with; 404 for an unknown path.
    pub errcode: i64,
    /// What was wrong.
    pub what: String,
}

/// Which call of the record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallNumber(usize);

/// All the calls, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct CallRecord {
    calls: Vec<Call>,
    pub(crate) violations: Vec<Violation>,
}

impl CallRecord {
    pub(crate) fn open(
        &mut self,
        at: Instant,
        endpoint: Endpoint,
        appid: Option<String>,
    ) -> CallNumber {
        self.calls.push(Call {
            at,
            ended_at: None,
            endpoint,
            appid,
            forced: false,
            outcome: Outcome::Pending,
            fault: None,
        });
        CallNumber(self.calls.len() - 1)
    }

    pub(crate) fn at_mut(&mut self, number: CallNumber) -> &mut Call {
        &mut self.calls[number.0]
    }

    pub(crate) fn all(&self) -> &[Call] {
        &self.calls
    }

    /// The calls that may issue an access token for this app.
    pub(crate) fn token_calls<'a>(&'a self, appid: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| {
            call.endpoint.fetches_tokens() && call.appid.as_deref() == Some(appid)
        })
    }
}

/// The most of these calls that were open at one moment.
pub(crate) fn most_at_once<'a>(calls: impl Iterator<Item = &'a Call>) -> usize {
    let calls: Vec<_> = calls.collect();
    let open_at = |at: Instant| {
        calls
            .iter()
            .filter(|call| call.at <= at && call.ended_at.is_none_or(|end| at < end))
            .count()
    };
    calls.iter().map(|call| open_at(call.at)).max().unwrap_or(0)
}
