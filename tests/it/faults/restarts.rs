//! Stopping as people do it: rolling restarts, SIGTERM in the middle of a refresh, SIGTERM twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::RwLock;
use wechat_simulator::{Endpoint, Fault, FaultKind, Simulator};

use super::rig::{Rig, SOON};
use crate::support::broker::Caller;
use crate::support::fleet::{eventually, wechat_with};
use crate::support::process::Process;
use crate::support::proxy::Hold;
use crate::support::redis::RedisServer;
use crate::support::settings::{AppUnderTest, Settings, StoreUnderTest};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_fails_no_request() {
    let wechat = Simulator::start(wechat_with(&[AppUnderTest::new(APP)]))
        .await
        .expect("the simulator starts");
    let redis = RedisServer::start();
    let store = StoreUnderTest::Redis {
        url: redis.url(),
        namespace: "rolling".to_owned(),
    };
    let settings = Settings::new(&wechat.base_url(), store).server("lame_duck", "1s");
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_under_way_is_finished_before_the_process_ends() {
    let mut rig = Rig::start(200, 1).await;
    let app = rig.apps[0].appid.clone();
    let witness = rig.witness.caller().await;
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let slow = Fault::new(FaultKind::ActThenDelay(Duration::from_millis(400)));
    rig.wechat
        .faults()
        .add(slow.on(Endpoint::Token).for_app(&app).once());
    let fetched = rig.fetches()[0];
    rig.make_holder_fetch().await;
    let acted = |wechat: &Simulator| wechat.fetches(&app).len() > fetched;
    assert!(rig.wechat.wait_for(SOON, acted).await);
    rig.holder.terminate();
    assert_eq!(rig.holder.ended(SOON).await, Some(0));
    rig.newer(&witness, &before).await;
    assert_eq!(rig.fetches()[0] - fetched, 1, "nothing had to be repaired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_while_it_asks_for_a_lease_leaves_none_behind() {
    let mut rig = Rig::start(201, 1).await;
    let witness = rig.witness.caller().await;
    let before = rig.versions(&witness).await;
    rig.spaced().await;
    let fetched = rig.fetches()[0];
    // Redis has given the lease; the process does not know it yet, and is told to stop.
    rig.proxy.hold("begin", Hold::Reply);
    rig.make_holder_fetch().await;
    rig.proxy.held(1, SOON).await;
    let key = format!("rig:{{{}}}:access_token:token:state", rig.apps[0].appid);
    let lease = || rig.redis.command(&["HEXISTS", &key, "lease_epoch"]);
    assert_eq!(lease(), ":1\r\n");
    rig.holder.terminate();
    rig.proxy.let_go();
    assert_eq!(rig.holder.ended(SOON).await, Some(0));
    assert_eq!(lease(), ":0\r\n", "{}", rig.holder.log());
    // Used or given back: either way nothing is left to repair.
    rig.newer(&witness, &before).await;
    assert_eq!(rig.fetches()[0] - fetched, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_twice_to_stop_it_stops_at_once() {
    let wechat = Simulator::start(wechat_with(&[AppUnderTest::new(APP)]))
        .await
        .expect("the simulator starts");
    let redis = RedisServer::start();
    let store = StoreUnderTest::Redis {
        url: redis.url(),
        namespace: "twice".to_owned(),
    };
    let settings = Settings::new(&wechat.base_url(), store).server("lame_duck", "300s");
    let mut process = Process::listening(&settings).await;
    process.terminate();
    eventually("it has heard", SOON, async || {
        process.log().contains("stopping")
    })
    .await;
    process.terminate();
    assert_eq!(process.ended(SOON).await, Some(1));
}
