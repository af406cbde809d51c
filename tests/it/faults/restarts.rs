//! Stopping as people do it: rolling restarts, SIGTERM in the middle of a refresh, SIGTERM twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::RwLock;
use wechat_simulator::{Endpoint, Fault, FaultKind, Simulator};

use super::rig::{SOON, surroundings, unhurried};
use crate::support::broker::Caller;
use crate::support::fleet::{eventually, wechat_with};
use crate::support::process::Process;
use crate::support::proxy::{Hold, Proxy};
use crate::support::redis::RedisServer;
use crate::support::settings::{AppUnderTest, Settings, StoreUnderTest};
use crate::support::timed::{timed, timed_in_a_crowd};

const APP: &str = "wx0000000000000001";

/// What a balancer does: it sends requests to the replicas that said "ready" when last asked.
#[derive(Clone, Default)]
struct Balancer {
    ready: Arc<RwLock<Vec<SocketAddr>>>,
    turn: Arc<AtomicUsize>,
}

impl Balancer {
    /// Asks every replica whether it is ready, every 50 ms.
    fn probe(&self, all: Arc<RwLock<Vec<(SocketAddr, SocketAddr)>>>) {
        let ready = Arc::clone(&self.ready);
        tokio::spawn(async move {
            loop {
                let mut heard = Vec::new();
                for (api, ops) in all.read().await.clone() {
                    let said = Caller::new(ops).try_send("GET", "/readyz", None).await;
                    if said.is_ok_and(|reply| reply.status == 200) {
                        heard.push(api);
                    }
                }
                *ready.write().await = heard;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }

    async fn next(&self) -> Option<SocketAddr> {
        let ready = self.ready.read().await;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ready.get(turn % ready.len().max(1)).copied()
    }
}

#[test]
fn a_rolling_restart_under_load_fails_no_request() {
    timed_in_a_crowd(async || {
        let (_wechat, _redis, settings) = surroundings(APP, "rolling").await;
        let settings = settings.server("lame_duck", "1s");
        let mut replicas = Vec::new();
        let addresses = Arc::new(RwLock::new(Vec::new()));
        for _ in 0..3 {
            let process = Process::listening(&settings).await;
            process.caller().await.token_within(APP, SOON).await;
            let both = (
                process.address("listen").await,
                process.address("ops_listen").await,
            );
            addresses.write().await.push(both);
            replicas.push(process);
        }
        let balancer = Balancer::default();
        balancer.probe(Arc::clone(&addresses));
        eventually("all are ready", SOON, async || {
            balancer.ready.read().await.len() == 3
        })
        .await;
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..4)
            .map(|_| {
                let (balancer, stop) = (balancer.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut served = 0_u32;
                    while !stop.load(Ordering::Relaxed) {
                        let replica = balancer.next().await.expect("some replica is ready");
                        let reply = Caller::new(replica).token(APP).await;
                        assert_eq!(reply.status, 200, "{reply:?}");
                        served += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    served
                })
            })
            .collect();

        for (index, replica) in replicas.iter_mut().enumerate() {
            replica.terminate();
            assert_eq!(replica.ended(SOON).await, Some(0), "{}", replica.log());
            *replica = Process::listening(&settings).await;
            let both = (
                replica.address("listen").await,
                replica.address("ops_listen").await,
            );
            addresses.write().await[index] = both;
            eventually("it is ready again", SOON, async || {
                balancer.ready.read().await.contains(&both.0)
            })
            .await;
        }

        stop.store(true, Ordering::Relaxed);
        for caller in load {
            assert!(caller.await.expect("no request failed") > 0);
        }
    });
}

/// One process whose token is due in a few seconds. No request waits for that refresh: nothing but the
/// refresh itself can keep the process from ending.
struct Due {
    wechat: Simulator,
    redis: RedisServer,
    proxy: Proxy,
    process: Process,
}

impl Due {
    async fn start() -> Self {
        let mut lives = wechat_with(&[AppUnderTest::new(APP)]);
        lives.token_life = Duration::from_secs(24);
        lives.overlap = Duration::from_secs(8);
        let wechat = Simulator::start(lives).await.expect("the simulator starts");
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.port()).await;
        let store = StoreUnderTest::Redis {
            url: proxy.url(),
            namespace: "due".to_owned(),
        };
        let settings = unhurried(Settings::new(&wechat.base_url(), store)).refresh("at", "0.35");
        let process = Process::listening(&settings).await;
        process.caller().await.token_within(APP, SOON).await;
        Self {
            wechat,
            redis,
            proxy,
            process,
        }
    }

    /// A field of what Redis keeps, as Redis answers it.
    fn stored(&self, what: &str, field: &str) -> String {
        let key = format!("due:{{{APP}}}:access_token:token:{what}");
        self.redis.command(&["HGET", &key, field])
    }

    /// Tells the process to stop, and sees that it left a token that works and no lease.
    async fn ends_in_order(mut self) {
        let deadline = Duration::from_secs(6);
        assert_eq!(self.process.ended(deadline).await, Some(0));
        assert_eq!(self.stored("state", "lease_epoch"), "$-1\r\n");
        assert_eq!(self.stored("state", "intent_epoch"), "$-1\r\n");
        let current = self.wechat.current(APP).expect("a token");
        let stored = self.stored("grant", "value");
        assert!(stored.contains(&current), "{}", self.process.log());
        assert_eq!(self.wechat.fetches(APP).len(), 2);
    }
}

#[test]
fn a_process_told_to_stop_finishes_the_refresh_under_way_and_leaves_no_lease() {
    timed(async || {
        tokio::join!(
            told_between_call_and_commit(),
            told_before_begin_was_answered()
        );
    });
}

async fn told_between_call_and_commit() {
    let due = Due::start().await;
    let slow = Fault::new(FaultKind::ActThenDelay(Duration::from_millis(500)));
    due.wechat.faults().add(slow.on(Endpoint::Token).once());
    let acted = |wechat: &Simulator| wechat.fetches(APP).len() == 2;
    assert!(due.wechat.wait_for(SOON, acted).await);
    due.process.terminate();
    due.ends_in_order().await;
}

async fn told_before_begin_was_answered() {
    let due = Due::start().await;
    due.proxy.hold("begin", Hold::Reply);
    due.proxy.held(1, SOON).await;
    assert_ne!(due.stored("state", "lease_epoch"), "$-1\r\n");
    due.process.terminate();
    due.proxy.let_go();
    due.ends_in_order().await;
}

#[test]
fn asked_twice_to_stop_it_stops_at_once() {
    timed(async || {
        let (_wechat, _redis, settings) = surroundings(APP, "twice").await;
        let settings = settings.server("lame_duck", "300s");
        let mut process = Process::listening(&settings).await;
        process.terminate();
        eventually("it has heard", SOON, async || {
            process.log().contains("stopping")
        })
        .await;
        process.terminate();
        assert_eq!(process.ended(SOON).await, Some(1));
    });
}

/// A machine was suspended, or its cores were given to others: who came meanwhile waited long enough.
#[test]
fn whoever_connects_while_the_process_stands_still_is_answered_when_it_goes_on() {
    timed(async || {
        let (_wechat, _redis, settings) = surroundings(APP, "still").await;
        let process = Process::listening(&settings).await;
        let address = process.address("listen").await;

        process.pause();
        let mut connections = Vec::new();
        for _ in 0..20 {
            let mut connection = TcpStream::connect(address).await.expect("a connection");
            let request = b"GET /token/wx HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            connection.write_all(request).await.expect("a request");
            connections.push(connection);
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        process.resume();

        for mut connection in connections {
            let mut answer = String::new();
            let read = connection.read_to_string(&mut answer);
            tokio::time::timeout(SOON, read)
                .await
                .expect("an answer in time")
                .expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer:?}");
        }
    });
}
