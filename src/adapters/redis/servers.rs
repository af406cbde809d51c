//! All servers of one store: who has a slot, and a connection to it.
//!
//! Every server has a pool of its own, whichever way it was found, so that time-outs, TLS and `WAIT` on the
//! connection that wrote are the same for one server, for Sentinel and for a cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use redis::RedisResult;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::Instant;

use super::dialer::Dialer;
use super::fault::{Complaints, Fault};
use super::inspection::Inspection;
use super::lookup::Guide;
use super::pool::{Connection, Pool, PoolMaker};
use super::settings::{RedisSettings, SettingsError};
use super::topology::{Map, Topology};
use crate::ports::StoreError;
use crate::redis_url::{Address, Place};

/// The servers of one store.
pub(super) struct Servers {
    pub(super) guide: Guide,
    topology: Topology,
    /// Held while looking, so that one looks and the others wait for what it finds.
    looking: tokio::sync::Mutex<()>,
    pools: Mutex<HashMap<Address, Pool>>,
    maker: PoolMaker,
    dialer: Dialer,
    inspection: Arc<Inspection>,
    complaints: Complaints,
    patience: Duration,
    reply_timeout: Duration,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("pools", &self.pools)
            .finish_non_exhaustive()
    }
}

impl Servers {
    /// Prepares; nothing is connected yet.
    ///
    /// # Errors
    /// Says which setting cannot be used.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, SettingsError> {
        let target = settings.check()?;
        let dialer = Dialer::new(settings, &target)?;
        let map = match &target.place {
            Place::Server(address) => Some(Map::One(address.clone())),
            Place::Sentinel { .. } | Place::Cluster(_) => None,
        };
        let guide = Guide::new(target.place, &dialer);
        let inspection = Arc::new(Inspection::default());
        let must_be_master = matches!(guide, Guide::Sentinels(_));
        Ok(Self {
            topology: Topology::new(map),
            looking: tokio::sync::Mutex::default(),
            pools: Mutex::default(),
            maker: PoolMaker::new(
                settings,
                dialer.clone(),
                Arc::clone(&inspection),
                must_be_master,
            ),
            guide,
            dialer,
            inspection,
            complaints: Complaints::default(),
            patience: settings.connect_timeout + settings.reply_timeout,
            reply_timeout: settings.reply_timeout,
        })
    }

    /// When a call that begins now is given up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    pub(super) const fn reply_timeout(&self) -> Duration {
        self.reply_timeout
    }

    /// Whether servers may change places, so that it is worth asking where they are.
    pub(super) const fn may_move(&self) -> bool {
        !matches!(self.guide, Guide::Nobody)
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.guide, Guide::Nodes(_))
    }

    pub(super) const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Whether any server may throw records away.
    pub(super) fn evicts(&self) -> bool {
        self.inspection.evicts()
    }

    /// Where the servers are, asking first where that is not known or in doubt. An old map is better than
    /// none: most of a cluster goes on when one node does not.
    pub(super) async fn map(&self) -> Result<Arc<Map>, StoreError> {
        if let Some(map) = self.topology.trusted() {
            return Ok(map);
        }
        let _one_looks = self.looking.lock().await;
        if let Some(map) = self.topology.trusted() {
            return Ok(map);
        }
        self.topology.looking();
        match self.look().await {
            Ok(map) => {
                let map = self.topology.learn(map);
                self.forget_all_but(&map);
                Ok(map)
            }
            Err((asked, fault)) => {
                self.complaints.tell(&asked, &fault);
                self.topology.last().ok_or(fault.error)
            }
        }
    }

    /// Which server has this slot.
    pub(super) async fn owner(&self, slot: u16) -> Result<Address, StoreError> {
        let map = self.map().await?;
        let owner = map.owner(slot).cloned();
        owner.ok_or_else(|| {
            self.topology.doubt();
            nobody_has_it()
        })
    }

    /// A connection to one server that nobody else uses.
    pub(super) async fn connect(&self, to: &Address) -> Result<Connection, StoreError> {
        let pool = self.pool(to)?;
        pool.get().await.map_err(|fault| self.complain(to, fault))
    }

    /// A connection to one server that others use at the same time.
    pub(super) async fn join(&self, to: &Address) -> Result<Connection, StoreError> {
        let pool = self.pool(to)?;
        pool.join().await.map_err(|fault| self.complain(to, fault))
    }

    /// The idle connections to a server that broke one are as old, and go too.
    pub(super) fn distrust(&self, server: &Address) {
        self.topology.doubt();
        if let Ok(pool) = self.pool(server) {
            pool.clear();
        }
    }

    /// Tells people of a fault; what it means.
    pub(super) fn complain(&self, server: &Address, fault: Fault) -> StoreError {
        self.complaints.tell(server, &fault);
        fault.error
    }

    /// What was wrong lately, and which key of the configuration to look at.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaints.latest()
    }

    /// Some server to listen on: signals reach every one.
    pub(super) async fn to_listen_on(&self) -> Result<Address, StoreError> {
        match &*self.map().await? {
            Map::One(address) => Ok(address.clone()),
            Map::Shared(map) => {
                let mut masters: Vec<_> = map.masters().into_iter().collect();
                masters.shuffle(&mut rand::rng());
                masters.pop().cloned().ok_or_else(nobody_has_it)
            }
        }
    }

    /// A connection to listen on.
    pub(super) async fn listen(&self, to: &Address) -> RedisResult<PubSub> {
        self.dialer.listen(to).await
    }

    /// Whether a server is still one to listen on, as seen by a look not older than `age`.
    pub(super) async fn is_still_there(&self, server: &Address, age: Duration) -> bool {
        if !self.may_move() {
            return true;
        }
        self.topology.doubt_older_than(age);
        match self.map().await {
            Ok(map) => map.nodes().contains(&server),
            Err(_) => true,
        }
    }

    /// Counts how often a server that took changes was replaced.
    pub(super) fn failovers(&self) -> watch::Receiver<u64> {
        self.topology.failovers()
    }

    pub(super) fn pool(&self, of: &Address) -> Result<Pool, StoreError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(of) {
            return Ok(pool.clone());
        }
        let pool = self.maker.pool(of);
        let pool = pool.map_err(|error| StoreError::Away(error.to_string()))?;
        pools.insert(of.clone(), pool.clone());
        Ok(pool)
    }

    fn forget_all_but(&self, map: &Map) {
        let nodes = map.nodes();
        let seeds = self.guide.seeds();
        let ours = |server: &Address| nodes.contains(&server) || seeds.contains(server);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|server, _| ours(server));
        drop(pools);
        self.inspection.keep(ours);
    }
}

fn nobody_has_it() -> StoreError {
    StoreError::Away("no node of the cluster has this slot".to_owned())
}
