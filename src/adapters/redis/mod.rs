//! The store that replicas share: Redis 6.2 or newer, or Valkey; one server, under Sentinel, or a cluster.
//!
//! [`keys`] says what is stored where. `scripts/*.lua` mirror `domain::protocol`, one file each, and
//! [`scripts`] puts them together; [`arguments`] and [`answers`] carry a call there and back. [`store`]
//! makes the calls and [`invocation`] runs their scripts, [`signals`] listens.
//!
//! [`servers`] knows the servers: who has which slot ([`topology`], [`slots`]) and a [`pool`] of connections
//! to each, made by [`dialer`] and looked at by [`inspection`]; [`lookup`] asks who they are. A [`route`] is one call's way to the right
//! one; [`fault`] says what an error means.
//!
//! The commands used, for an ACL user, are listed in `docs/redis.md`, which the tests go by.

mod answers;
mod arguments;
mod dialer;
mod fault;
mod inspection;
mod invocation;
mod keys;
mod lookup;
mod pool;
mod route;
mod scripts;
mod servers;
mod settings;
mod signals;
mod slots;
mod store;
mod topology;

pub use scripts::script_hashes;
pub use settings::{RedisSettings, ServerClock, SettingsError, TlsFiles};
pub use signals::RedisSignals;
pub use store::RedisStore;
