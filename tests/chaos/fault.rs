//! The faults: which there are, how each is inflicted and ended, and what it excuses.

use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use serde_json::json;
use tokio::task::block_in_place;
use wechat_simulator::{Endpoint, Fault as WeChatFault, FaultKind, Garbage};

use crate::ground::Ground;
use crate::judge::Excuse;
use crate::store::{Kept, Store};
use crate::support::proxy::Hold;

/// What can go wrong. A number names a replica, or one of the cluster's masters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// `kill -9`; another process takes its place.
    Killed(usize),
    /// SIGTERM, as in a rollout.
    Replaced(usize),
    /// SIGSTOP.
    Stopped(usize),
    /// Its wall clock is so many seconds off.
    ClockOff(usize, i64),
    /// It may open no more than a few files.
    FewFiles(usize),
    /// Its connections to the store are cut and refused.
    StoreCut(usize),
    /// They carry nothing.
    StoreFrozen(usize),
    /// Each answer of the store is late.
    StoreSlow(usize, Duration),
    /// Changes arrive at the store a second time, later.
    StoreRepeats(usize, Duration),
    /// One kind of change stops on its way to the store, or its answer on the way back.
    Held(usize, &'static str, Hold),
    /// The store forgets everything.
    Flushed,
    /// The store's process, or its master, is killed, and comes back.
    StoreKilled(usize),
    /// The store's process, or its master, stands still.
    StorePaused(usize),
    /// The master hands over, as an operator asks.
    HandedOver(usize),
    /// The embedded store's disk is full.
    DiskFull,
    /// WeChat refuses connections.
    WeChatAway,
    /// WeChat answers every call like this, and acts on none.
    WeChatSays(FaultKind),
    /// WeChat acts on one fetch, and its answer is lost or spoiled.
    FetchLost(FaultKind),
    /// Somebody else fetches, so often.
    Foreign(usize),
    /// Many callers report the token that is in use.
    Reported(usize),
}

/// Faults of different kinds may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Replica,
    Store,
    WeChat,
    Callers,
}

impl Fault {
    /// Draws one that this ground can have.
    pub(crate) fn draw(random: &mut StdRng, kept: Kept) -> Self {
        let replica = match kept {
            Kept::Embedded => 0,
            _ => random.random_range(0..3),
        };
        match random.random_range(0..10) {
            0..=2 => Self::of_replica(random, replica),
            3..=5 => Self::of_store(random, kept, replica),
            6..=7 => Self::of_wechat(random),
            8 => Self::Foreign(random.random_range(1..=2)),
            _ => Self::Reported(replica),
        }
    }

    fn of_replica(random: &mut StdRng, replica: usize) -> Self {
        match random.random_range(0..5) {
            0 => Self::Killed(replica),
            1 => Self::Replaced(replica),
            2 => Self::Stopped(replica),
            3 => {
                let off = random.random_range(-7200..=7200);
                Self::ClockOff(replica, off)
            }
            _ => Self::FewFiles(replica),
        }
    }

    fn of_store(random: &mut StdRng, kept: Kept, replica: usize) -> Self {
        let late = Duration::from_millis(random.random_range(50..=900));
        let kind = random.next_u32() as usize;
        match kept {
            Kept::Standalone => match kind % 9 {
                0 => Self::StoreCut(replica),
                1 => Self::StoreFrozen(replica),
                2 => Self::StoreSlow(replica, late),
                3 => Self::StoreRepeats(replica, late),
                4 => Self::Held(replica, "begin", Hold::Reply),
                5 => Self::Held(replica, "commit", Hold::Request),
                6 => Self::Held(replica, "commit", Hold::Reply),
                7 => Self::Flushed,
                _ => Self::StoreKilled(0),
            },
            Kept::Sentinel => match kind % 3 {
                0 => Self::StoreKilled(0),
                1 => Self::StorePaused(0),
                _ => Self::HandedOver(0),
            },
            Kept::Cluster => match kind % 3 {
                0 => Self::StoreKilled(replica),
                1 => Self::StorePaused(replica),
                _ => Self::HandedOver(replica),
            },
            Kept::Embedded => Self::DiskFull,
        }
    }

    fn of_wechat(random: &mut StdRng) -> Self {
        match random.random_range(0..10) {
            0 => Self::WeChatAway,
            1 => Self::WeChatSays(FaultKind::Errcode(-1)),
            2 => Self::WeChatSays(FaultKind::Status(502)),
            3 => Self::WeChatSays(FaultKind::Hang { acts: false }),
            4 => Self::WeChatSays(FaultKind::CutBefore),
            5 => Self::FetchLost(FaultKind::ActThenCut),
            6 => Self::FetchLost(FaultKind::HalfReply),
            7 => Self::FetchLost(FaultKind::ActThenDelay(Duration::from_secs(2))),
            8 => Self::FetchLost(FaultKind::Hang { acts: true }),
            _ => {
                let what = Garbage::ALL[random.random_range(0..Garbage::ALL.len())];
                Self::FetchLost(FaultKind::Garbage { what, acts: true })
            }
        }
    }

