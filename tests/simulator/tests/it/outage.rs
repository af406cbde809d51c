//! WeChat away, and back with everything remembered.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use wechat_simulator::{Endpoint, Fault, FaultKind, Simulator};

use crate::support::*;

#[tokio::test]
async fn an_outage_refuses_connections_and_forgets_nothing() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    for _ in 0..3 {
        wechat.pause_listening().await.unwrap();
        let refused = TcpStream::connect(wechat.address()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        wechat.resume_listening().await.unwrap();
        assert!(check(&wechat, &token).await["ip_list"].is_array());
    }
    assert_eq!(wechat.count(APP, Endpoint::ApiDomainIp), 3);
}

#[tokio::test]
async fn an_outage_cuts_the_calls_that_are_open() {
    let wechat = wechat().await;
    wechat
        .faults()
        .add(Fault::new(FaultKind::Hang { acts: true }).on(Endpoint::Token));
    let target = token_target(APP);
    let called = |wechat: &Simulator| wechat.fetches(APP).len() == 1;
    let (reply, came) = tokio::join!(try_get(&wechat, &target), async {
        let came = wechat.wait_for(BOUND, called).await;
        wechat.pause_listening().await.unwrap();
        came
    });
    assert!(came);
    assert!(reply.is_err());
    let ended = |wechat: &Simulator| wechat.calls()[0].ended_at.is_some();
    assert!(wechat.wait_for(BOUND, ended).await);
}

#[tokio::test]
async fn a_connection_kept_alive_does_not_survive_an_outage() {
    let wechat = wechat().await;
    let kept = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{}", wechat.base_url(), token_target(APP));
    assert!(kept.get(&url).send().await.unwrap().bytes().await.is_ok());
    wechat.pause_listening().await.unwrap();
    assert!(kept.get(&url).send().await.is_err());
    assert_eq!(wechat.count(APP, Endpoint::Token), 1);
}

#[tokio::test]
async fn a_stopped_simulator_gives_its_port_back() {
    let wechat = wechat().await;
    let address = wechat.address();
    wechat.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    let again = Simulator::start_on(address, settings()).await.unwrap();
    fetch(&again, APP).await;
    assert!(wechat.calls().is_empty());
    assert!(wechat.resume_listening().await.is_err());
}

#[tokio::test]
async fn a_dropped_simulator_is_gone() {
    let wechat = wechat().await;
    let address = wechat.address();
    drop(wechat);
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(BOUND, gone).await.is_ok());
}

#[tokio::test]
async fn waiting_ends_at_its_bound() {
    let wechat = wechat().await;
    let never = |_: &Simulator| false;
    assert!(!wechat.wait_for(Duration::from_millis(20), never).await);
}

#[tokio::test]
async fn waiting_for_a_token_to_die_ends_when_it_does() {
    let wechat = Simulator::start(wechat_simulator::Settings {
        token_life: Duration::from_millis(100),
        ..settings()
    })
    .await
    .unwrap();
    let token = wechat.foreign_fetch(APP);
    let dead = |wechat: &Simulator| !wechat.verdict(APP, &token).is_valid();
    let before = Instant::now();
    assert!(wechat.wait_for(Duration::from_secs(60), dead).await);
    assert!(before.elapsed() < BOUND);
}
