//! A cluster of three masters with a replica each.

use super::redis::{ACL, RedisOptions, RedisServer};
use super::sentinel::wait_until;

const SLOTS: u16 = 16384;
const MASTERS: u16 = 3;

/// Six nodes: masters first, then the replica of each. The broker has an ACL user on them.
pub(crate) struct Cluster {
    nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts all, and waits until every node says that the cluster is whole and in sync.
    pub(crate) fn start() -> Self {
        let node = |_| {
            RedisServer::start_with(RedisOptions {
                is_node: true,
                lines: vec![
                    "cluster-node-timeout 1500".to_owned(),
                    "cluster-replica-validity-factor 0".to_owned(),
                    format!("user broker on >pw {ACL}"),
                ],
                ..RedisOptions::default()
            })
        };
        let nodes: Vec<_> = (0..2 * MASTERS).map(node).collect();
        let masters = usize::from(MASTERS);
        for (index, master) in (0..MASTERS).zip(&nodes) {
            let slots = |of: u16| u32::from(of) * u32::from(SLOTS) / u32::from(MASTERS);
            let held: Vec<_> = (slots(index)..slots(index + 1))
                .map(|slot| slot.to_string())
                .collect();
            let words = ["CLUSTER", "ADDSLOTS"].into_iter();
            let words: Vec<_> = words.chain(held.iter().map(String::as_str)).collect();
            assert_eq!(master.command(&words), "+OK\r\n");
            // Otherwise all claim the same, and the cluster sorts that out in its own time.
            let epoch = (index + 1).to_string();
            master.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
        }
        for node in &nodes[1..] {
            let port = node.port().to_string();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port]);
        }
        let all = |says: &str| {
            nodes
                .iter()
                .all(|node| node.command(&["CLUSTER", "INFO"]).contains(says))
        };
        wait_until("all nodes have met", || all("cluster_known_nodes:6"));
        for (master, replica) in nodes.iter().zip(&nodes[masters..]) {
            let master = id(master);
            wait_until("a replica follows", || {
                replica.command(&["CLUSTER", "REPLICATE", &master]) == "+OK\r\n"
            });
        }
        let is_in_sync = |master: &RedisServer| {
            let info = master.command(&["INFO", "replication"]);
            info.contains("state=online")
        };
        let knows_replicas = |node: &RedisServer| {
            let told = node.command(&["CLUSTER", "NODES"]);
            told.matches("slave ").count() == masters
        };
        wait_until("the cluster is whole", || {
            all("cluster_state:ok")
                && nodes[..masters].iter().all(is_in_sync)
                && nodes.iter().all(knows_replicas)
        });
        Self { nodes }
    }

    /// What a broker is configured with: not all nodes, as people write it.
    pub(crate) fn url(&self) -> String {
        let (a, b) = (self.nodes[0].port(), self.nodes[4].port());
        format!("redis+cluster://broker:pw@127.0.0.1:{a},127.0.0.1:{b}")
    }

    /// One of the first masters.
    pub(crate) fn master(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// One of the first masters and the node that began as its replica.
    pub(crate) fn pair(&mut self, index: usize) -> [&mut RedisServer; 2] {
        let (masters, replicas) = self.nodes.split_at_mut(usize::from(MASTERS));
        [&mut masters[index], &mut replicas[index]]
    }

    /// The first masters.
    pub(crate) fn masters(&self) -> &[RedisServer] {
        &self.nodes[..usize::from(MASTERS)]
    }

    /// Makes the replica of a master take its place, as an operator does.
    pub(crate) fn fail_over(&self, index: usize) {
        let replica = &self.nodes[index + usize::from(MASTERS)];
        assert_eq!(replica.command(&["CLUSTER", "FAILOVER"]), "+OK\r\n");
    }

    /// Waits until the replica of a first master has taken its place.
    pub(crate) fn wait_for_takeover(&self, index: usize) {
        let replica = &self.nodes[index + usize::from(MASTERS)];
        wait_until("a replica takes over", || {
            let info = replica.command(&["INFO", "replication"]);
            info.contains("role:master")
        });
    }

    /// Waits until a first master whose replica has taken its place follows that one.
    pub(crate) fn wait_for_return(&self, index: usize) {
        let master = &self.nodes[index];
        wait_until("the former master follows", || {
            let info = master.command(&["INFO", "replication"]);
            info.contains("role:slave") && info.contains("master_link_status:up")
        });
    }

    /// Which master holds the slot of a key, and which slot that is.
    pub(crate) fn slot_of(&self, key: &str) -> (usize, u16) {
        let told = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        let slot: u16 = told
            .trim_matches([':', '\r', '\n'])
            .parse()
            .unwrap_or_else(|_| panic!("no slot: {told}"));
        // As `start` has shared them out.
        let holds = |master: &u16| {
            u32::from(slot) < (u32::from(*master) + 1) * u32::from(SLOTS) / u32::from(MASTERS)
        };
        let master = (0..MASTERS).find(holds).unwrap_or_default();
        (usize::from(master), slot)
    }

    /// Moves a slot with its keys, as `redis-cli --cluster reshard` does.
    pub(crate) fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (id(source), id(target));
        let (slot, port) = (slot.to_string(), target.port().to_string());
        let set = |node: &RedisServer, what: &str, whose: &str| {
            let told = node.command(&["CLUSTER", "SETSLOT", &slot, what, whose]);
            assert_eq!(told, "+OK\r\n");
        };
        set(target, "IMPORTING", &source_id);
        set(source, "MIGRATING", &target_id);
        loop {
            let told = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
            let keys: Vec<_> = told
                .lines()
                .filter(|line| !line.starts_with(['*', '$']))
                .collect();
            if keys.is_empty() {
                break;
            }
            let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let words: Vec<_> = words.into_iter().chain(keys).collect();
            assert_eq!(source.command(&words), "+OK\r\n");
        }
        for node in [target, source] {
            set(node, "NODE", &target_id);
        }
    }
}

fn id(node: &RedisServer) -> String {
    let told = node.command(&["CLUSTER", "MYID"]);
    told.lines().nth(1).unwrap_or_default().to_owned()
}
