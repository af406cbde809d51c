//! Every measurement of the process: what is declared, who counts it, and how it is told.
//!
//! One registry an instance, never the global one, so that tests do not share counters. A declaration is
//! name, help, labels and registration in one ([`declare`]); `docs/metrics.md` lists them all, and a test
//! holds the two equal. Labels are closed sets; an appid label comes only from the configuration, so that
//! no request can create a series. The one exception is an address that WeChat names (`address_refused`).

mod calls;
mod declare;
mod flow;
mod http;
mod labels;
mod process;
mod reload;
mod seals;
mod series;
mod snapshot;
mod store;
mod traces;
mod upstream;

pub use calls::CallMetrics;
pub use declare::Declared;
pub use http::HttpMetrics;
pub use labels::{CheckOutcome, FetchOutcome, Purpose, Turning};
pub use reload::ReloadMetrics;
pub use seals::SealMetrics;
pub use series::AppSeries;
pub use store::{MeteredStore, StoreMetrics};
pub use traces::{SpanFate, TraceMetrics};
pub use upstream::{MeteredUpstream, UpstreamMetrics};

use std::sync::Arc;

use prometheus::{Registry, TextEncoder};

use self::declare::Declare;
use self::flow::FlowMetrics;
use self::snapshot::SnapshotCollector;
use crate::ports::Clock;
use crate::snapshot::Reader;

/// The media type of [`Metrics::render`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// All measurements of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    declared: Vec<Declared>,
    calls: Arc<CallMetrics>,
    flow: FlowMetrics,
    http: Arc<HttpMetrics>,
    reload: Arc<ReloadMetrics>,
    seals: Arc<SealMetrics>,
    store: Arc<StoreMetrics>,
    traces: Arc<TraceMetrics>,
    upstream: Arc<UpstreamMetrics>,
}

impl Metrics {
    /// Declares everything. [`Metrics::expect`] says for which apps.
    #[must_use]
    pub fn new() -> Self {
        Self::of_apps(AppSeries::All)
    }

    /// The same, with series for these apps only.
    #[must_use]
    pub fn of_apps(series: AppSeries) -> Self {
        let registry = Registry::new();
        let declare = Declare::on(&registry);
        let flow = FlowMetrics::declare(&declare, series);
        let http = Arc::new(HttpMetrics::declare(&declare));
        let reload = Arc::new(ReloadMetrics::declare(&declare));
        let seals = Arc::new(SealMetrics::declare(&declare));
        let store = Arc::new(StoreMetrics::declare(&declare));
        let traces = Arc::new(TraceMetrics::declare(&declare));
        let calls = Arc::new(CallMetrics::declare(&declare));
        let upstream = Arc::new(UpstreamMetrics::declare(&declare, Arc::clone(&calls)));
        process::declare(&declare);
        snapshot::declare(&declare);
        Self {
            declared: declare.list(),
            registry,
            calls,
            flow,
            http,
            reload,
            seals,
            store,
            traces,
            upstream,
        }
    }

    /// Tells the state of every credential of `reader` as well. Once an instance.
    pub fn watch(&self, reader: Reader, clock: Arc<dyn Clock>) {
        let collector = SnapshotCollector::new(reader, clock, self.flow.series);
        if let Err(error) = self.registry.register(Box::new(collector)) {
            tracing::error!(%error, "the state of the apps is missing in the metrics; this is a bug of the broker, please report it");
        }
    }

    /// What is counted of calls for callers.
    #[must_use]
    pub fn calls(&self) -> Arc<CallMetrics> {
        Arc::clone(&self.calls)
    }

    /// What the HTTP interface counts.
    #[must_use]
    pub fn http(&self) -> Arc<HttpMetrics> {
        Arc::clone(&self.http)
    }

    /// What is counted of changed configurations.
    #[must_use]
    pub fn reload(&self) -> Arc<ReloadMetrics> {
        Arc::clone(&self.reload)
    }

    /// What is counted of sealed grants.
    #[must_use]
    pub fn seals(&self) -> Arc<SealMetrics> {
        Arc::clone(&self.seals)
    }

    /// What [`MeteredStore`] counts.
    #[must_use]
    pub fn store(&self) -> Arc<StoreMetrics> {
        Arc::clone(&self.store)
    }

    /// What becomes of spans.
    #[must_use]
    pub fn traces(&self) -> Arc<TraceMetrics> {
        Arc::clone(&self.traces)
    }

    /// What [`MeteredUpstream`] counts.
    #[must_use]
    pub fn upstream(&self) -> Arc<UpstreamMetrics> {
        Arc::clone(&self.upstream)
    }

    /// Whether the store answered the last question; true before the first.
    #[must_use]
    pub fn store_up(&self) -> bool {
        self.store.is_up()
    }

    /// Whether WeChat answered the last call; true before the first.
    #[must_use]
    pub fn upstream_up(&self) -> bool {
        self.upstream.is_up()
    }

    /// Every family that can be told, whether it has a series or not.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// All series in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.registry.gather();
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
