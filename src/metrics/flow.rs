//! What the write flow counts: fetches, checks, and all that should be rare.

use std::collections::{HashMap, HashSet};

use prometheus::{IntCounter, IntCounterVec};

use super::declare::Declare;
use super::{AppSeries, CheckOutcome, FetchOutcome, Metrics, Purpose, Turning};
use crate::domain::app_id::AppId;
use crate::domain::credential::{Credential, Kind};
use crate::domain::protocol::Reason;
use crate::domain::replica::BlockedBy;

#[derive(Debug)]
pub(super) struct FlowMetrics {
    pub(super) series: AppSeries,
    fetches: IntCounterVec,
    fetch_refusals: IntCounterVec,
    ticket_fetches: IntCounterVec,
    checks: IntCounterVec,
    blocked: IntCounterVec,
    foreign_invalidations: IntCounterVec,
    overlaps: IntCounterVec,
    deaths: IntCounterVec,
    pending: IntCounterVec,
    put_backs: IntCounterVec,
    panics: IntCounterVec,
    turns: [IntCounter; Turning::ALL.len()],
}

/// The reasons whose first fetch must show in a rate. The others come with their first event: they are
/// rare, and five reasons by four outcomes would be twenty series an app. So are tokens that could not be
/// stored, or were put back.
const EXPECTED: [Reason; 2] = [Reason::Scheduled, Reason::Missing];

/// The tasks whose panics are counted.
const TASKS: [&str; 1] = ["step"];

impl FlowMetrics {
    pub(super) fn declare(declare: &Declare<'_>, series: AppSeries) -> Self {
        let turns = declare.counters(
            "loop_turns_total",
            "Turns of the loops that refresh tokens and follow the store.",
            &["task"],
        );
        let metrics = Self {
            series,
            turns: Turning::ALL.map(|turning| turns.with_label_values(&[turning.as_str()])),
            fetches: declare.counters(
                "fetches_total",
                "Fetches of access tokens that ended, by why they were made and how they ended. Each but not_sent costs budget.",
                &["appid", "reason", "outcome"],
            ),
            fetch_refusals: declare.counters(
                "fetch_refusals_total",
                "Fetches that WeChat answered with an error, by its class.",
                &["appid", "class"],
            ),
            ticket_fetches: declare.counters(
                "ticket_fetches_total",
                "Fetches of tickets that ended, by how they ended.",
                &["appid", "kind", "outcome"],
            ),
            checks: declare.counters(
                "checks_total",
                "Questions to WeChat whether a token is accepted.",
                &["purpose", "outcome"],
            ),
            blocked: declare.counters(
                "blocked_total",
                "Refreshes that were kept from happening.",
                &["reason"],
            ),
            foreign_invalidations: declare.counters(
                "foreign_invalidations_total",
                "Tokens that died although no fetch of ours replaced them: somebody else fetches with the app's secret.",
                &["appid"],
            ),
            overlaps: declare.counters(
                "overlaps_detected_total",
                "Fetches that came too late to be stored, since another one had begun.",
                &["appid"],
            ),
            deaths: declare.counters(
                "deaths_total",
                "Tokens that WeChat refused before they expired.",
                &["appid"],
            ),
            pending: declare.counters(
                "pending_total",
                "Fetched tokens that could not be stored at once.",
                &["appid"],
            ),
            put_backs: declare.counters(
                "put_backs_total",
                "Tokens put back into a store that had lost them.",
                &["appid"],
            ),
            panics: declare.counters(
                "panics_total",
                "Tasks that panicked: each is a bug of the broker.",
                &["task"],
            ),
        };
        metrics.start_at_zero();
        metrics
    }

    fn start_at_zero(&self) {
        for purpose in Purpose::ALL {
            for outcome in CheckOutcome::ALL {
                self.checks
                    .with_label_values(&[purpose.as_str(), outcome.as_str()]);
            }
        }
        for task in TASKS {
            self.panics.with_label_values(&[task]);
        }
    }
}

impl Metrics {
    /// An app is kept: what is counted for it starts at zero, so that a rate or an alert works from the first
    /// event on.
    pub fn expect(&self, app: &AppId) {
        if self.flow.series != AppSeries::All {
            return;
        }
        let app = app.as_str();
        for reason in EXPECTED {
            let granted = FetchOutcome::Granted.as_str();
            self.flow
                .fetches
                .with_label_values(&[app, reason.as_str(), granted]);
        }
        for family in [
            &self.flow.foreign_invalidations,
            &self.flow.overlaps,
            &self.flow.deaths,
        ] {
            family.with_label_values(&[app]);
        }
    }

