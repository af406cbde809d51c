//! Tickets: kept by the protocol of the tokens, asked for with a token, and never checked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wechat_simulator::{Endpoint, Fault, FaultKind, Settings as WeChatSettings, TicketRule};

use crate::support::broker::{Caller, Reply};
use crate::support::fleet::{APP, Fleet, Kept, eventually, wechat_with};
use crate::support::settings::{AppUnderTest, LIFE, Settings};
use crate::support::timed::timed;

const JSAPI: &str = "/ticket/wx0000000000000001/jsapi";
const WX_CARD: &str = "/ticket/wx0000000000000001/wx_card";

/// So many replicas that share a Redis, under one of the rules by which tickets may follow each other.
async fn fleet(replicas: usize, rule: TicketRule, tune: impl Fn(Settings) -> Settings) -> Fleet {
    fleet_with(replicas, rule, LIFE, tune).await
}

/// The same with another life of the tickets.
async fn fleet_with(
    replicas: usize,
    rule: TicketRule,
    ticket_life: Duration,
    tune: impl Fn(Settings) -> Settings,
) -> Fleet {
    let apps = [AppUnderTest::with_tickets(APP)];
    let wechat = WeChatSettings {
        ticket_life,
        ticket_rule: rule,
        ..wechat_with(&apps)
    };
    let with_apps = |settings: Settings| tune(settings.apps(apps.to_vec()));
    let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat, with_apps).await;
    fleet.add(replicas).await;
    fleet
}

