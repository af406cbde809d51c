//! One call's way to the server that has its keys, through moved slots and failovers, within one deadline.

use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::fault::Fault;
use super::pool::Connection;
use super::servers::Servers;
use crate::ports::StoreError;
use crate::redis_url::Address;

/// How often a call is sent elsewhere before it is given up: slots do not move faster than that.
const MAX_HOPS: u32 = 5;

/// How long a call waits before it asks again where the cluster says that it is busy moving the slot;
/// doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The way of one call.
pub(super) struct Route<'a> {
    servers: &'a Servers,
    slot: u16,
    is_alone: bool,
    deadline: Instant,
    sent_to: Option<Address>,
    asking: bool,
    hops: u32,
}

impl<'a> Route<'a> {
    pub(super) fn to(servers: &'a Servers, slot: u16) -> Self {
        Self {
            servers,
            slot,
            is_alone: false,
            deadline: servers.deadline(),
            sent_to: None,
            asking: false,
            hops: 0,
        }
    }

    /// The same on connections that nobody else uses: for what would keep the others waiting.
    pub(super) const fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Whether the command must be preceded by `ASKING`.
    pub(super) const fn is_asking(&self) -> bool {
        self.asking
    }

    /// A connection to where the call is to be made next.
    pub(super) async fn connection(&mut self) -> Result<Connection, StoreError> {
        let deadline = self.deadline;
        match timeout_at(deadline, self.connect()).await {
            Ok(connection) => connection,
            Err(_) => {
                self.servers.topology().doubt();
                Err(StoreError::Away("no connection in time".to_owned()))
            }
        }
    }

    async fn connect(&mut self) -> Result<Connection, StoreError> {
        if let Some(address) = self.sent_to.take() {
            return self.connect_to(&address).await;
        }
        let address = self.servers.owner(self.slot).await?;
        match self.connect_to(&address).await {
            Err(StoreError::Away(why)) if self.servers.may_move() => {
                // It may have been replaced meanwhile.
                self.servers.topology().doubt();
                let other = self.servers.owner(self.slot).await?;
                if other == address {
                    return Err(StoreError::Away(why));
                }
                self.connect_to(&other).await
            }
            answer => answer,
        }
    }

    async fn connect_to(&self, server: &Address) -> Result<Connection, StoreError> {
        if self.is_alone {
            self.servers.connect(server).await
        } else {
            self.servers.join(server).await
        }
    }

    /// Bounds the wait for an answer by the deadline of the call.
    pub(super) async fn wait_for<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        match timeout_at(self.deadline, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Says what to do about an error: `Ok` means to ask again, where [`Self::connection`] leads then. A
    /// connection that broke is thrown away.
    pub(super) async fn follow(
        &mut self,
        connection: Connection,
        error: &RedisError,
    ) -> Result<(), StoreError> {
        self.asking = false;
        let server = connection.address();
        self.hops += 1;
        let hops_left = self.hops <= MAX_HOPS;
        let ErrorKind::Server(kind) = error.kind() else {
            connection.close();
            return Err(self.final_error(&server, error));
        };
        match kind {
            ServerErrorKind::Moved | ServerErrorKind::Ask
                if hops_left && self.servers.is_cluster() =>
            {
                let to = elsewhere(error, &server).ok_or_else(|| lost(error))?;
                self.asking = kind == ServerErrorKind::Ask;
                if !self.asking {
                    self.servers.topology().moved(self.slot, &to);
                }
                self.sent_to = Some(to);
                Ok(())
            }
            ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown => {
                self.servers.topology().doubt();
                let wait = FIRST_WAIT * 2_u32.saturating_pow(self.hops - 1);
                let again = Instant::now() + wait;
                if again >= self.deadline {
                    return Err(self.final_error(&server, error));
                }
                drop(connection);
                sleep_until(again).await;
                Ok(())
            }
            // Nothing was changed by what a replica refused.
            ServerErrorKind::ReadOnly if hops_left && self.servers.may_move() => {
                connection.close();
                self.servers.distrust(&server);
                Ok(())
            }
            _ => {
                connection.close();
                Err(self.final_error(&server, error))
            }
        }
    }

    fn final_error(&self, server: &Address, error: &RedisError) -> StoreError {
        let fault = Fault::from(error);
        if matches!(fault.error, StoreError::Away(_)) {
            self.servers.distrust(server);
        }
        self.servers.complain(server, fault)
    }
}

/// Where `MOVED` or `ASK` sends us; a node that does not say its host means its own.
fn elsewhere(error: &RedisError, server: &Address) -> Option<Address> {
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host {
        "" | "?" => server.host.clone(),
        host => host.to_owned(),
    };
    Some(Address {
        host,
        port: port.parse().ok()?,
    })
}

fn lost(error: &RedisError) -> StoreError {
    StoreError::Away(format!(
        "sent elsewhere without being told where: {}",
        error.category()
    ))
}
