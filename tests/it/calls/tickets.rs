//! Tickets and signatures over HTTP, and WeChat's own way to a ticket.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use token_broker::domain::secret::Secret;
use token_broker::signature::{Stamp, of_card, of_page};
use wechat_simulator::{Endpoint, Simulator};

use super::rig::{APP, settings, wechat};
use crate::support::broker::{Caller, Reply, TestBroker};
use crate::support::fleet::eventually;
use crate::support::settings::{AppUnderTest, KEY};
use crate::support::timed::timed;

struct Rig {
    wechat: Simulator,
    caller: Caller,
    _broker: TestBroker,
    _directory: TempDir,
}

impl Rig {
    /// A broker with an app that keeps both tickets and signs the pages of two hosts.
    async fn start() -> Self {
        Self::with(AppUnderTest {
            jssdk_hosts: &["shop.example.com", "*.example.net"],
            ..AppUnderTest::with_tickets(APP)
        })
        .await
    }

    async fn with(app: AppUnderTest) -> Self {
        let wechat = wechat(Vec::new()).await;
        let directory = TempDir::new().expect("a directory");
        let settings = settings(&wechat, &directory).apps(vec![app.clone()]);
        let broker = TestBroker::start(&settings).await;
        let caller = broker.caller();
        let bound = Duration::from_secs(10);
        caller.token_within(APP, bound).await;
        let fetched = |wechat: &Simulator| wechat.tickets(APP).len() == app.tickets.len();
        assert!(
            wechat.wait_for(bound, fetched).await,
            "every ticket is fetched"
        );
        Self {
            wechat,
            caller,
            _broker: broker,
            _directory: directory,
        }
    }

    async fn json(&self, path: &str) -> Value {
        let reply = self.caller.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    }

    async fn ticket(&self, of_type: &str) -> Secret {
        let reply = self.json(&format!("/ticket/{APP}/{of_type}")).await;
        Secret::new(text(&reply["ticket"]))
    }