async fn ticket_within(caller: &Caller, path: &str, bound: Duration) -> Reply {
    let deadline = Instant::now() + bound;
    loop {
        let reply = caller.get(path).await;
        if reply.status == 200 {
            return reply;
        }
        assert!(Instant::now() < deadline, "no ticket: {reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn all_serve(fleet: &Fleet) {
    for replica in &fleet.replicas {
        for path in [JSAPI, WX_CARD] {
            ticket_within(&replica.caller(), path, Duration::from_secs(10)).await;
        }
    }
}

fn ticket(reply: &Reply) -> String {
    reply.json()["ticket"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn state_of_jsapi(caller: &Caller) -> Value {
    let state = caller.get(&format!("/apps/{APP}")).await.json();
    assert_eq!(state["tickets"][0]["type"], "jsapi", "{state}");
    state["tickets"][0].clone()
}

/// Asks every replica for its ticket until then. Every answer is a ticket that lived, and never an older one.
async fn read_flawlessly_until(fleet: &Fleet, end: Instant) -> usize {
    let mut versions = vec![0; fleet.replicas.len()];
    let mut served = 0;
    while Instant::now() < end {
        for (replica, version) in fleet.replicas.iter().zip(&mut versions) {
            let reply = replica.caller().get(JSAPI).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let value = ticket(&reply);
            let dead = fleet.wechat.ticket_dead_for(APP, &value, reply.asked_at);
            assert_eq!(dead, Duration::ZERO, "a dead ticket was served");
            assert!(reply.version() >= *version, "backwards");
            *version = reply.version();
            served += 1;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    served
}

#[test]
fn replicas_share_their_tickets_and_replace_them_in_time_by_whatever_rule() {
    timed(async || {
        for rule in [
            TicketRule::Superseded,
            TicketRule::LivesOn,
            TicketRule::Repeated,
        ] {
            let fleet = fleet(2, rule, |settings| settings).await;
            all_serve(&fleet).await;
            let [a, b] = [0, 1].map(|replica| fleet.caller(replica));
            assert_eq!(ticket(&a.get(JSAPI).await), ticket(&b.get(JSAPI).await));
            assert_ne!(ticket(&a.get(JSAPI).await), ticket(&a.get(WX_CARD).await));

            let served = read_flawlessly_until(&fleet, Instant::now() + LIFE * 3 / 2).await;

            assert!(served > 20, "{rule:?}: {served}");
            // A new one at half of a life of 8 s; one that is repeated is asked for more often, at most every
            // 3.1 s.
            let asked = fleet.wechat.count(APP, Endpoint::Ticket);
            assert!((6..=12).contains(&asked), "{rule:?}: {asked} for two kinds");
            // One may be under way between the two readings.
            eventually("each is counted", Duration::from_secs(5), async || {
                let granted = [("outcome", "granted")];
                let counted = fleet.metric("token_broker_ticket_fetches_total", &granted);
                counted.await == fleet.wechat.count(APP, Endpoint::Ticket) as f64
            })
            .await;
            fleet.assert_in_order().await;
        }
    });
}

#[test]
fn a_ticket_outlives_a_restart_of_every_replica() {
    timed(async || {
        let mut fleet = fleet(2, TicketRule::Superseded, |settings| settings).await;
        all_serve(&fleet).await;
        let before = fleet.caller(0).get(JSAPI).await;
        let asked = fleet.wechat.count(APP, Endpoint::Ticket);
        for replica in fleet.replicas.drain(..) {
            replica.stop().await;
        }

        fleet.add(2).await;
        all_serve(&fleet).await;

        let after = fleet.caller(1).get(JSAPI).await;
        assert_eq!(ticket(&after), ticket(&before));
        assert_eq!(after.version(), before.version());
        assert_eq!(fleet.wechat.count(APP, Endpoint::Ticket), asked);
        fleet.assert_in_order().await;
    });
}

#[test]
fn an_outage_of_wechat_is_not_noticed_while_the_ticket_lives() {
    timed(async || {
        let fleet = fleet(2, TicketRule::Superseded, |settings| settings).await;
        all_serve(&fleet).await;
        let fetched = fleet.wechat.tickets(APP)[0].issued_at;
        tokio::time::sleep_until((fetched + LIFE / 4).into()).await;
        let fault = fleet
            .wechat
            .faults()
            .add(Fault::new(FaultKind::Status(503)));

        read_flawlessly_until(&fleet, fetched + LIFE * 3 / 4).await;
        let during = fleet.wechat.count(APP, Endpoint::Ticket);
        fleet.wechat.faults().remove(fault);

        let renewed = async || fleet.wechat.tickets(APP).len() >= 4;
        eventually("both are replaced", Duration::from_secs(2), renewed).await;
        assert!(during < 20, "the backoff holds: {during}");
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_fetch_refused_for_its_token_reports_that_token() {
    timed(async || {
        // Nothing else would find it: no watch, and the close watch of an empty store is over after 4.4 s.
        let quiet = |settings: Settings| {
            settings
                .refresh("watch", "0s")
                .refresh("close_watch", "100ms")
        };
        let fleet = fleet_with(1, TicketRule::Superseded, LIFE / 2, quiet).await;
        all_serve(&fleet).await;
        let caller = fleet.caller(0);
        let fetched = fleet.wechat.fetches(APP)[0].at;
        // The token was replaced at its half, after 4 s; the tickets are due again first.
        tokio::time::sleep_until((fetched + LIFE * 5 / 8).into()).await;
        assert_eq!(fleet.wechat.fetches(APP).len(), 2);

        fleet.wechat.invalidate(APP);
        let reported = [("purpose", "report"), ("outcome", "refused")];
        let found = async || fleet.metric("token_broker_checks_total", &reported).await >= 1.0;
        eventually("a ticket's fetch reports it", LIFE, found).await;

        let replaced = async || {
            let reply = caller.token(APP).await;
            reply.status == 200 && fleet.wechat.verdict(APP, &reply.token()).is_valid()
        };
        eventually("the token is replaced", Duration::from_secs(2), replaced).await;
        let renewed = async || {
            let state = state_of_jsapi(&caller).await;
            state["status"] == "ok" && state["cooldown"] == Value::Null
        };
        eventually(
            "the ticket is replaced with the new one",
            Duration::from_secs(4),
            renewed,
        )
        .await;
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_false_word_about_the_token_costs_the_ticket_a_moment_and_the_token_nothing() {
    timed(async || {
        let fleet = fleet(1, TicketRule::Superseded, |settings| settings).await;
        let lie = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::Ticket);
        fleet.wechat.faults().add(lie.times(2));

        all_serve(&fleet).await;

        assert_eq!(fleet.wechat.fetches(APP).len(), 1, "one token, the first");
        // By the report, or a moment before by the close watch, whose verdict answers the report.
        let accepted = [("outcome", "accepted")];
        let checked = fleet.metric("token_broker_checks_total", &accepted).await;
        assert!(checked >= 1.0, "it was looked into");
        let refused = [("outcome", "refused")];
        let refusals = fleet.metric("token_broker_ticket_fetches_total", &refused);
        assert_eq!(refusals.await, 2.0);
        fleet.assert_in_order().await;
    });
}

#[test]
fn without_an_access_token_no_ticket_is_asked_for_and_nothing_is_spent() {
    timed(async || {
        let mut fleet = fleet(0, TicketRule::Superseded, |settings| settings).await;
        fleet.wechat.set_error(APP, Some(-1));
        fleet.add(1).await;
        let caller = fleet.caller(0);
        let waits = async || state_of_jsapi(&caller).await["blocked"] == "no_access_token";
        eventually("it waits for the token", Duration::from_secs(3), waits).await;
        let reply = caller.get(JSAPI).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "starting"));
        let state = state_of_jsapi(&caller).await;
        assert_eq!(
            (&state["budget_used"], &state["failures"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(fleet.wechat.count(APP, Endpoint::Ticket), 0);

        fleet.wechat.set_error(APP, None);
        let asked = Instant::now();
        caller.token_within(APP, Duration::from_secs(5)).await;
        let come = Instant::now();
        all_serve(&fleet).await;
        assert!(
            come.elapsed() < Duration::from_secs(1),
            "it did not wait on: {:?}",
            asked.elapsed()
        );
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_ticket_that_the_store_loses_is_served_on_and_replaced_once() {
    timed(async || {
        let fleet = fleet(2, TicketRule::Superseded, |settings| settings).await;
        all_serve(&fleet).await;
        let before = fleet.caller(0).get(JSAPI).await.version();
        fleet.redis.as_ref().expect("a Redis").flush();

        let end = Instant::now() + Duration::from_secs(2);
        read_flawlessly_until(&fleet, end).await;

        assert!(fleet.caller(0).get(JSAPI).await.version() > before);
        assert_eq!(
            fleet.wechat.count(APP, Endpoint::Ticket),
            4,
            "one more of each"
        );
        assert_eq!(fleet.wechat.fetches(APP).len(), 1, "the token was put back");
        fleet.assert_in_order().await;
    });
}

#[test]
fn a_pause_of_the_app_holds_its_tickets_too() {
    timed(async || {
        let fleet = fleet(2, TicketRule::Superseded, |settings| settings).await;
        all_serve(&fleet).await;
        let last = fleet.wechat.tickets(APP)[1].issued_at;
        let paused = fleet
            .caller(0)
            .post(&format!("/apps/{APP}/pause"), json!({}))
            .await;
        assert_eq!(paused.status, 200, "{}", paused.body);

        tokio::time::sleep_until((last + LIFE).into()).await;
        assert_eq!(fleet.wechat.tickets(APP).len(), 2, "nothing was fetched");
        let reply = fleet.caller(1).get(JSAPI).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "paused"));

        fleet
            .caller(1)
            .post(&format!("/apps/{APP}/resume"), json!({}))
            .await;
        all_serve(&fleet).await;
        fleet.assert_in_order().await;
    });
}
