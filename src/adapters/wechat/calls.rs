//! The calls that are made for callers: how one is sent, and whether its reply tells of an error. What a
//! reply without an error means is for whoever asked.

use async_trait::async_trait;
use serde_json::Value;

use super::client::{WeChat, exchange};
use super::errmsg::upstream_error;
use super::object::Object;
use crate::domain::app_id::AppId;
use crate::domain::secret::Secret;
use crate::ports::{Argument, Called, Outgoing, WeChatCalls};

/// The most of a reply that is read: a hundred profiles have some 100 KiB.
const MAX_BODY: usize = 1 << 20;

#[async_trait]
impl WeChatCalls for WeChat {
    async fn send(&self, app: Option<&AppId>, call: Outgoing) -> Called {
        let secret = app.and_then(|app| self.secret(app));
        let value = |argument: &Argument| match argument {
            Argument::Plain(text) => Some(text.clone()),
            Argument::Secret(hidden) => Some(hidden.expose().to_owned()),
            Argument::AppSecret => Some(secret.as_ref()?.expose().to_owned()),
        };
        let query = call
            .query
            .iter()
            .map(|(name, of)| Some((*name, value(of)?)));
        let Some(query) = query.collect::<Option<Vec<_>>>() else {
            return Called::NotSent("no AppSecret is configured for this app".to_owned());
        };
        let sent = secrets_of(&call, secret.as_ref());
        let Some(address) = self.address(call.path) else {
            return Called::NotSent("the address of the call cannot be built".to_owned());
        };
        let client = self.client(call.single_use);
        let request = match call.body {
            None => client.get(address).query(&query),
            Some(body) => client
                .post(address)
                .query(&query)
                .header("content-type", "application/json")
                .body(body),
        };
        match exchange(&self.hosts, request, MAX_BODY).await {
            Ok((status, body)) => classify_call(status, body, &sent),
            Err(failure) if failure.maybe_sent => Called::Unclear(failure.reason),
            Err(failure) => Called::NotSent(failure.reason),
        }
    }
}

/// Everything secret that a call carries, so that a message which quotes it is cleaned of it.
fn secrets_of(call: &Outgoing, app_secret: Option<&Secret>) -> Secret {
    let hidden = call
        .query
        .iter()
        .filter_map(|(_, argument)| match argument {
            Argument::Plain(_) => None,
            Argument::Secret(secret) => Some(secret.expose()),
            Argument::AppSecret => app_secret.map(Secret::expose),
        });
    Secret::new(hidden.collect::<Vec<_>>().join("\n"))
}

/// What a reply to a call means. `sent` is what the call carried and must not come back in a message.
#[must_use]
pub fn classify_call(status: u16, mut body: Vec<u8>, sent: &Secret) -> Called {
    let unclear = |why: &str| Called::Unclear(why.to_owned());
    if status != 200 {
        return Called::Unclear(format!("HTTP status {status} instead of 200"));
    }
    // People's names hold control characters, and WeChat writes them as they are, which is no JSON. Between
    // values they are space anyway.
    for byte in &mut body {
        if *byte < b' ' {
            *byte = b' ';
        }
    }
    let Some(reply) = Object::parse(&body) else {
        return unclear("the reply is not one JSON object");
    };
    let errcode = match reply.get("errcode") {
        None => Some(0),
        Some(code) => code.as_i64(),
    };
    match errcode {
        None => unclear("errcode is not a whole number"),
        Some(0) => Called::Answered(body),
        Some(code) => {
            let errmsg = reply.get("errmsg").and_then(Value::as_str);
            Called::Refused(upstream_error(code, errmsg.unwrap_or_default(), sent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(status: u16, body: &str) -> Called {
        let sent = Secret::new("SENT_SECRET_0123456789");
        classify_call(status, body.as_bytes().to_vec(), &sent)
    }

    #[test]
    fn an_object_without_an_error_is_an_answer() {
        for body in ["{}", r#"{"errcode":0,"errmsg":"ok"}"#, r#"{"openid":"o"}"#] {
            assert!(matches!(classify(200, body), Called::Answered(_)), "{body}");
        }
    }

    #[test]
    fn a_raw_control_character_in_a_name_spoils_nothing() {
        let reply = classify(200, "{\"nickname\":\"a\u{1}b\",\r\n\"sex\":1}");
        assert!(matches!(reply, Called::Answered(body) if !body.contains(&1)));
    }

    #[test]
    fn an_error_is_told_without_what_was_sent() {
        let body = r#"{"errcode":40029,"errmsg":"invalid code SENT_SECRET_0123456789 rid: 1-2-3"}"#;
        match classify(200, body) {
            Called::Refused(error) => {
                assert_eq!(error.code, 40029);
                assert!(!error.message.contains("SENT_SECRET"), "{}", error.message);
            }
            _ => panic!("an error was taken for something else"),
        }
    }

    #[test]
    fn anything_else_is_unclear() {
        for (status, body) in [
            (502, "{}"),
            (200, ""),
            (200, "[]"),
            (200, "{\"a\":1,\"a\":2}"),
            (200, "{\"errcode\":\"0\"}"),
            (200, "{\"errcode\":null}"),
            (200, "<html>"),
        ] {
            assert!(
                matches!(classify(status, body), Called::Unclear(_)),
                "{body}"
            );
        }
    }
}
