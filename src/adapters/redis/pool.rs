//! Connections to one server, kept for reuse: every wait has a bound, and none is handed out unseen.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, Timeouts};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::dialer::Dialer;
use super::fault::Fault;
use super::inspection::{Facts, Inspection};
use super::settings::{RedisSettings, SettingsError};
use crate::ports::StoreError;
use crate::redis_url::Address;

/// How long a connection is used: the next one looks at the server anew.
const MAX_AGE: Duration = Duration::from_secs(600);

/// How long a connection that was in use passes for one that answers: whatever ended it since then is as likely to
/// end it right after a question.
const SEEN_LATELY: Duration = Duration::from_millis(100);

/// One server, as the pool makes connections to it.
struct Server {
    address: Address,
    dialer: Dialer,
    inspection: Arc<Inspection>,
    /// Whether a replica at this address means that we were sent to the wrong machine.
    must_be_master: bool,
}

/// Connections to one server.
#[derive(Clone)]
pub(super) struct Pool(managed::Pool<Server>);

/// A connection that has answered lately. It goes back to its pool when it is dropped.
pub(super) struct Connection(Object<Server>);

/// Makes pools, all alike.
#[derive(Clone)]
pub(super) struct PoolMaker {
    dialer: Dialer,
    inspection: Arc<Inspection>,
    must_be_master: bool,
    size: usize,
    timeouts: Timeouts,
}

impl PoolMaker {
    pub(super) fn new(
        settings: &RedisSettings,
        dialer: Dialer,
        inspection: Arc<Inspection>,
        must_be_master: bool,
    ) -> Self {
        Self {
            dialer,
            inspection,
            must_be_master,
            size: settings.pool_size,
            timeouts: Timeouts {
                wait: Some(settings.reply_timeout),
                create: Some(settings.connect_timeout),
                recycle: Some(settings.reply_timeout),
            },
        }
    }

    /// A pool for one server; nothing is connected yet.
    ///
    /// # Errors
    /// [`SettingsError::Zero`].
    pub(super) fn pool(&self, address: &Address) -> Result<Pool, SettingsError> {
        let server = Server {
            address: address.clone(),
            dialer: self.dialer.clone(),
            inspection: Arc::clone(&self.inspection),
            must_be_master: self.must_be_master,
        };
        managed::Pool::builder(server)
            .max_size(self.size)
            .runtime(Runtime::Tokio1)
            .timeouts(self.timeouts)
            .build()
            .map(Pool)
            .map_err(|_| SettingsError::Zero)
    }
}

impl Pool {
    pub(super) async fn get(&self) -> Result<Connection, Fault> {
        match self.0.get().await {
            Ok(object) => Ok(Connection(object)),
            Err(PoolError::Backend(fault)) => Err(fault),
            Err(PoolError::Timeout(_)) => Err(Fault::silence("no connection in time")),
            Err(_) => Err(Fault::silence("the pool is closed")),
        }
    }

    /// Throws the idle connections away.
    pub(super) fn clear(&self) {
        self.0.retain(|_, _| false);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.status().fmt(f)
    }
}

impl Connection {
    /// Where it leads.
    pub(super) fn address(&self) -> Address {
        let pool = Object::pool(&self.0);
        pool.map_or_else(Address::default, |pool| pool.manager().address.clone())
    }

    /// Closes it: a late reply on it would answer somebody else's question, and after a failover it may
    /// lead to the wrong machine.
    pub(super) fn close(self) {
        drop(Object::take(self.0));
    }
}

impl Deref for Connection {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.0
    }
}

impl managed::Manager for Server {
    type Type = MultiplexedConnection;
    type Error = Fault;

    async fn create(&self) -> Result<MultiplexedConnection, Fault> {
        let mut connection = self.dialer.connect(&self.address).await?;
        let Some(facts) = look(&mut connection).await? else {
            return Ok(connection);
        };
        self.inspection.saw(&self.address, &facts);
        facts.check_version()?;
        if self.must_be_master && !facts.is_master() {
            return Err(Fault {
                error: StoreError::Away("it is a replica, and was named as the master".to_owned()),
                advice: "a failover is under way, or the Sentinels do not agree",
            });
        }
        Ok(connection)
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        metrics: &Metrics,
    ) -> RecycleResult<Fault> {
        if metrics.age() >= MAX_AGE {
            return Err(RecycleError::message("it is old enough"));
        }
        if metrics.last_used() < SEEN_LATELY {
            return Ok(());
        }
        match redis::cmd("PING").exec_async(connection).await {
            Ok(()) => Ok(()),
            Err(error) => Err(RecycleError::Backend(error.into())),
        }
    }
}

/// What the server says of itself; `None` where our user may not ask.
async fn look(connection: &mut MultiplexedConnection) -> Result<Option<Facts>, RedisError> {
    let info: Result<String, RedisError> = redis::cmd("INFO").query_async(connection).await;
    match info {
        Ok(info) => Ok(Some(Facts::read(&info))),
        Err(error) if error.code() == Some("NOPERM") => Ok(None),
        Err(error) => Err(error),
    }
}
