//! Spans that wait for their delivery: so many, and no more. A collector that is away costs this memory and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::metrics::{SpanFate, TraceMetrics};

/// The most spans that wait.
const MOST: usize = 2048;

/// The most spans of one delivery.
const BATCH: usize = 512;

/// How long a span waits for others to go with.
const DELAY: Duration = Duration::from_secs(2);

/// How many spans wait, and what became of the others.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waiting: AtomicUsize,
    metrics: OnceLock<Arc<TraceMetrics>>,
}

impl Tally {
    pub(super) fn count_by(&self, metrics: Arc<TraceMetrics>) {
        // Who counts first, counts.
        let _ = self.metrics.set(metrics);
    }

    /// Takes so many out of the queue.
    pub(super) fn gone(&self, spans: usize, fate: SpanFate) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.count(spans, fate);
    }

    /// One more is to wait; whether there is room for it.
    fn admit(&self) -> bool {
        let more = |waiting| (waiting < MOST).then_some(waiting + 1);
        let order = Ordering::Relaxed;
        let admitted = self.waiting.fetch_update(order, order, more).is_ok();
        if !admitted {
            self.count(1, SpanFate::Dropped);
        }
        admitted
    }

    fn count(&self, spans: usize, fate: SpanFate) {
        if let Some(metrics) = self.metrics.get() {
            metrics.count(fate, spans);
        }
    }
}

/// The library's batches, behind a bound that is counted.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    tally: Arc<Tally>,
}

impl Queue {
    pub(super) fn before(exporter: impl SpanExporter + 'static, tally: Arc<Tally>) -> Self {
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let batches = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        Self { batches, tally }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.batches.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.tally.admit() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}
