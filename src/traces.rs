//! Traces: spans of what is rare and may be slow (a refresh, a fetch, a check, a token that is waited for, a call that is
//! passed on), told to a collector by OTLP over HTTP. Off unless `traces.endpoint` is set.
//!
//! A span says of what app and how it ended, in words from closed sets; no attribute ever holds anything that a caller or
//! WeChat has said. What is answered from memory makes none. A caller's `traceparent` is the parent of ours; none
//! goes on to WeChat, whose business our traces are not.

mod delivery;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};

use self::delivery::Delivery;
use self::queue::{Queue, Tally};
use crate::config::TracesConfig;
use crate::metrics::TraceMetrics;
use crate::telemetry::SpanLayer;

pub use self::delivery::TracesError;

/// The target of every span of ours: not one of log lines, so that no line is prefixed with them.
pub const TARGET: &str = "traces";

/// How long the last spans may take at shutdown; the chart's grace period has room for it.
const GOODBYE: Duration = Duration::from_secs(3);

/// Spans on their way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
    tally: Arc<Tally>,
}

impl Traces {
    /// Nothing where no collector is configured. What is sent is sent on `runtime`.
    ///
    /// # Errors
    /// No client can be made; says which key of the configuration is at fault.
    pub fn start(config: &TracesConfig, runtime: &Handle) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &config.endpoint else {
            return Ok(None);
        };
        let tally = Arc::new(Tally::default());
        let delivery = Delivery::new(config, endpoint, runtime.clone(), Arc::clone(&tally))?;
        // Nothing from the environment: what is told to whom stands in the configuration.
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", config.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new(
                "service.instance.id",
                format!("{:016x}", rand::random::<u64>()),
            ),
        ]);
        // Who calls with a trace has decided whether it is recorded.
        let ratio = Box::new(Sampler::TraceIdRatioBased(config.sample));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_sampler(Sampler::ParentBased(ratio))
            .with_span_processor(Queue::before(delivery, Arc::clone(&tally)))
            .build();
        Ok(Some(Self { provider, tally }))
    }

    /// What takes the spans from where they are made.
    #[must_use]
    pub fn layer(&self) -> SpanLayer {
        // Without the hint, every library would be asked for its finest lines.
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET)
            .with_max_level_hint(LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
            .boxed()
    }

    /// Has what becomes of the spans counted.
    pub fn counted_by(&self, metrics: Arc<TraceMetrics>) {
        self.tally.count_by(metrics);
    }

    /// Delivers what is left, as far as there is time for it.
    pub async fn finish(self) {
        let provider = self.provider;
        let shutdown = move || provider.shutdown_with_timeout(GOODBYE);
        let ended = tokio::task::spawn_blocking(shutdown).await;
        if !matches!(ended, Ok(Ok(()))) {
            warn!("the last spans were not delivered in time");
        }
    }
}

/// Makes `span` part of the trace that a caller's well-formed `traceparent` names.
pub fn continue_from(span: &Span, traceparent: Option<&str>) {
    let Some(sent) = traceparent.filter(|_| !span.is_disabled()) else {
        return;
    };
    let parent = TraceContextPropagator::new().extract(&Sent(sent));
    // Refused only where no spans are taken.
    let _ = span.set_parent(parent);
}

/// A single header.
struct Sent<'a>(&'a str);

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        key.eq_ignore_ascii_case("traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