    /// As an unmodified client asks: no key.
    async fn getticket(&self, query: &str) -> Value {
        let path = format!("/cgi-bin/ticket/getticket?{query}");
        let reply = self.caller.with_key(None).get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn stamp(timestamp: &Value, nonce: &Value) -> Stamp {
    let timestamp = match timestamp {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let timestamp = timestamp.expect("a timestamp");
    let nonce = text(nonce);
    assert!((16..=32).contains(&nonce.len()), "{nonce}");
    Stamp { timestamp, nonce }
}

fn parameter(reply: &Reply) -> (u16, String, String) {
    let problem = reply.json();
    (reply.status, reply.code(), text(&problem["parameter"]))
}

#[test]
fn a_ticket_is_answered_like_a_token() {
    timed(async || {
        let rig = Rig::start().await;
        let path = format!("/ticket/{APP}/jsapi");
        let reply = rig.caller.get(&path).await;
        let ticket = reply.json();
        assert_eq!(
            (&ticket["appid"], &ticket["type"]),
            (&json!(APP), &json!("jsapi"))
        );
        assert!(
            ticket["expires_in"]
                .as_u64()
                .is_some_and(|left| (7100..=7200).contains(&left))
        );
        assert!(ticket["expires_at"].as_u64() > Some(1_700_000_000));
        assert!(
            rig.wechat
                .ticket_was_valid(APP, &text(&ticket["ticket"]), reply.answered_at)
        );
        let etag = reply.headers["etag"].to_str().expect("a tag").to_owned();
        assert_eq!(etag, format!("\"{}\"", ticket["version"]));
        assert_eq!(reply.headers["cache-control"], "no-store");

        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let ask = |name: &'static str, value: String| {
            let url = rig.caller.url(&path);
            client.get(url).bearer_auth(KEY).header(name, value).send()
        };
        let known = ask("if-none-match", etag).await.expect("an answer");
        assert_eq!(known.status(), 304);
        let plain = ask("accept", "text/plain".to_owned())
            .await
            .expect("an answer");
        assert_eq!(plain.text().await.expect("a body"), text(&ticket["ticket"]));
    });
}

#[test]
fn a_page_is_signed_with_the_ticket_as_its_browser_has_it() {
    timed(async || {
        let rig = Rig::start().await;
        let ticket = rig.ticket("jsapi").await;
        for page in [
            "https://shop.example.com/buy?id=1&from=a%20b",
            "https://a.example.net:8443/%E5%BE%AE?x=https://evil.example.org/",
            "http://SHOP.example.com",
        ] {
            for fragment in ["", "#/route?x=1", "#"] {
                let url = format!("{page}{fragment}");
                let encoded: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
                let signed = rig.json(&format!("/jssdk/{APP}?url={encoded}")).await;
                let stamp = stamp(&signed["timestamp"], &signed["nonceStr"]);
                assert_eq!(signed["appId"], APP);
                assert_eq!(signed["signature"], of_page(&ticket, &stamp, page), "{url}");
                assert_eq!(signed.as_object().map(|members| members.len()), Some(4));
            }
        }
    });
}

#[test]
fn no_strangers_page_is_signed_and_every_mistake_is_named() {
    timed(async || {
        let rig = Rig::start().await;
        for (query, code) in [
            ("?url=https%3A%2F%2Fevil.example.org%2F", "bad_parameter"),
            (
                "?url=https%3A%2F%2Fshop.example.com%40evil.org%2F",
                "bad_parameter",
            ),
            ("?url=shop.example.com", "bad_parameter"),
            ("?url=%2Fbuy", "bad_parameter"),
            ("?url=", "bad_parameter"),
            ("", "bad_parameter"),
            (
                "?url=https%3A%2F%2Fshop.example.com%2F&url=x",
                "bad_parameter",
            ),
            ("?url=%ff", "bad_parameter"),
            ("?url=https%3A%2F%2Fshop.example.com%2F%00", "bad_parameter"),
        ] {
            let reply = rig.caller.get(&format!("/jssdk/{APP}{query}")).await;
            assert_eq!(
                parameter(&reply),
                (400, code.to_owned(), "url".to_owned()),
                "{query}"
            );
            assert!(
                !reply.body.contains("evil"),
                "what was sent is not repeated"
            );
        }
        let long = "x".repeat(3000);
        let reply = rig
            .caller
            .get(&format!("/jssdk/{APP}?url=https://shop.example.com/{long}"))
            .await;
        assert_eq!(parameter(&reply).2, "url");
        let reply = rig
            .caller
            .get(&format!("/jssdk/{APP}?url=https://shop.example.com/&x=1"))
            .await;
        assert_eq!(parameter(&reply).2, "x");
        let reply = rig.caller.get(&format!("/ticket/{APP}/wxcard")).await;
        assert_eq!(parameter(&reply).2, "type");
        let reply = rig
            .caller
            .with_key(None)
            .get(&format!("/jssdk/{APP}?url=https://shop.example.com/"))
            .await;
        assert_eq!(reply.code(), "key_missing");
        assert_eq!(
            rig.wechat.count(APP, Endpoint::Ticket),
            2,
            "nothing more was asked"
        );
    });
}

#[test]
fn cards_are_signed_for_adding_and_for_choosing() {
    timed(async || {
        let rig = Rig::start().await;
        let ticket = rig.ticket("wx_card").await;

        let query = "card_id=p1&code=12&openid=o1&outer_str=a%20b&fixed_begintimestamp=1404896688";
        let added = rig.json(&format!("/jssdk/{APP}/add-card?{query}")).await;
        assert_eq!(added["cardId"], "p1");
        let ext: Value = serde_json::from_str(&text(&added["cardExt"])).expect("JSON");
        let at = stamp(&ext["timestamp"], &ext["nonce_str"]);
        assert_eq!(ext["signature"], of_card(&ticket, &at, &["p1", "12", "o1"]));
        assert_eq!((&ext["code"], &ext["openid"]), (&json!("12"), &json!("o1")));
        assert_eq!(
            (&ext["outer_str"], &ext["fixed_begintimestamp"]),
            (&json!("a b"), &json!("1404896688"))
        );
        let bare = rig.json(&format!("/jssdk/{APP}/add-card?card_id=p1")).await;
        let ext: Value = serde_json::from_str(&text(&bare["cardExt"])).expect("JSON");
        let at = stamp(&ext["timestamp"], &ext["nonce_str"]);
        assert_eq!(ext["signature"], of_card(&ticket, &at, &["p1"]));
        assert!(
            ext.get("code").is_none() && ext.get("openid").is_none(),
            "{ext}"
        );

        let chosen = rig
            .json(&format!(
                "/jssdk/{APP}/choose-card?card_type=GROUPON&shop_id=7"
            ))
            .await;
        let at = stamp(&chosen["timestamp"], &chosen["nonceStr"]);
        assert_eq!(
            chosen["cardSign"],
            of_card(&ticket, &at, &[APP, "GROUPON", "7"])
        );
        assert_eq!(
            (&chosen["signType"], &chosen["cardId"]),
            (&json!("SHA1"), &json!(""))
        );

        let reply = rig
            .caller
            .get(&format!("/jssdk/{APP}/add-card?code=1"))
            .await;
        assert_eq!(parameter(&reply).2, "card_id");
    });
}

#[test]
fn an_app_that_lists_no_ticket_has_none_and_says_where_to_list_it() {
    timed(async || {
        let rig = Rig::with(AppUnderTest::new(APP)).await;
        for path in [
            "ticket/wx0000000000000001/jsapi",
            "jssdk/wx0000000000000001?url=https://a.example/",
        ] {
            let reply = rig.caller.get(&format!("/{path}")).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (404, "ticket_not_kept")
            );
            assert!(reply.body.contains("tickets"), "{}", reply.body);
        }
        let token = rig.caller.token(APP).await.token();
        let refused = rig
            .getticket(&format!("access_token={token}&type=jsapi"))
            .await;
        assert_eq!(refused["errcode"], 48001);
        assert_eq!(rig.wechat.count(APP, Endpoint::Ticket), 0);
    });
}

#[test]
fn whoever_holds_a_token_of_ours_gets_the_ticket_in_wechats_own_shape() {
    timed(async || {
        let rig = Rig::start().await;
        let first = rig.caller.token(APP).await.token();
        let (jsapi, card) = (rig.ticket("jsapi").await, rig.ticket("wx_card").await);
        for (of_type, ticket) in [("jsapi", &jsapi), ("wx_card", &card)] {
            let told = rig
                .getticket(&format!("access_token={first}&type={of_type}"))
                .await;
            assert_eq!(
                (&told["errcode"], &told["errmsg"]),
                (&json!(0), &json!("ok"))
            );
            assert_eq!(told["ticket"], ticket.expose());
            assert!(told["expires_in"].as_u64() > Some(7000));
        }

        // Those that were replaced are known too, until they would have expired.
        for _ in 0..2 {
            let dead = rig.caller.token(APP).await.token();
            rig.wechat.invalidate(APP);
            let report = format!("/token/{APP}/report");
            let body = json!({"access_token": dead});
            let replaced = async || rig.caller.post(&report, body.clone()).await.token() != dead;
            eventually("the token is replaced", Duration::from_secs(5), replaced).await;
            let known = rig
                .getticket(&format!("access_token={dead}&type=jsapi"))
                .await;
            assert_eq!(known["ticket"], jsapi.expose());
        }
        let replaced_twice = rig
            .getticket(&format!("access_token={first}&type=jsapi"))
            .await;
        assert_eq!(replaced_twice["ticket"], jsapi.expose());
        let unknown = rig.getticket("access_token=nobodys&type=jsapi").await;
        assert_eq!(unknown["errcode"], 40001);

        for (query, errcode) in [
            ("type=jsapi".to_owned(), 41001),
            (format!("access_token={first}"), 40035),
            (format!("access_token={first}&type=card"), 40035),
            (format!("access_token={}&type=jsapi", jsapi.expose()), 40001),
            (format!("access_token={KEY}&type=jsapi"), 40001),
        ] {
            assert_eq!(rig.getticket(&query).await["errcode"], errcode, "{query}");
        }
        assert_eq!(
            rig.wechat.count(APP, Endpoint::Ticket),
            2,
            "all from memory"
        );
    });
}
