//! A path of WeChat's API, as far as the broker passes one on: so plain that it means the same to everybody who
//! reads it, and none of those that would touch what the broker owns.

use std::fmt;

/// The longest path that is passed on, in bytes; WeChat's have some 60.
const MAX_LEN: usize = 256;

/// The fronts of WeChat's paths: what its API is divided into. None of them begins as a path of ours does.
///
/// From the documents of official accounts, mini-programs, mini-games, shops and devices on developers.weixin.qq.com, as
/// they and WxJava's tables of addresses (`WxMpApiUrl`, `WxMaApiUrlConstants`, `WxChannelApiUrlConstants`) stood in 2026.
/// WeChat adds to them: another one is a line here, and works by `/gateway` before.
pub const FAMILIES: [&str; 33] = [
    "/cgi-bin",
    "/wxa",
    "/wxaapi",
    "/wxadrama",
    "/sns",
    "/bizwifi",
    "/card",
    "/channels",
    "/cityservice",
    "/customservice",
    "/cv",
    "/datacube",
    "/device",
    "/donut",
    "/hardware",
    "/intp",
    "/mall",
    "/marketing",
    "/merchant",
    "/nontax",
    "/product",
    "/promoter",
    "/publisher",
    "/redpacketcover",
    "/retail",
    "/scan",
    "/semantic",
    "/shakearound",
    "/shop",
    "/tcb",
    "/union",
    "/wedata",
    "/xpay",
];

/// A path, `/part/part…`, each part `[A-Za-z0-9_-]+`.
///
/// WeChat's own paths are all of this form. It has no dot, no percent sign, no semicolon, no colon, no empty part:
/// nothing that one reader decodes or shortens and another does not, so that no path leads to another place than
/// the one that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiPath(Box<str>);

/// A text is not such a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path of WeChat's is '/' and parts of letters, digits, '_' and '-' with one '/' between them, 256 characters at most"
)]
pub struct ApiPathError;

/// Why a path is never passed on with an app's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It fetches an access token, or a ticket: that is the broker's.
    Fetches,
    /// It clears the counts of calls, which WeChat lets an app do ten times a month, for all its callers.
    ClearsQuota,
    /// It takes another token than the app's: a person's, or a third-party platform's.
    OtherToken,
}

impl ApiPath {
    /// Checks and takes a path.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &str) -> Result<Self, ApiPathError> {
        let Some(parts) = text.strip_prefix('/') else {
            return Err(ApiPathError);
        };
        if text.len() > MAX_LEN || !parts.split('/').all(is_part) {
            return Err(ApiPathError);
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// Why it is not passed on, where it is not. Judged without regard to case: WeChat may do the same.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        let path = self.0.to_ascii_lowercase();
        let below = |front: &str| path.starts_with(front);
        match path.as_str() {
            "/cgi-bin/token" | "/cgi-bin/stable_token" => Some(Closed::Fetches),
            "/cgi-bin/ticket/getticket" => Some(Closed::Fetches),
            "/cgi-bin/clear_quota" | "/cgi-bin/openapi/quota/clear" => Some(Closed::ClearsQuota),
            _ if below("/cgi-bin/token/") || below("/cgi-bin/stable_token/") => {
                Some(Closed::Fetches)
            }
            _ if below("/cgi-bin/clear_quota/") => Some(Closed::ClearsQuota),
            _ if below("/sns/") || below("/cgi-bin/component/") => Some(Closed::OtherToken),
            _ => None,
        }
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can be one part of a path.
pub(super) fn is_part(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wechats_own_paths_are_taken_as_they_are() {
        for text in [
            "/cgi-bin/user/info",
            "/wxa/getwxacodeunlimit",
            "/cgi-bin/message/template/send",
            "/channels/ec/order/list/get",
            "/cgi-bin/clear_quota",
            "/semantic/semproxy/search",
            &format!("/{}", "a".repeat(255)),
        ] {
            let path = ApiPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((path.as_str(), path.to_string()), (text, text.to_owned()));
            let parts: String = path.parts().map(|part| format!("/{part}")).collect();
            assert_eq!(parts, text);
        }
    }

    #[test]
    fn whatever_two_readers_may_read_differently_is_refused() {
        for text in [
            "",
            "/",
            "cgi-bin/user",
            "//evil.example/x",
            "/cgi-bin//user",
            "/cgi-bin/user/",
            "/cgi-bin/../token",
            "/cgi-bin/./token",
            "/cgi-bin/..",
            "/cgi-bin/%2e%2e/token",
            "/cgi-bin/user%2finfo",
            "/cgi-bin/user%5cinfo",
            "/cgi-bin\\token",
            "/cgi-bin/token;x",
            "/cgi-bin/user?x",
            "/cgi-bin/user#x",
            "/http://evil.example/x",
            "/@evil.example/x",
            "/cgi-bin/用户",
            "/cgi-bin/a b",
            "/cgi-bin/a\r\nx",
            "/cgi-bin/a\0",
            &format!("/{}", "a".repeat(256)),
        ] {
            assert_eq!(ApiPath::parse(text), Err(ApiPathError), "{text:?}");
        }
    }

    #[test]
    fn what_the_broker_owns_is_closed_in_either_case() {
        let closed = |text: &str| {
            let path = ApiPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            path.closed()
        };
        for (text, why) in [
            ("/cgi-bin/token", Closed::Fetches),
            ("/CGI-BIN/Token", Closed::Fetches),
            ("/cgi-bin/stable_token", Closed::Fetches),
            ("/cgi-bin/stable_token/x", Closed::Fetches),
            ("/cgi-bin/ticket/getticket", Closed::Fetches),
            ("/cgi-bin/clear_quota", Closed::ClearsQuota),
            ("/cgi-bin/clear_quota/v2", Closed::ClearsQuota),
            ("/cgi-bin/openapi/quota/clear", Closed::ClearsQuota),
            ("/sns/userinfo", Closed::OtherToken),
            (
                "/cgi-bin/component/api_authorizer_token",
                Closed::OtherToken,
            ),
        ] {
            assert_eq!(closed(text), Some(why), "{text}");
        }
        for text in ["/cgi-bin/tokens", "/cgi-bin/tags/get", "/snsx/y", "/wxa/x"] {
            assert_eq!(closed(text), None, "{text}");
        }
    }
}
