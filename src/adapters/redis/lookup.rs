//! Asking where the servers are: Sentinels for a master, or nodes for the map of their cluster.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rand::seq::SliceRandom as _;
use redis::{RedisResult, Value};
use tokio::time::timeout;

use super::dialer::Dialer;
use super::fault::Fault;
use super::servers::Servers;
use super::slots::SlotMap;
use super::topology::Map;
use crate::ports::StoreError;
use crate::redis_url::{Address, Place};

/// Who knows where the servers are.
pub(super) enum Guide {
    /// Nobody needs to be asked.
    Nobody,
    /// Sentinels, for a master.
    Sentinels(Box<Sentinels>),
    /// These nodes of a cluster, and those that they name.
    Nodes(Vec<Address>),
}

/// The Sentinels, and what they are asked.
pub(super) struct Sentinels {
    sentinels: Vec<Address>,
    master: String,
    dialer: Dialer,
}

impl Guide {
    pub(super) fn new(place: Place, dialer: &Dialer) -> Self {
        match place {
            Place::Server(_) => Self::Nobody,
            Place::Sentinel {
                sentinels,
                master,
                login,
            } => Self::Sentinels(Box::new(Sentinels {
                sentinels,
                master,
                dialer: dialer.logged_in_as(&login),
            })),
            Place::Cluster(seeds) => Self::Nodes(seeds),
        }
    }

    /// Whom the configuration names.
    pub(super) fn seeds(&self) -> &[Address] {
        match self {
            Self::Nobody => &[],
            Self::Sentinels(sentinels) => &sentinels.sentinels,
            Self::Nodes(seeds) => seeds,
        }
    }
}

impl Servers {
    /// Asks in random order, so that one that is wrong is not asked first for ever; the next as soon as the
    /// last has failed or is slow.
    ///
    /// # Errors
    /// The last one's, and whose it is, where none knows.
    pub(super) async fn look(&self) -> Result<Map, (Address, Fault)> {
        let mut to_ask = self.to_ask();
        to_ask.shuffle(&mut rand::rng());
        let slow = self.reply_timeout() / 4;
        let mut asked = FuturesUnordered::new();
        let mut last = None;
        loop {
            match to_ask.pop() {
                Some(address) => asked.push(self.ask(address)),
                None if asked.is_empty() => {
                    let nobody = || (Address::default(), Fault::silence("there is nobody to ask"));
                    return Err(last.unwrap_or_else(nobody));
                }
                None => {}
            }
            let answer = if to_ask.is_empty() {
                asked.next().await
            } else {
                timeout(slow, asked.next()).await.ok().flatten()
            };
            match answer {
                Some(Ok(map)) => return Ok(map),
                Some(Err(fault)) => last = Some(fault),
                None => {}
            }
        }
    }

    fn to_ask(&self) -> Vec<Address> {
        let known = match &self.guide {
            Guide::Nodes(_) => self.topology().last(),
            Guide::Nobody | Guide::Sentinels(_) => None,
        };
        let known = known.iter().flat_map(|map| map.nodes());
        let mut all: Vec<_> = known.chain(self.guide.seeds()).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    async fn ask(&self, whom: Address) -> Result<Map, (Address, Fault)> {
        let answer = match &self.guide {
            Guide::Sentinels(sentinels) => sentinels.ask(&whom).await,
            Guide::Nobody | Guide::Nodes(_) => self.ask_node(&whom).await,
        };
        answer.map_err(|fault| (whom, fault))
    }

    async fn ask_node(&self, node: &Address) -> Result<Map, Fault> {
        let pool = self.pool(node).map_err(|error| Fault {
            error,
            advice: "store.pool_size",
        })?;
        let mut connection = pool.get().await?;
        let slots = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
        let answer: RedisResult<Value> = slots.query_async(&mut *connection).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("ERR") => {
                return Err(Fault {
                    error: StoreError::Refused("it is not part of a cluster".to_owned()),
                    advice: "store.url: write redis:// or redis+sentinel://, or name nodes of a cluster",
                });
            }
            Err(error) => {
                connection.close();
                return Err(error.into());
            }
        };
        let map = SlotMap::read(&answer, node);
        map.map(Map::Shared).ok_or_else(|| Fault {
            error: StoreError::Away("this node knows of no slots".to_owned()),
            advice: "store.url: is this node part of a cluster that is set up?",
        })
    }
}

impl Sentinels {
    async fn ask(&self, whom: &Address) -> Result<Map, Fault> {
        let mut connection = self.dialer.connect(whom).await?;
        let address: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(&self.master)
            .query_async(&mut connection)
            .await?;
        match address {
            Some((host, port)) => Ok(Map::One(Address { host, port })),
            None => Err(Fault {
                error: StoreError::Refused("this Sentinel knows no master of that name".to_owned()),
                advice: "store.url: the path names the master as the Sentinels do",
            }),
        }
    }
}
