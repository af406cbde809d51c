//! Connections to one server, kept for reuse: every wait has a bound, and none is handed out unseen.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
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

/// How long others may join whoever uses a connection: it is looked at only when it is taken from its pool.
const JOINED_FOR: Duration = Duration::from_secs(1);

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
pub(super) struct Pool {
    connections: managed::Pool<Server>,
    /// The one that others may join. Whoever takes one for it holds this meanwhile, so that the others wait for it.
    joint: Arc<tokio::sync::Mutex<Weak<Object<Server>>>>,
}

/// A connection that has answered lately, of one user or of several at once. It goes back to its pool when the last
/// of them lets go of it.
pub(super) struct Connection {
    shared: Arc<Object<Server>>,
    connection: MultiplexedConnection,
}

/// A connection as it is kept.
struct Line {
    connection: MultiplexedConnection,
    /// Whether it is to be used by nobody any more.
    is_broken: AtomicBool,
}

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
            .map(|connections| Pool {
                connections,
                joint: Arc::default(),
            })
            .map_err(|_| SettingsError::Zero)
    }
}

impl Pool {
    /// A connection that nobody else uses.
    pub(super) async fn get(&self) -> Result<Connection, Fault> {
        match self.connections.get().await {
            Ok(object) => Ok(Connection::of(Arc::new(object))),
            Err(PoolError::Backend(fault)) => Err(fault),
            Err(PoolError::Timeout(_)) => Err(Fault::silence("no connection in time")),
            Err(_) => Err(Fault::silence("the pool is closed")),
        }
    }

    /// A connection that others use at the same time, where some do: what they ask at once is sent at once, and so
    /// are the answers. Not for whoever would keep the others waiting.
    pub(super) async fn join(&self) -> Result<Connection, Fault> {
        let mut joint = self.joint.lock().await;
        if let Some(shared) = joint.upgrade().filter(may_be_joined) {
            return Ok(Connection::of(shared));
        }
        let connection = self.get().await?;
        *joint = Arc::downgrade(&connection.shared);
        Ok(connection)
    }

    /// Throws the idle connections away, and lets nobody join the one in use.
    pub(super) fn clear(&self) {
        self.connections.retain(|_, _| false);
        // Held, it is about to be another.
        if let Ok(mut joint) = self.joint.try_lock() {
            *joint = Weak::new();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connections.status().fmt(f)
    }
}

impl Connection {
    fn of(shared: Arc<Object<Server>>) -> Self {
        let connection = shared.connection.clone();
        Self { shared, connection }
    }

    /// Where it leads.
    pub(super) fn address(&self) -> Address {
        let pool = Object::pool(&self.shared);
        pool.map_or_else(Address::default, |pool| pool.manager().address.clone())
    }

    /// Lets nobody use it any more: who was silent once is likely to be silent again, and after a failover it may
    /// lead to the wrong machine. Who uses it now may still be answered.
    pub(super) fn close(self) {
        self.shared.is_broken.store(true, Ordering::Relaxed);
    }
}

fn may_be_joined(shared: &Arc<Object<Server>>) -> bool {
    !shared.is_broken.load(Ordering::Relaxed) && Object::metrics(shared).last_used() < JOINED_FOR
}

impl Deref for Connection {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }
}

impl managed::Manager for Server {
    type Type = Line;
    type Error = Fault;

    async fn create(&self) -> Result<Line, Fault> {
        let mut connection = self.dialer.connect(&self.address).await?;
        let facts = look(&mut connection).await?;
        let line = Line {
            connection,
            is_broken: AtomicBool::new(false),
        };
        let Some(facts) = facts else {
            return Ok(line);
        };
        self.inspection.saw(&self.address, &facts);
        facts.check_version()?;
        if self.must_be_master && !facts.is_master() {
            return Err(Fault {
                error: StoreError::Away("it is a replica, and was named as the master".to_owned()),
                advice: "a failover is under way, or the Sentinels do not agree",
            });
        }
        Ok(line)
    }

    async fn recycle(&self, line: &mut Line, metrics: &Metrics) -> RecycleResult<Fault> {
        if *line.is_broken.get_mut() {
            return Err(RecycleError::message("it was closed"));
        }
        if metrics.age() >= MAX_AGE {
            return Err(RecycleError::message("it is old enough"));
        }
        if metrics.last_used() < SEEN_LATELY {
            return Ok(());
        }
        match redis::cmd("PING").exec_async(&mut line.connection).await {
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