    /// These apps are kept no more: their series end.
    pub fn forget(&self, apps: &HashSet<&AppId>) {
        for family in [
            &self.flow.fetches,
            &self.flow.fetch_refusals,
            &self.flow.ticket_fetches,
            &self.flow.foreign_invalidations,
            &self.flow.overlaps,
            &self.flow.deaths,
            &self.flow.pending,
            &self.flow.put_backs,
        ] {
            remove_series_of(family, apps);
        }
    }

    /// A fetch ended.
    pub fn fetched(&self, of: &Credential, reason: Reason, outcome: FetchOutcome) {
        let ordinary = EXPECTED.contains(&reason) && outcome == FetchOutcome::Granted;
        let app = self.flow.series.label(&of.app, ordinary);
        match of.kind {
            Kind::AccessToken => {
                let labels = [app, reason.as_str(), outcome.as_str()];
                self.flow.fetches.with_label_values(&labels).inc();
            }
            // Few, and without consequence for the tokens: not by reason.
            Kind::JsapiTicket | Kind::WxCardTicket => {
                let labels = [app, of.kind.as_str(), outcome.as_str()];
                self.flow.ticket_fetches.with_label_values(&labels).inc();
            }
        }
        if let FetchOutcome::Refused(class) = outcome {
            self.flow
                .fetch_refusals
                .with_label_values(&[app, class.as_str()])
                .inc();
        }
    }

    /// A check ended.
    pub fn checked(&self, purpose: Purpose, outcome: CheckOutcome) {
        self.flow
            .checks
            .with_label_values(&[purpose.as_str(), outcome.as_str()])
            .inc();
    }

    /// A refresh was kept from happening.
    pub fn blocked(&self, by: BlockedBy) {
        self.flow.blocked.with_label_values(&[by.as_str()]).inc();
    }

    /// A grant was found dead that no fetch of ours explains.
    pub fn foreign_invalidation(&self, app: &AppId) {
        self.flow.count(&self.flow.foreign_invalidations, app);
    }

    /// Two fetches overlapped.
    pub fn overlap_detected(&self, app: &AppId) {
        self.flow.count(&self.flow.overlaps, app);
    }

    /// A grant died before it expired.
    pub fn died(&self, app: &AppId) {
        self.flow.count(&self.flow.deaths, app);
    }

    /// A grant could not be stored and is served meanwhile.
    pub fn pending(&self, app: &AppId) {
        self.flow.count(&self.flow.pending, app);
    }

    /// A grant was put back into the store.
    pub fn put_back(&self, app: &AppId) {
        self.flow.count(&self.flow.put_backs, app);
    }

    /// A loop made a turn.
    pub fn turned(&self, turning: Turning) {
        self.flow.turns[turning as usize].inc();
    }

    /// How many turns a loop has made.
    #[must_use]
    pub fn turns(&self, turning: Turning) -> u64 {
        self.flow.turns[turning as usize].get()
    }

    /// A task or a step panicked.
    pub fn panicked(&self, task: &'static str) {
        self.flow.panics.with_label_values(&[task]).inc();
    }
}

fn remove_series_of(family: &IntCounterVec, apps: &HashSet<&AppId>) {
    use prometheus::core::Collector as _;
    let pairs = |metric: &prometheus::proto::Metric| -> Vec<(String, String)> {
        let labels = metric.get_label().iter();
        labels
            .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
            .collect()
    };
    let names: HashSet<_> = apps.iter().map(|app| app.as_str()).collect();
    let all = family.collect();
    let series = all.iter().flat_map(|family| family.get_metric()).map(pairs);
    let of_app = series.filter(|pairs| {
        pairs
            .iter()
            .any(|(name, value)| name == "appid" && names.contains(value.as_str()))
    });
    for pairs in of_app {
        let labels = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        // It is there, unless somebody else was faster.
        let _ = family.remove(&labels.collect::<HashMap<_, _>>());
    }
}

impl FlowMetrics {
    /// Counts what is out of the ordinary.
    fn count(&self, family: &IntCounterVec, app: &AppId) {
        family
            .with_label_values(&[self.series.label(app, false)])
            .inc();
    }
}
