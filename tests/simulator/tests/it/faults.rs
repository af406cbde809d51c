//! Every kind of fault: what WeChat does under it, and what the caller hears.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wechat_simulator::{Endpoint, Fault, FaultKind, Garbage, Outcome, Simulator};

use crate::support::*;

const DELAY: Duration = Duration::from_millis(120);

/// Puts a fault on the next token call.
fn break_once(wechat: &Simulator, kind: FaultKind) {
    let fault = Fault::new(kind).on(Endpoint::Token).once();
    wechat.faults().add(fault);
}

fn last_outcome(wechat: &Simulator) -> Outcome {
    wechat.calls().last().unwrap().outcome
}

#[tokio::test]
async fn a_slow_request_is_acted_on_late() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::DelayThenAct(DELAY));
    let before = Instant::now();
    let token = fetch(&wechat, APP).await;
    assert!(wechat.issued(&token).unwrap().issued_at >= before + DELAY);
}

#[tokio::test]
async fn a_slow_request_is_acted_on_even_if_the_caller_gave_up() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::DelayThenAct(4 * DELAY));
    let url = format!("{}{}", wechat.base_url(), token_target(APP));
    let impatient = client().get(url).timeout(DELAY);
    assert!(impatient.send().await.is_err());
    assert!(wechat.fetches(APP).is_empty());
    let acted = |wechat: &Simulator| wechat.fetches(APP).len() == 1;
    assert!(wechat.wait_for(BOUND, acted).await);
}

#[tokio::test]
async fn a_slow_reply_is_of_a_rotation_long_done() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::ActThenDelay(DELAY));
    let before = Instant::now();
    let token = fetch(&wechat, APP).await;
    assert!(before.elapsed() >= DELAY);
    let issued_at = wechat.issued(&token).unwrap().issued_at;
    assert!(issued_at + DELAY <= Instant::now());
    let call = &wechat.calls()[0];
    assert!(call.ended_at.unwrap() >= call.at + DELAY);
    assert_eq!(call.fault, Some("act_then_delay"));
}

#[tokio::test]
async fn a_hanging_call_never_answers_and_acts_only_if_told() {
    for acts in [true, false] {
        let wechat = wechat().await;
        break_once(&wechat, FaultKind::Hang { acts });
        let url = format!("{}{}", wechat.base_url(), token_target(APP));
        let hanging = client().get(url).timeout(2 * DELAY).send().await;
        assert!(hanging.unwrap_err().is_timeout());
        assert_eq!(wechat.fetches(APP).len(), usize::from(acts));
        let ended = |wechat: &Simulator| wechat.calls()[0].ended_at.is_some();
        assert!(wechat.wait_for(BOUND, ended).await);
    }
}

#[tokio::test]
async fn a_cut_comes_before_or_after_the_rotation() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::CutBefore);
    assert_eq!(raw_get(&wechat, &token_target(APP)).await, b"");
    assert_eq!(last_outcome(&wechat), Outcome::NotActed);
    assert_eq!(wechat.current(APP), None);
    break_once(&wechat, FaultKind::ActThenCut);
    assert_eq!(raw_get(&wechat, &token_target(APP)).await, b"");
    assert_eq!(last_outcome(&wechat), Outcome::Issued { serial: 1 });
    assert!(wechat.current(APP).is_some());
}

#[tokio::test]
async fn half_a_reply_promises_the_whole() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::HalfReply);
    let reply = String::from_utf8(raw_get(&wechat, &token_target(APP)).await).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let promised = head.split("Content-Length: ").nth(1).unwrap();
    let promised: usize = promised.lines().next().unwrap().parse().unwrap();
    assert_eq!(body.len(), promised - promised / 2);
    assert_eq!(wechat.fetches(APP).len(), 1);
}

#[tokio::test]
async fn a_status_comes_before_or_after_the_rotation() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::Status(503));
    let reply = raw_get(&wechat, &token_target(APP)).await;
    assert!(reply.starts_with(b"HTTP/1.1 503"));
    assert!(wechat.fetches(APP).is_empty());
    break_once(&wechat, FaultKind::ActThenStatus(502));
    let reply = raw_get(&wechat, &token_target(APP)).await;
    assert!(reply.starts_with(b"HTTP/1.1 502"));
    assert_eq!(wechat.fetches(APP).len(), 1);
}

#[tokio::test]
async fn an_errcode_can_meet_a_check_that_is_in_order() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let fault = Fault::new(FaultKind::Errcode(40001)).on(Endpoint::ApiDomainIp);
    let id = wechat.faults().add(fault.for_app(APP).times(2));
    for _ in 0..2 {
        assert_eq!(check(&wechat, &token).await["errcode"], 40001);
    }
    assert!(check(&wechat, &token).await["ip_list"].is_array());
    assert_eq!(wechat.faults().hits(id), 2);
}

