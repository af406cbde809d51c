//! What is counted of changed configurations.

use std::time::Duration;

use prometheus::{Gauge, IntCounter};

use super::declare::Declare;

/// Configurations read while running.
#[derive(Debug)]
pub struct ReloadMetrics {
    applied: IntCounter,
    refused: IntCounter,
    last: Gauge,
    in_force: Gauge,
}

impl ReloadMetrics {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        let reloads = declare.counters(
            "config_reloads_total",
            "Configurations read again while running, by what came of it.",
            &["outcome"],
        );
        Self {
            applied: reloads.with_label_values(&["applied"]),
            refused: reloads.with_label_values(&["refused"]),
            last: declare.gauge(
                "config_last_success_timestamp_seconds",
                "When the configuration in force was read.",
            ),
            in_force: declare.gauge(
                "config_in_force",
                "Whether the configuration that was read last is in force; 0 where it was refused.",
            ),
        }
    }

    /// A configuration is in force since `now`; `again` where it is not the first.
    pub fn applied(&self, now: Duration, again: bool) {
        self.applied.inc_by(u64::from(again));
        self.last.set(now.as_secs_f64());
        self.in_force.set(1.0);
    }

    /// A configuration was refused.
    pub fn refused(&self) {
        self.refused.inc();
        self.in_force.set(0.0);
    }
}
