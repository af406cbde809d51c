//! The configuration: one TOML file overlaid by the environment, checked whole before anything starts.
//!
//! `load` reads in one direction: the file (`document`) and the variables (`environment`) are merged
//! into one tree; each section reads its keys from it (`section`, `setting`); whatever is wrong is
//! collected in a `report`, so that all of it is told at once. Nothing here ever prints a value: an
//! error names its key and its line.

mod apps;
mod callers;
mod document;
mod duration;
mod environment;
mod files;
mod gateway;
mod inequalities;
mod load;
mod log;
mod metrics;
mod pem;
mod redis;
mod refresh;
mod report;
mod sealing;
mod section;
mod server;
mod setting;
mod store;
mod traces;
mod upstream;

pub use apps::AppConfig;
pub use callers::CallerConfig;
pub use files::Files;
pub use gateway::GatewayConfig;
pub use load::DEFAULT_FILE;
pub use log::LogConfig;
pub use metrics::MetricsConfig;
pub use redis::{RedisTls, RedisUrl};
pub use refresh::RefreshConfig;
pub use report::{ConfigError, ConfigErrors, Origin};
pub use sealing::SealingConfig;
pub use server::{ServerConfig, TlsFiles};
pub use store::{Backend, StoreConfig};
pub use traces::TracesConfig;
pub use upstream::UpstreamConfig;

/// All of it, checked. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`: where requests arrive.
    pub server: ServerConfig,
    /// `[store]`: what the replicas share.
    pub store: StoreConfig,
    /// `[upstream]`: how WeChat is reached.
    pub upstream: UpstreamConfig,
    /// `[refresh]`: when tokens are fetched.
    pub refresh: RefreshConfig,
    /// `[gateway]`: what is passed on to WeChat.
    pub gateway: GatewayConfig,
    /// `[log]`: what is written to stderr.
    pub log: LogConfig,
    /// `[metrics]`: what is told to Prometheus.
    pub metrics: MetricsConfig,
    /// `[traces]`: the collector that spans are told to.
    pub traces: TracesConfig,
    /// `[[apps]]`: whose tokens are kept; no appid twice.
    pub apps: Vec<AppConfig>,
    /// `[[callers]]`: who may ask; no id and no key twice.
    pub callers: Vec<CallerConfig>,
}
