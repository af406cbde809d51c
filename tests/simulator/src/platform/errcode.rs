//! WeChat's error codes as the simulator speaks them: the text of each, and the `rid` that every refusal ends
//! with because WeChat's support asks for it.

use rand::RngExt;
use serde_json::{Value, json};

/// A call that WeChat turned down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errcode: i64,
    errmsg: String,
    /// What the caller did that no correct caller does.
    pub(crate) violation: Option<String>,
}

impl Refusal {
    /// A refusal that a correct caller may meet.
    pub(crate) fn new(errcode: i64) -> Self {
        Self::saying(errcode, text_of(errcode))
    }

    /// A refusal with a text of its own.
    pub(crate) fn saying(errcode: i64, errmsg: impl Into<String>) -> Self {
        Self {
            errcode,
            errmsg: errmsg.into(),
            violation: None,
        }
    }

    /// A refusal of something no correct caller sends; the oracle remembers it.
    pub(crate) fn violating(errcode: i64, what: impl Into<String>) -> Self {
        Self {
            violation: Some(what.into()),
            ..Self::new(errcode)
        }
    }

    /// The body of the reply; each has a `rid` of its own.
    pub(crate) fn body(&self) -> Value {
        json!({"errcode": self.errcode, "errmsg": format!("{} {}", self.errmsg, fresh_rid())})
    }
}

/// A request id in WeChat's form: three hex groups.
fn fresh_rid() -> String {
    let mut rng = rand::rng();
    let [a, b, c]: [u32; 3] = rng.random();
    format!("rid: {a:08x}-{b:08x}-{c:08x}")
}

/// WeChat's text for a code, as far as anyone relies on it.
fn text_of(errcode: i64) -> &'static str {
    match errcode {
        -1 => "system error",
        40001 => "invalid credential, access_token is invalid or not latest",
        40002 => "invalid grant_type",
        40003 => "invalid openid",
        40004 => "invalid media type",
        40007 => "invalid media_id",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40029 => "invalid code",
        40030 => "invalid refresh_token",
        40032 => "invalid openid list size",
        40035 => "invalid parameter",
        40037 => "invalid template_id",
        40125 => "invalid appsecret",
        40163 => "code been used",
        40164 => "invalid ip, not in whitelist",
        40243 => "AppSecret has been frozen, unfreeze it first",
        41001 => "access_token missing",
        41002 => "appid missing",
        41003 => "refresh_token missing",
        41004 => "appsecret missing",
        41005 => "media data missing",
        41006 => "media_id missing",
        41008 => "missing code",
        41009 => "missing openid",
        42001 => "access_token expired",
        42002 => "refresh_token expired",
        42003 => "code expired",
        43001 => "require GET method",
        43002 => "require POST method",
        43004 => "require subscribe",
        45009 => "reach max api daily quota limit",
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        47001 => "data format error",
        48001 => "api unauthorized",
        50004 => "forbidden to use token api",
        50007 => "account is frozen",
        61004 => "access clientip is not registered",
        89501 => "this ip is waiting for the admin's confirmation",
        89503 => "this ip needs the admin's confirmation",
        89506 => "the admin refused this ip twice, try again after 24 hours",
        89507 => "the admin refused this ip, try again after 1 hour",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_rid_of_its_own() {
        let refusal = Refusal::new(45009);
        let (first, second) = (refusal.body(), refusal.body());
        assert_eq!(first["errcode"], 45009);
        assert_ne!(first["errmsg"], second["errmsg"]);
        assert!(
            first["errmsg"]
                .as_str()
                .is_some_and(|text| text.contains(" rid: "))
        );
    }
}
