//! What becomes of the spans that were made for a collector.

use prometheus::IntCounter;

use super::declare::Declare;

/// What became of a span: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanFate {
    /// The collector took it.
    Delivered,
    /// The collector rejected it, or could not be reached.
    Lost,
    /// Too many waited already.
    Dropped,
}

impl SpanFate {
    /// Every fate, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Lost, Self::Dropped];

    /// The word for it in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Lost => "lost",
            Self::Dropped => "dropped",
        }
    }
}

/// Spans, by what became of them.
#[derive(Debug)]
pub struct TraceMetrics {
    /// In the order of [`SpanFate::ALL`].
    spans: [IntCounter; SpanFate::ALL.len()],
}

impl TraceMetrics {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        let spans = declare.counters(
            "trace_spans_total",
            "Spans made for the collector, by what became of them.",
            &["outcome"],
        );
        Self {
            spans: SpanFate::ALL.map(|fate| spans.with_label_values(&[fate.as_str()])),
        }
    }

    /// So many spans have met this fate.
    pub fn count(&self, fate: SpanFate, spans: usize) {
        self.spans[fate as usize].inc_by(spans as u64);
    }
}
