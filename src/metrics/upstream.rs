//! What is measured of WeChat, as a decorator over the port.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use prometheus::{Gauge, Histogram};

use super::calls::CallMetrics;
use super::declare::Declare;
use crate::domain::app_id::AppId;
use crate::domain::credential::Credential;
use crate::domain::secret::Secret;
use crate::ports::{
    Called, Checked, Fetched, Outgoing, Passed, Passing, Upstream, WeChatCalls, WeChatPassage,
};

const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Calls to WeChat.
#[derive(Debug)]
pub struct UpstreamMetrics {
    fetch: Histogram,
    check: Histogram,
    call: Histogram,
    pass: Histogram,
    up: Gauge,
    calls: Arc<CallMetrics>,
}

/// An upstream that is measured.
#[derive(Debug)]
pub struct MeteredUpstream<U> {
    inner: U,
    metrics: Arc<UpstreamMetrics>,
}

impl UpstreamMetrics {
    /// Whether WeChat answered the last call.
    pub(super) fn is_up(&self) -> bool {
        self.up.get() > 0.0
    }

    pub(super) fn declare(declare: &Declare<'_>, calls: Arc<CallMetrics>) -> Self {
        let durations = declare.histograms(
            "upstream_duration_seconds",
            "How long one call to WeChat took, with whatever outcome.",
            &["op"],
            &BUCKETS,
        );
        let up = declare.gauge(
            "upstream_up",
            "Whether WeChat answered the last call, whatever it answered; 1 before the first.",
        );
        up.set(1.0);
        Self {
            fetch: durations.with_label_values(&["fetch"]),
            check: durations.with_label_values(&["check"]),
            call: durations.with_label_values(&["call"]),
            pass: durations.with_label_values(&["pass"]),
            up,
            calls,
        }
    }

    fn answered(&self, there: bool) {
        self.up.set(if there { 1.0 } else { 0.0 });
    }
}

impl<U> MeteredUpstream<U> {
    /// Measures `inner`.
    pub const fn new(inner: U, metrics: Arc<UpstreamMetrics>) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl<U: Upstream> Upstream for MeteredUpstream<U> {
    async fn fetch(&self, credential: &Credential, force: bool) -> Fetched {
        let begun = Instant::now();
        let fetched = self.inner.fetch(credential, force).await;
        self.metrics.fetch.observe(begun.elapsed().as_secs_f64());
        self.metrics.answered(match fetched {
            Fetched::Granted { .. } | Fetched::Refused(_) => true,
            Fetched::NotSent(_) | Fetched::Ambiguous(_) => false,
        });
        fetched
    }

    async fn fetch_ticket(&self, credential: &Credential, access_token: &Secret) -> Fetched {
        let begun = Instant::now();
        let fetched = self.inner.fetch_ticket(credential, access_token).await;
        self.metrics.fetch.observe(begun.elapsed().as_secs_f64());
        self.metrics.answered(match fetched {
            Fetched::Granted { .. } | Fetched::Refused(_) => true,
            Fetched::NotSent(_) | Fetched::Ambiguous(_) => false,
        });
        fetched
    }

    async fn check(&self, credential: &Credential, token: &Secret) -> Checked {
        let begun = Instant::now();
        let checked = self.inner.check(credential, token).await;
        self.metrics.check.observe(begun.elapsed().as_secs_f64());
        self.metrics.answered(match checked {
            Checked::Accepted | Checked::Refused(_) | Checked::Inconclusive(_) => true,
            Checked::Away(_) => false,
        });
        checked
    }

    fn complaint(&self) -> Option<String> {
        self.inner.complaint()
    }
}

#[async_trait]
impl<U: WeChatCalls> WeChatCalls for MeteredUpstream<U> {
    async fn send(&self, app: Option<&AppId>, call: Outgoing) -> Called {
        let begun = Instant::now();
        let path = call.path;
        let called = self.inner.send(app, call).await;
        self.metrics.call.observe(begun.elapsed().as_secs_f64());
        self.metrics.calls.called(app, path, &called);
        self.metrics.answered(match called {
            Called::Answered(_) | Called::Refused(_) => true,
            Called::NotSent(_) | Called::Unclear(_) => false,
        });
        called
    }
}

#[async_trait]
impl<U: WeChatPassage> WeChatPassage for MeteredUpstream<U> {
    async fn pass(&self, app: &AppId, passing: Passing) -> Passed {
        let begun = Instant::now();
        let path = passing.path.clone();
        let passed = self.inner.pass(app, passing).await;
        self.metrics.pass.observe(begun.elapsed().as_secs_f64());
        self.metrics.calls.passed(app, path.as_str(), &passed);
        // What did not come whole may be the caller's fault: that says nothing of WeChat.
        if let Passed::Answered(_) = passed {
            self.metrics.answered(true);
        }
        passed
    }
}
