//! The token broker: one owner of the WeChat access tokens of several apps.
//!
//! Data goes one way, in two flows that meet only in [`snapshot`]:
//!
//! * **A request** → `http` → [`broker`] → [`snapshot`]. Nothing on this way can reach the store or
//!   WeChat; an answer costs a look-up in memory.
//! * **A refresh**: [`scheduler`] decides when, [`refresher`] takes one step (lease → fetch → commit)
//!   against the [`ports`], and publishes to [`snapshot`]. [`follower`] brings in what other replicas did.
//!
//! Beside them stands [`calls`]: what the broker asks WeChat on a caller's behalf, with the token of the
//! first flow, and a report where it is refused.
//!
//! What the steps may do is decided in [`domain`], pure: `domain::protocol` is what the store does to a
//! record, `domain::replica` what one replica makes of what it knows. [`adapters`] fulfil the ports with
//! Redis, a file, and WeChat's API; they meet the core only in `app`.

pub mod adapters;
pub mod app;
pub mod app_secrets;
pub mod broker;
pub mod calls;
pub mod cli;
pub mod config;
pub mod domain;
pub mod fingerprint;
pub mod follower;
pub mod http;
pub mod key;
pub mod metrics;
pub mod overview;
pub mod ports;
pub mod redis_url;
pub mod refresher;
pub mod reload;
pub mod roster;
pub mod scheduler;
pub mod sealing;
pub mod service_manager;
pub mod signature;
pub mod snapshot;
pub mod supervision;
pub mod telemetry;
pub mod traces;
pub mod trouble;