    /// Which kind it is.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Killed(_)
            | Self::Replaced(_)
            | Self::Stopped(_)
            | Self::ClockOff(..)
            | Self::FewFiles(_) => Kind::Replica,
            Self::StoreCut(_)
            | Self::StoreFrozen(_)
            | Self::StoreSlow(..)
            | Self::StoreRepeats(..)
            | Self::Held(..)
            | Self::Flushed
            | Self::StoreKilled(_)
            | Self::StorePaused(_)
            | Self::HandedOver(_)
            | Self::DiskFull => Kind::Store,
            Self::WeChatAway | Self::WeChatSays(_) | Self::FetchLost(_) | Self::Foreign(_) => {
                Kind::WeChat
            }
            Self::Reported(_) => Kind::Callers,
        }
    }

    /// What it excuses while it lasts and until it is settled.
    pub(crate) fn excuse(self) -> Excuse {
        match self {
            Self::Foreign(_) => Excuse::FOREIGN,
            Self::FewFiles(replica) => Excuse {
                unanswered: Some(replica),
                ..Excuse::NONE
            },
            _ => Excuse::NONE,
        }
    }

    /// Inflicts it. Answers whether this machine can.
    pub(crate) async fn inflict(self, ground: &mut Ground) -> bool {
        match self {
            Self::Killed(replica) => ground.replicas[replica].kill(),
            Self::Replaced(replica) => ground.replicas[replica].stop().await,
            Self::Stopped(replica) => ground.replicas[replica].freeze(),
            Self::ClockOff(replica, off) => return ground.replicas[replica].set_clock(off),
            Self::FewFiles(replica) => ground.replicas[replica].limit_files(Some(1)),
            Self::StoreCut(replica) => ground.way(replica).cut(),
            Self::StoreFrozen(replica) => ground.way(replica).freeze(),
            Self::StoreSlow(replica, late) => ground.way(replica).delay(late),
            Self::StoreRepeats(replica, late) => ground.way(replica).repeat(Some(late)),
            Self::Held(replica, script, hold) => {
                ground.way(replica).hold(script, hold);
                ground.ask_for_refresh(replica).await;
            }
            Self::Flushed => ground.store.flush(),
            Self::StoreKilled(master) => block_in_place(|| ground.store.kill_master(master)),
            Self::StorePaused(master) => ground.store.pause_master(master),
            Self::HandedOver(master) => block_in_place(|| ground.store.hand_over(master)),
            Self::DiskFull => match &ground.store {
                Store::Embedded(disk) => return disk.fill(),
                _ => return false,
            },
            Self::WeChatAway => {
                let paused = ground.wechat.pause_listening().await;
                paused.expect("the simulator stops listening");
            }
            Self::WeChatSays(kind) => {
                ground.wechat.faults().add(WeChatFault::new(kind));
            }
            Self::FetchLost(kind) => {
                let lost = WeChatFault::new(kind).on(Endpoint::Token);
                ground.wechat.faults().add(lost.once());
                ground.ask_for_refresh(0).await;
            }
            Self::Foreign(times) => {
                let app = &ground.apps[0].appid;
                for _ in 0..times {
                    ground.wechat.foreign_fetch(app);
                }
            }
            Self::Reported(replica) => report(ground, replica).await,
        }
        true
    }

    /// Ends it.
    pub(crate) async fn end(self, ground: &mut Ground) {
        match self {
            Self::Killed(replica) | Self::Replaced(replica) => {
                ground.replicas[replica].start_again().await;
            }
            Self::Stopped(replica) => ground.replicas[replica].thaw(),
            Self::ClockOff(replica, _) => drop(ground.replicas[replica].set_clock(0)),
            Self::FewFiles(replica) => ground.replicas[replica].limit_files(None),
            Self::StoreCut(replica) | Self::StoreFrozen(replica) => ground.way(replica).heal(),
            Self::StoreSlow(replica, _) => ground.way(replica).delay(Duration::ZERO),
            Self::StoreRepeats(replica, _) => ground.way(replica).repeat(None),
            Self::Held(replica, ..) => ground.way(replica).let_go(),
            Self::StoreKilled(master) => block_in_place(|| ground.store.revive(master)),
            Self::StorePaused(master) => ground.store.resume(master),
            Self::DiskFull => {
                if let Store::Embedded(disk) = &ground.store {
                    disk.empty();
                }
            }
            Self::WeChatAway => {
                let resumed = ground.wechat.resume_listening().await;
                resumed.expect("the simulator listens again");
            }
            Self::WeChatSays(_) | Self::FetchLost(_) => ground.wechat.faults().clear(),
            Self::Flushed | Self::HandedOver(_) | Self::Foreign(_) | Self::Reported(_) => {}
        }
    }
}

/// Many callers say at once that the token in use was refused.
async fn report(ground: &Ground, replica: usize) {
    let app = &ground.apps[0].appid;
    let caller = ground.replicas[replica].caller().await;
    let path = format!("/token/{app}");
    let Ok(reply) = caller.try_send("GET", &path, None).await else {
        return;
    };
    if reply.status != 200 {
        return;
    }
    let body = json!({ "access_token": reply.token() });
    let path = format!("/token/{app}/report");
    let reports = (0..50).map(|_| caller.try_send("POST", &path, Some(body.clone())));
    for answer in join_all(reports).await {
        drop(answer);
    }
}
