//! Three brokers under constant reads while their Redis fails over: nobody is refused, no token is dead, none goes
//! back, no version is handed out twice, and nothing is fetched but what was due. Run by `make test-stores`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::block_in_place;
use wechat_simulator::Settings as WeChatSettings;

use crate::support::fleet::{APP, Fleet, Load, apps, eventually, wechat_with};
use crate::support::settings::Settings;
use crate::support::stores::Kind;
use crate::support::timed::timed;

/// Half of it outlasts a failover: a second and a half to believe in a death, two more to agree on who is next.
const LIFE: Duration = Duration::from_secs(30);
const OVERLAP: Duration = Duration::from_secs(6);
/// From when on another token may be fetched.
const SPACED: Duration = Duration::from_secs(8);

fn tuned(settings: Settings) -> Settings {
    let settings = settings
        .apps(apps(1))
        .refresh("overlap", "6s")
        .refresh("lease", "2s")
        .refresh("min_spacing", "6100ms");
    Settings {
        store_timeout: Duration::from_millis(500),
        ..settings
    }
}

/// Three brokers that serve, and readers of each.
struct UnderLoad {
    fleet: Fleet,
    load: Load,
    began: Instant,
}

impl UnderLoad {
    async fn on(kind: Kind) -> Self {
        let wechat = WeChatSettings {
            token_life: LIFE,
            overlap: OVERLAP,
            ..wechat_with(&apps(1))
        };
        let mut fleet = Fleet::on(kind, wechat, tuned).await;
        let began = Instant::now();
        fleet.add(3).await;
        for replica in &fleet.replicas {
            replica
                .caller()
                .token_within(APP, Duration::from_secs(15))
                .await;
        }
        let load = fleet.load(APP, Duration::from_millis(10));
        Self { fleet, load, began }
    }

    /// Waits until every replica serves a token that was fetched after this.
    async fn renewed(&self) {
        let fetched = self.fleet.wechat.fetches(APP).len();
        let served = self.fleet.caller(0).token(APP).await.version();
        for replica in 0..3 {
            let caller = self.fleet.caller(replica);
            eventually(
                "every replica serves the next token",
                LIFE * 2,
                async || {
                    self.fleet.wechat.fetches(APP).len() > fetched
                        && caller.token(APP).await.version() > served
                },
            )
            .await;
        }
    }

    /// What the readers got, and what WeChat saw.
    async fn judge(self, what: &str) {
        let Self { fleet, load, began } = self;
        let collected = load.stop().await;
        collected.assert_flawless(&fleet.wechat);
        let mut tokens = BTreeMap::new();
        for reply in collected.all() {
            let token = reply.token();
            let known = tokens
                .entry(reply.version())
                .or_insert_with(|| token.clone());
            assert_eq!(*known, token, "one version, two tokens");
        }
        let took = began.elapsed();
        let fetches = fleet.wechat.fetches(APP).len();
        println!(
            "{what}: {} replies of {} versions in {took:.0?}, {fetches} fetches",
            collected.all().count(),
            tokens.len()
        );
        // One each half life, the first, and a repair of what the store lost.
        let due = took.as_secs_f64() / (LIFE / 2).as_secs_f64();
        assert!((fetches as f64) < due + 3.0, "{fetches} in {took:?}");
        fleet.assert_in_order().await;
    }
}

#[test]
#[ignore = "takes a minute; make test-stores runs it"]
fn a_master_under_sentinels_is_killed() {
    timed(async || {
        let mut run = UnderLoad::on(Kind::Sentinel).await;
        let watched = run.fleet.redis.as_mut().expect("a Redis").watched();
        let port = watched.master().port();
        watched.master().kill();
        block_in_place(|| watched.wait_for_takeover(port));
        run.renewed().await;
        run.judge("a master killed under Sentinels").await;
    });
}

#[test]
#[ignore = "takes a minute; make test-stores runs it"]
fn a_master_under_sentinels_hands_over() {
    timed(async || {
        let mut run = UnderLoad::on(Kind::Sentinel).await;
        let watched = run.fleet.redis.as_mut().expect("a Redis").watched();
        block_in_place(|| watched.hand_over());
        run.renewed().await;
        run.judge("a master handed over under Sentinels").await;
    });
}

/// The replicas are kept from following, so that the one that takes over knows nothing of the latest token.
#[test]
#[ignore = "takes a minute; make test-stores runs it"]
fn a_failover_under_sentinels_loses_the_latest_token() {
    timed(async || {
        let mut run = UnderLoad::on(Kind::Sentinel).await;
        let watched = run.fleet.redis.as_mut().expect("a Redis").watched();
        let port = watched.master().port();
        // Sentinels choose nobody who has been without a master for long: all follows at once.
        tokio::time::sleep_until((run.began + SPACED).into()).await;
        watched.cut_replicas_off();
        let refresh = format!("/token/{APP}/refresh");
        let refreshed = run.fleet.caller(0).post(&refresh, json!({})).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        for replica in &run.fleet.replicas {
            let has_it =
                async || replica.caller().token(APP).await.version() == refreshed.version();
            eventually("every replica has the latest token", LIFE / 10, has_it).await;
        }
        let put_backs = run.fleet.metric("token_broker_put_backs_total", &[]).await;
        let watched = run.fleet.redis.as_mut().expect("a Redis").watched();
        watched.master().kill();
        block_in_place(|| watched.wait_for_takeover(port));

        eventually("a replica puts the lost token back", LIFE / 2, async || {
            run.fleet.metric("token_broker_put_backs_total", &[]).await > put_backs
        })
        .await;
        run.renewed().await;
        run.judge("a failover that lost the latest token").await;
    });
}

#[test]
#[ignore = "takes a minute; make test-stores runs it"]
fn the_master_of_the_apps_slot_in_a_cluster_hands_over_and_its_successor_is_killed() {
    timed(async || {
        let mut run = UnderLoad::on(Kind::Cluster).await;
        let cluster = run.fleet.redis.as_mut().expect("a Redis").cluster();
        let (master, _) = cluster.slot_of(&format!("{{{APP}}}"));
        cluster.fail_over(master);
        block_in_place(|| cluster.wait_for_takeover(master));
        run.renewed().await;

        let cluster = run.fleet.redis.as_mut().expect("a Redis").cluster();
        block_in_place(|| cluster.wait_for_return(master));
        let [old, new] = cluster.pair(master);
        new.kill();
        block_in_place(|| {
            crate::support::sentinel::wait_until("the first master takes over again", || {
                old.command(&["INFO", "replication"])
                    .contains("role:master")
            });
        });
        run.renewed().await;
        run.judge("a master of a cluster handed over, and killed")
            .await;
    });
}

#[test]
#[ignore = "takes a minute; make test-stores runs it"]
fn the_apps_slot_moves_through_a_cluster() {
    timed(async || {
        let mut run = UnderLoad::on(Kind::Cluster).await;
        let cluster = run.fleet.redis.as_mut().expect("a Redis").cluster();
        let (mut at, slot) = cluster.slot_of(&format!("{{{APP}}}"));
        for _ in 0..12 {
            let next = (at + 1) % cluster.masters().len();
            block_in_place(|| cluster.move_slot(slot, at, next));
            at = next;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        run.renewed().await;
        run.judge("a slot moved twelve times").await;
    });
}
