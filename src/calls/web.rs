//! Web authorization and the login of mini-programs. Their codes work once, and their tokens are a person's,
//! not the app's: nothing here touches an access token, and a refusal is never a reason to report one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{CallError, Calls, Lang, Profile};
use crate::domain::secret::Secret;
use crate::ports::{Argument, Outgoing};
use crate::snapshot::SlotId;

/// WeChat's path for a code → a token.
pub const EXCHANGE: &str = "/sns/oauth2/access_token";
/// WeChat's path for a refresh token → a token.
pub const RENEW: &str = "/sns/oauth2/refresh_token";
/// WeChat's path for a person's profile.
pub const WEB_USER: &str = "/sns/userinfo";
/// WeChat's path for whether a person's token is good.
pub const WEB_CHECK: &str = "/sns/auth";
/// WeChat's path for a mini-program's code → its session.
pub const SESSION: &str = "/sns/jscode2session";

/// Where a person is sent to consent.
const AUTHORIZE: &str = "https://open.weixin.qq.com/connect/oauth2/authorize";

/// What a person is asked to consent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The openid, without being asked.
    Base,
    /// The profile.
    UserInfo,
}

impl Scope {
    /// Reads WeChat's word for it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "snsapi_base" => Some(Self::Base),
            "snsapi_userinfo" => Some(Self::UserInfo),
            _ => None,
        }
    }

    /// WeChat's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "snsapi_base",
            Self::UserInfo => "snsapi_userinfo",
        }
    }
}

/// What a person's browser is sent to WeChat with.
pub struct Consent<'a> {
    /// Where the browser comes back to, with the code.
    pub redirect_uri: &'a str,
    /// What is asked for.
    pub scope: Scope,
    /// What comes back beside the code.
    pub state: Option<&'a str>,
    /// Whether the person is asked even if WeChat need not.
    pub force_popup: bool,
}

/// A token of web authorization. Not `Debug`: it is a secret.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct WebToken {
    /// The token: the person's, good for `userinfo` and `check` alone.
    pub access_token: String,
    /// How long it lives, in seconds.
    pub expires_in: u64,
    /// What renews it, for 30 days.
    pub refresh_token: String,
    /// Who it is to this app.
    pub openid: String,
    /// What was consented to.
    pub scope: String,
    /// Whether this is a virtual user, whose data must not be kept. WeChat says it by 1 or not at all.
    #[serde(default, deserialize_with = "flag")]
    pub is_snapshotuser: bool,
    /// Who it is to all apps of one owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unionid: Option<String>,
    /// Whatever else WeChat told.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A mini-program's session. Not `Debug`: its key is a secret.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Session {
    /// Who it is to this app.
    pub openid: String,
    /// What decrypts the data that WeChat gives to the mini-program. It must not leave the caller's server.
    pub session_key: String,
    /// Who it is to all apps of one owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unionid: Option<String>,
    /// Whatever else WeChat told.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Nothing {}

impl Calls {
    /// The address of WeChat's consent page. WeChat checks the order of the parameters, and the fragment.
    #[must_use]
    pub fn authorize(&self, id: SlotId, consent: &Consent<'_>) -> String {
        let encoded = encode(consent.redirect_uri);
        let (app, scope) = (self.broker.app(id), consent.scope.as_str());
        let mut url = format!(
            "{AUTHORIZE}?appid={app}&redirect_uri={encoded}&response_type=code&scope={scope}"
        );
        if let Some(state) = consent.state {
            url.push_str("&state=");
            url.push_str(state);
        }
        if consent.force_popup {
            url.push_str("&forcePopup=true");
        }
        url + "#wechat_redirect"
    }

    /// A code → a token. The code is used up once WeChat has seen it, whatever came back.
    ///
    /// # Errors
    /// What kept it from being exchanged.
    pub async fn exchange(&self, id: SlotId, code: &str) -> Result<WebToken, CallError> {
        let call = Outgoing {
            path: EXCHANGE,
            query: self.redeeming(id, "code", code),
            body: None,
            single_use: true,
        };
        self.send(id, call).await
    }

    /// A mini-program's code → its session.
    ///
    /// # Errors
    /// What kept it from being exchanged.
    pub async fn session(&self, id: SlotId, code: &str) -> Result<Session, CallError> {
        let call = Outgoing {
            path: SESSION,
            query: self.redeeming(id, "js_code", code),
            body: None,
            single_use: true,
        };
        let mut session: Session = self.send(id, call).await?;
        session.more.retain(|name, _| !is_outcome(name));
        Ok(session)
    }

    /// A refresh token → a token.
    ///
    /// # Errors
    /// What kept it from being renewed.
    pub async fn renew(&self, id: SlotId, refresh_token: &str) -> Result<WebToken, CallError> {
        let query = vec![
            ("appid", self.appid(id)),
            ("grant_type", Argument::Plain("refresh_token".to_owned())),
            (
                "refresh_token",
                Argument::Secret(Secret::new(refresh_token)),
            ),
        ];
        let call = Outgoing {
            path: RENEW,
            query,
            body: None,
            single_use: false,
        };
        self.send(id, call).await
    }

    /// The profile of whose token this is.
    ///
    /// # Errors
    /// What kept it from being told.
    pub async fn web_user(
        &self,
        id: SlotId,
        token: &str,
        openid: &str,
        lang: Option<Lang>,
    ) -> Result<Profile, CallError> {
        let mut query = Self::of_person(token, openid);
        query.extend(lang.map(|lang| ("lang", Argument::Plain(lang.as_str().to_owned()))));
        let call = Outgoing {
            path: WEB_USER,
            query,
            body: None,
            single_use: false,
        };
        Ok(self.send::<Profile>(id, call).await?.with_avatars())
    }

    /// Whether a token is good for this person.
    ///
    /// # Errors
    /// It is not, or that cannot be said.
    pub async fn check_web(&self, id: SlotId, token: &str, openid: &str) -> Result<(), CallError> {
        let call = Outgoing {
            path: WEB_CHECK,
            query: Self::of_person(token, openid),
            body: None,
            single_use: false,
        };
        self.send::<Nothing>(id, call).await.map(|_| ())
    }

    fn appid(&self, id: SlotId) -> Argument {
        Argument::Plain(self.broker.app(id).as_str().to_owned())
    }

    fn redeeming(
        &self,
        id: SlotId,
        name: &'static str,
        code: &str,
    ) -> Vec<(&'static str, Argument)> {
        vec![
            ("appid", self.appid(id)),
            ("secret", Argument::AppSecret),
            (name, Argument::Secret(Secret::new(code))),
            (
                "grant_type",
                Argument::Plain("authorization_code".to_owned()),
            ),
        ]
    }

    pub(super) fn of_person(token: &str, openid: &str) -> Vec<(&'static str, Argument)> {
        vec![
            ("access_token", Argument::Secret(Secret::new(token))),
            ("openid", Argument::Plain(openid.to_owned())),
        ]
    }
}

/// Whether a member tells of the call and not of the person.
fn is_outcome(name: &str) -> bool {
    matches!(name, "errcode" | "errmsg")
}

/// WeChat's 1; anything else is no.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value == 1 || value == "1" || value == true)
}

/// Percent-encodes all but what RFC 3986 leaves alone.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encoded_whole() {
        let encoded = encode("https://x.example/a?b=c&d=微");
        assert_eq!(
            encoded,
            "https%3A%2F%2Fx.example%2Fa%3Fb%3Dc%26d%3D%E5%BE%AE"
        );
    }
}
