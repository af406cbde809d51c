//! The store that replicas share: Redis 6.2 or newer, standalone, by `redis://` or `rediss://`.
//!
//! [`keys`] says what is stored where. `scripts/*.lua` mirror `domain::protocol`, one file each, and
//! [`scripts`] puts them together; [`arguments`] and [`answers`] carry a call there and back. [`store`]
//! makes the calls over a pool ([`connection`]), [`signals`] listens.
//!
//! Commands used, for an ACL user: `EVALSHA`, `SCRIPT LOAD`, `INFO`, `WAIT`, `PUBLISH`, `SUBSCRIBE`, `PING`,
//! `UNWATCH`; inside the scripts `TIME`, `HGETALL`, `HSET`, `HDEL`, `DEL`, `PEXPIRE`, `PUBLISH`; and while
//! connecting `AUTH`, `SELECT`, `CLIENT SETINFO`. Keys `<ns>:{*`, channel `<ns>:signals`.

mod answers;
mod arguments;
mod connection;
mod keys;
mod scripts;
mod signals;
mod store;

pub use connection::{RedisSettings, ServerClock, SettingsError};
pub use scripts::script_hashes;
pub use signals::RedisSignals;
pub use store::RedisStore;