#[tokio::test]
async fn another_apps_token_can_come_instead() {
    let wechat = wechat().await;
    break_once(&wechat, FaultKind::WrongAppsToken);
    let token = fetch(&wechat, APP).await;
    assert_eq!(wechat.belongs_to(&token).as_deref(), Some(OTHER));
    assert!(wechat.verdict(OTHER, &token).is_valid());
    assert_eq!(wechat.fetches(APP).len(), 1);
}

#[tokio::test]
async fn a_removed_fault_meets_nothing_any_more() {
    let wechat = wechat().await;
    let id = wechat.faults().add(Fault::new(FaultKind::CutBefore));
    assert!(try_get(&wechat, &token_target(APP)).await.is_err());
    wechat.faults().remove(id);
    fetch(&wechat, APP).await;
    wechat.faults().add(Fault::new(FaultKind::CutBefore));
    wechat.faults().clear();
    fetch(&wechat, APP).await;
}

/// The one good token that a careful client finds in a reply.
async fn careful_fetch(wechat: &Simulator) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Reply {
        access_token: String,
        expires_in: u32,
        errcode: Option<i64>,
    }
    let url = format!("{}{}", wechat.base_url(), token_target(APP));
    let mut reply = client().get(url).send().await.ok()?;
    if reply.status() != 200 {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > 1 << 20 {
            return None;
        }
    }
    let reply: Reply = serde_json::from_slice(&body).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let good = reply.errcode.unwrap_or(0) == 0
        && (1..=2_592_000).contains(&reply.expires_in)
        && (1..=2048).contains(&reply.access_token.len())
        && reply.access_token.bytes().all(plain);
    good.then_some(reply.access_token)
}

#[tokio::test]
async fn garbage_yields_a_token_exactly_where_it_says_it_is_usable() {
    let wechat = wechat().await;
    for kind in Garbage::ALL {
        let fault = Fault::garbage(*kind).on(Endpoint::Token).once();
        wechat.faults().add(fault);
        let found = careful_fetch(&wechat).await;
        assert_eq!(found.is_some(), kind.is_usable(), "{}", kind.name());
        if let Some(token) = found {
            assert_eq!(wechat.current(APP), Some(token), "{}", kind.name());
        }
    }
    assert_eq!(wechat.fetches(APP).len(), Garbage::ALL.len());
    assert_eq!(wechat.violations(), []);
}

#[tokio::test]
async fn garbage_that_does_not_act_leaves_the_current_token_alone() {
    let wechat = wechat().await;
    let current = fetch(&wechat, APP).await;
    for kind in Garbage::ALL {
        let fault = Fault::garbage_without_acting(*kind);
        wechat.faults().add(fault.once());
        if let Some(token) = careful_fetch(&wechat).await {
            assert_eq!(wechat.belongs_to(&token), None, "{}", kind.name());
        }
    }
    assert_eq!(wechat.current(APP), Some(current));
    assert_eq!(wechat.fetches(APP).len(), 1);
}

#[tokio::test]
async fn garbage_reaches_tickets_and_checks_too() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    wechat
        .faults()
        .add(Fault::garbage(Garbage::NullToken).times(2));
    let target = format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi");
    let reply = get(&wechat, &target).await;
    assert_eq!(reply["ticket"], Value::Null);
    assert_eq!(check(&wechat, &token).await["ip_list"], Value::Null);
}

#[tokio::test]
async fn an_endless_body_goes_on_while_the_caller_reads() {
    let wechat = wechat().await;
    let fault = Fault::garbage(Garbage::EndlessBody).on(Endpoint::Token);
    wechat.faults().add(fault);
    let mut stream = TcpStream::connect(wechat.address()).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", token_target(APP));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut megabyte = vec![0; 1 << 20];
    let reading = stream.read_exact(&mut megabyte);
    assert!(tokio::time::timeout(BOUND, reading).await.unwrap().is_ok());
}

#[tokio::test]
async fn whoever_follows_the_redirect_is_caught() {
    let wechat = wechat().await;
    wechat
        .faults()
        .add(Fault::garbage(Garbage::RedirectElsewhere).once());
    let naive = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{}", wechat.base_url(), token_target(APP));
    naive.get(url).send().await.unwrap();
    assert_eq!(wechat.violations()[0].what, "followed a redirect");
}

#[tokio::test]
async fn latency_is_added_to_every_call() {
    let wechat = Simulator::start(wechat_simulator::Settings {
        latency: DELAY,
        ..settings()
    })
    .await
    .unwrap();
    let before = Instant::now();
    fetch(&wechat, APP).await;
    assert!(before.elapsed() >= DELAY);
}

#[tokio::test]
async fn calls_side_by_side_are_told_from_calls_in_turn() {
    let wechat = wechat().await;
    wechat
        .faults()
        .add(Fault::new(FaultKind::ActThenDelay(DELAY)).times(2));
    let _ = tokio::join!(fetch(&wechat, APP), fetch(&wechat, APP));
    assert_eq!(wechat.max_fetches_at_once(APP), 2);
}
