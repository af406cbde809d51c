//! A master, two replicas, and three Sentinels that watch them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::redis::{ACL, RedisOptions, RedisServer};

/// What they call the master.
const MASTER: &str = "main";

/// All six processes. The broker has an ACL user on the servers, and a password at the Sentinels.
pub(crate) struct Watched {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl Watched {
    /// Starts all, and waits until they know each other and are in sync.
    pub(crate) fn start() -> Self {
        let server = |replica_of| {
            RedisServer::start_with(RedisOptions {
                replica_of,
                lines: vec![format!("user broker on >pw {ACL}")],
                ..RedisOptions::default()
            })
        };
        let master = server(None);
        let port = master.port();
        let servers = vec![master, server(Some(port)), server(Some(port))];
        let watch = [
            format!("sentinel monitor {MASTER} 127.0.0.1 {port} 2"),
            format!("sentinel down-after-milliseconds {MASTER} 1500"),
            format!("sentinel failover-timeout {MASTER} 6000"),
            format!("sentinel parallel-syncs {MASTER} 2"),
        ];
        let in_sync = || {
            let info = servers[0].command(&["INFO", "replication"]);
            info.matches("state=online").count() == 2
        };
        wait_until("the replicas follow", in_sync);
        let sentinel = || {
            RedisServer::start_with(RedisOptions {
                is_sentinel: true,
                password: Some("watch".to_owned()),
                lines: watch.to_vec(),
                ..RedisOptions::default()
            })
        };
        let sentinels = vec![sentinel(), sentinel(), sentinel()];
        let know_each_other = || {
            sentinels.iter().all(|sentinel| {
                let told = sentinel.command(&["SENTINEL", "MASTER", MASTER]);
                ["num-slaves", "num-other-sentinels"]
                    .iter()
                    .all(|count| told.contains(&format!("{count}\r\n$1\r\n2\r\n")))
            })
        };
        wait_until("the Sentinels know each other", know_each_other);
        Self { servers, sentinels }
    }

    /// What a broker is configured with.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        let hosts = hosts.join(",");
        format!("redis+sentinel://broker:pw@{hosts}/{MASTER}/0?sentinel_password=watch")
    }

    /// The server that the Sentinels call master.
    pub(crate) fn master(&mut self) -> &mut RedisServer {
        let told = self.sentinels[0].command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
        let mut servers = self.servers.iter_mut();
        servers
            .find(|server| told.contains(&format!("\r\n{}\r\n", server.port())))
            .unwrap_or_else(|| panic!("no master: {told}"))
    }

    /// Forgets all data.
    pub(crate) fn flush(&self) {
        let is_master = |server: &&RedisServer| {
            let info = server.command(&["INFO", "replication"]);
            info.contains("role:master")
        };
        self.servers
            .iter()
            .filter(is_master)
            .for_each(RedisServer::flush);
    }

    /// All servers, whoever is master.
    pub(crate) fn servers(&mut self) -> &mut [RedisServer] {
        &mut self.servers
    }

    /// Waits until the Sentinels name another master than the one at `port`.
    pub(crate) fn wait_for_takeover(&self, port: u16) {
        let named = format!("\r\n{port}\r\n");
        wait_until("a replica takes over", || {
            self.sentinels.iter().all(|sentinel| {
                let told = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
                !told.contains(&named)
            })
        });
    }

    /// Keeps the replicas from following: whichever takes over knows nothing of what is written from now on.
    pub(crate) fn cut_replicas_off(&mut self) {
        let master = self.master().port();
        for replica in self.servers.iter().filter(|server| server.port() != master) {
            for (name, value) in [("masteruser", "nobody"), ("masterauth", "wrong")] {
                assert_eq!(replica.command(&["CONFIG", "SET", name, value]), "+OK\r\n");
            }
        }
        let master = self.master();
        master.command(&["CLIENT", "KILL", "TYPE", "replica"]);
        wait_until("no replica follows", || {
            let info = master.command(&["INFO", "replication"]);
            info.contains("connected_slaves:0")
        });
    }

    /// Has a replica take the master's place, as an operator does: asks again where the Sentinels gave up, as
    /// they do while no replica is up to date.
    pub(crate) fn hand_over(&mut self) {
        let port = self.master().port();
        let named = format!("\r\n{port}\r\n");
        wait_until("the asked Sentinel names another master", || {
            let told = self.sentinels[0].command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
            if told.contains(&named) {
                self.sentinels[0].command(&["SENTINEL", "FAILOVER", MASTER]);
            }
            !told.contains(&named)
        });
        self.wait_for_takeover(port);
    }
}

/// Waits for a fact about servers, at most half a minute.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        sleep(Duration::from_millis(20));
    }
}
