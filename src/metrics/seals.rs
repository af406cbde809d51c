//! What is counted of sealed grants.

use prometheus::{IntCounter, IntCounterVec};

use super::declare::Declare;
use crate::ports::{SealRefusal, SealWatch};

/// Stands for the key of a grant in the clear. No key can have this id.
const NO_KEY: &str = "(none)";

/// Stored grants, by what opens them.
#[derive(Debug)]
pub struct SealMetrics {
    opened: IntCounterVec,
    /// In the order of [`SealRefusal::ALL`].
    refused: [IntCounter; SealRefusal::ALL.len()],
}

impl SealMetrics {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        let refused = declare.counters(
            "store_grants_refused_total",
            "Stored grants that were refused, and served by nobody.",
            &["reason"],
        );
        let opened = declare.counters(
            "store_grants_opened_total",
            "Stored grants that were read, by the id of the key that opened them.",
            &["key"],
        );
        // There from the start, so that it can be seen to stand still.
        opened.with_label_values(&[NO_KEY]);
        Self {
            opened,
            refused: SealRefusal::ALL.map(|why| refused.with_label_values(&[why.as_str()])),
        }
    }
}

impl SealWatch for SealMetrics {
    /// The ids come from the configuration: a grant under any other key is not opened.
    fn opened(&self, key: Option<&str>) {
        self.opened
            .with_label_values(&[key.unwrap_or(NO_KEY)])
            .inc();
    }

    fn refused(&self, why: SealRefusal) {
        self.refused[why as usize].inc();
    }
}
