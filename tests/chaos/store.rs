//! The stores that a fleet may stand on, and what can be done to their servers.

use tempfile::TempDir;

use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::sentinel::{Watched, wait_until};
use crate::support::settings::StoreUnderTest;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// One Redis that writes nothing to its disk.
    Standalone,
    /// A master with two replicas under three Sentinels.
    Sentinel,
    /// Three masters with a replica each.
    Cluster,
    /// A file on a small disk, for one process.
    Embedded,
}

impl Kept {
    pub(crate) const ALL: [Self; 4] = [
        Self::Standalone,
        Self::Sentinel,
        Self::Cluster,
        Self::Embedded,
    ];
}

impl std::str::FromStr for Kept {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let same = |kept: &Self| format!("{kept:?}").eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(same).ok_or(())
    }
}

/// The store's servers.
pub(crate) enum Store {
    Standalone(RedisServer),
    Sentinel(Watched),
    Cluster(Cluster),
    Embedded(SmallDisk),
}

impl Store {
    /// Starts one of this kind; blocks until it is whole.
    pub(crate) fn start(kept: Kept) -> Self {
        match kept {
            Kept::Standalone => Self::Standalone(RedisServer::start()),
            Kept::Sentinel => Self::Sentinel(Watched::start()),
            Kept::Cluster => Self::Cluster(Cluster::start()),
            Kept::Embedded => Self::Embedded(SmallDisk::new()),
        }
    }

    /// What a broker is configured with that goes by this way.
    pub(crate) fn as_configured(&self, way: Option<&Proxy>) -> StoreUnderTest {
        let url = match self {
            Self::Embedded(disk) => {
                return StoreUnderTest::Embedded {
                    path: disk.path().join("broker.redb"),
                };
            }
            Self::Standalone(redis) => way.map_or_else(|| redis.url(), Proxy::url),
            Self::Sentinel(watched) => watched.url(),
            Self::Cluster(cluster) => cluster.url(),
        };
        StoreUnderTest::Redis {
            url,
            // What the ACL of the watched servers and the cluster's allows.
            namespace: "test".to_owned(),
        }
    }

    /// Whoever is master, or master of a part of a cluster.
    fn master(&mut self, part: usize) -> Option<&mut RedisServer> {
        match self {
            Self::Standalone(redis) => Some(redis),
            Self::Sentinel(watched) => Some(watched.master()),
            Self::Cluster(cluster) => cluster.pair(part).into_iter().find(|node| is_master(node)),
            Self::Embedded(_) => None,
        }
    }

    /// Kills a master, and waits until another has taken its place, where there is one.
    pub(crate) fn kill_master(&mut self, part: usize) {
        let Some(master) = self.master(part) else {
            return;
        };
        let port = master.port();
        master.kill();
        match self {
            Self::Sentinel(watched) => watched.wait_for_takeover(port),
            Self::Cluster(cluster) => {
                let [one, other] = cluster.pair(part);
                let heir = if one.port() == port { other } else { one };
                wait_until("a replica takes over", || is_master(heir));
            }
            Self::Standalone(_) | Self::Embedded(_) => {}
        }
    }

    /// Starts whatever was killed, as a machine that comes back does.
    pub(crate) fn revive(&mut self, part: usize) {
        match self {
            Self::Standalone(redis) => redis.restart(),
            Self::Sentinel(watched) => watched.servers().iter_mut().for_each(revive),
            Self::Cluster(cluster) => cluster.pair(part).into_iter().for_each(revive),
            Self::Embedded(_) => {}
        }
    }

    /// Stops a master as a paused machine would.
    pub(crate) fn pause_master(&mut self, part: usize) {
        if let Some(master) = self.master(part) {
            master.pause();
        }
    }

    /// Lets every server go on.
    pub(crate) fn resume(&mut self, part: usize) {
        match self {
            Self::Standalone(redis) => redis.resume(),
            Self::Sentinel(watched) => watched.servers().iter().for_each(RedisServer::resume),
            Self::Cluster(cluster) => cluster.pair(part).iter().for_each(|node| node.resume()),
            Self::Embedded(_) => {}
        }
    }

    /// A replica takes the place of its master, as an operator asks. One that cannot yet does not.
    pub(crate) fn hand_over(&mut self, part: usize) {
        match self {
            Self::Sentinel(watched) => watched.hand_over(),
            Self::Cluster(cluster) => {
                let replica = cluster.pair(part).into_iter().find(|node| !is_master(node));
                if let Some(replica) = replica {
                    replica.command(&["CLUSTER", "FAILOVER"]);
                    wait_until("a replica takes over", || is_master(replica));
                }
            }
            Self::Standalone(_) | Self::Embedded(_) => {}
        }
    }

    /// Forgets all data, where it is one server.
    pub(crate) fn flush(&self) {
        if let Self::Standalone(redis) = self {
            redis.flush();
        }
    }
}

fn is_master(node: &RedisServer) -> bool {
    node.is_running()
        && node
            .command(&["INFO", "replication"])
            .contains("role:master")
}

fn revive(server: &mut RedisServer) {
    if !server.is_running() {
        server.restart();
    }
}

/// A directory on a disk that can be filled: a small one in memory where the system lets us make it.
pub(crate) struct SmallDisk {
    directory: TempDir,
    mounted: bool,
}

impl SmallDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(directory.path())
            .status();
        let mounted = mount.is_ok_and(|status| status.success());
        Self { directory, mounted }
    }

    fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Fills it. Answers whether it could be.
    pub(crate) fn fill(&self) -> bool {
        use std::io::Write as _;
        if !self.mounted {
            return false;
        }
        let file = std::fs::File::create(self.path().join("filler"));
        let mut file = file.expect("the filler is made");
        // One block after the other, until there is no room for another.
        while file.write_all(&[0; 4096]).is_ok() {}
        true
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        let _ = std::fs::remove_file(self.path().join("filler"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let path = self.directory.path();
            // The broker, which ends a little later, may have a file open on it.
            let _ = std::process::Command::new("umount")
                .arg("-l")
                .arg(path)
                .status();
        }
    }
}
