//! What a reply means. Pure: status and body in, meaning out.
//!
//! The rule is to believe only what WeChat documents. On a fetch, a reply that is neither clearly a token
//! nor clearly an error may still have cost the token before, so it is *ambiguous*, never "refused"; and
//! WeChat answers everything with status 200, so another status is not WeChat speaking.

use std::time::Duration;

use serde_json::Value;

use super::errmsg::upstream_error;
use super::object::Object;
use crate::domain::grant::{MAX_LIFE, is_plausible_value};
use crate::domain::secret::Secret;
use crate::domain::upstream_error::UpstreamError;
use crate::fingerprint::digest_of;
use crate::ports::{Checked, Fetched};

/// Why nothing can be made of a reply. These sentences are all that is ever said of one: its text is
/// not repeated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("HTTP status {0} instead of 200")]
    Status(u16),
    #[error("the reply is not one JSON object")]
    NotAnObject,
    #[error("errcode is not a whole number")]
    Errcode,
    #[error("the reply holds a success beside errcode {0}")]
    Both(i64),
    #[error("the reply holds neither a success nor an error code")]
    Neither,
    #[error("what the reply holds cannot be a token or a ticket")]
    Value,
    #[error("expires_in is not a whole number of seconds between 1 and 30 days")]
    Life,
}

/// What a reply to a fetch means: of an access token or of a ticket, whichever `mark` names. `sent` is the
/// secret that the request carried: the AppSecret, or the access token.
#[must_use]
pub fn classify_fetch(mark: &str, status: u16, body: &[u8], sent: &Secret) -> Fetched {
    let granted = |reply: &Object| {
        let value = match reply.get(mark) {
            Some(Value::String(text)) if is_plausible_value(text) => text.as_str(),
            _ => return Err(Unusable::Value),
        };
        let life = reply
            .get("expires_in")
            .and_then(Value::as_u64)
            .map(Duration::from_secs)
            .filter(|life| !life.is_zero() && *life <= MAX_LIFE)
            .ok_or(Unusable::Life)?;
        Ok(Fetched::Granted {
            value: Secret::new(value),
            digest: digest_of(value),
            life,
        })
    };
    match read(status, body, mark, sent) {
        Ok(Reply::Success(reply)) => {
            granted(&reply).unwrap_or_else(|flaw| Fetched::Ambiguous(flaw.to_string()))
        }
        Ok(Reply::Error(error)) => Fetched::Refused(error),
        Err(flaw) => Fetched::Ambiguous(flaw.to_string()),
    }
}

/// What a reply to a check means. `token` is the one that was asked about.
#[must_use]
pub fn classify_check(status: u16, body: &[u8], token: &Secret) -> Checked {
    match read(status, body, "ip_list", token) {
        Ok(Reply::Success(reply)) => match reply.get("ip_list") {
            Some(Value::Array(_)) => Checked::Accepted,
            _ => Checked::Away("the reply is not a list of addresses".to_owned()),
        },
        Ok(Reply::Error(error)) => match error.code {
            40001 | 40014 | 42001 => Checked::Refused(error),
            -1 => Checked::Away("WeChat says that it is busy".to_owned()),
            _ => Checked::Inconclusive(error),
        },
        Err(flaw) => Checked::Away(flaw.to_string()),
    }
}

/// A reply of the shape that WeChat documents.
enum Reply {
    /// It holds the field that marks a success.
    Success(Object),
    /// It holds a non-zero `errcode` and no success.
    Error(UpstreamError),
}

/// Reads a reply whose success is marked by the field `mark`.
fn read(status: u16, body: &[u8], mark: &str, sent: &Secret) -> Result<Reply, Unusable> {
    if status != 200 {
        return Err(Unusable::Status(status));
    }
    let reply = Object::parse(body).ok_or(Unusable::NotAnObject)?;
    let errcode = match reply.get("errcode") {
        None => 0,
        Some(code) => code.as_i64().ok_or(Unusable::Errcode)?,
    };
    match (reply.get(mark).is_some(), errcode) {
        (true, 0) => Ok(Reply::Success(reply)),
        (true, code) => Err(Unusable::Both(code)),
        (false, 0) => Err(Unusable::Neither),
        (false, code) => {
            let errmsg = reply.get("errmsg").and_then(Value::as_str);
            let error = upstream_error(code, errmsg.unwrap_or_default(), sent);
            Ok(Reply::Error(error))
        }
    }
}

#[cfg(test)]
mod tests;
