//! What the HTTP interface counts. Every handle is made beforehand: a request looks nothing up, and none
//! can create a series.

use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter};

use super::declare::Declare;
use crate::http::{Code, Cut, Route};

/// The classes of a status, in the order of their first digit from 2 on.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// From what memory answers in to what a waiting request may take.
const BUCKETS: [f64; 12] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 3.0, 10.0,
];

/// Requests, by route.
#[derive(Debug)]
pub struct HttpMetrics {
    /// In the order of [`Route::ALL`].
    routes: Vec<RouteMetrics>,
    /// In the order of [`Code::ALL`].
    refusals: Vec<IntCounter>,
    /// In the order of [`Cut::ALL`].
    cuts: [IntCounter; Cut::ALL.len()],
    served_unvouched: IntCounter,
    streams: Gauge,
}

#[derive(Debug)]
struct RouteMetrics {
    requests: [IntCounter; CLASSES.len()],
    duration: Histogram,
}

impl HttpMetrics {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        let requests = declare.counters(
            "http_requests_total",
            "Requests answered, by route and class of status.",
            &["route", "status"],
        );
        let durations = declare.histograms(
            "http_request_duration_seconds",
            "How long a request took, from its head read to its answer made.",
            &["route"],
            &BUCKETS,
        );
        let refusals = declare.counters(
            "http_refusals_total",
            "Requests refused, by the code of the problem document.",
            &["code"],
        );
        let cuts = declare.counters(
            "http_connections_cut_total",
            "Connections closed on their clients, by what was wrong with them.",
            &["why"],
        );
        let of_route = |route: Route| RouteMetrics {
            requests: CLASSES.map(|class| requests.with_label_values(&[route.as_str(), class])),
            duration: durations.with_label_values(&[route.as_str()]),
        };
        Self {
            routes: Route::ALL.into_iter().map(of_route).collect(),
            refusals: Code::ALL
                .into_iter()
                .map(|code| refusals.with_label_values(&[code.as_str()]))
                .collect(),
            cuts: Cut::ALL.map(|cut| cuts.with_label_values(&[cut.as_str()])),
            served_unvouched: declare.counter(
                "served_unvouched_total",
                "Answers with a token that neither the store nor a check has lately said to stand.",
            ),
            streams: declare.gauge("http_streams_open", "Streams of events that are open."),
        }
    }

    /// A request was answered.
    pub fn answered(&self, route: Route, status: u16, took: Duration) {
        let metrics = &self.routes[route as usize];
        let class = usize::from(status / 100).clamp(2, CLASSES.len() + 1) - 2;
        metrics.requests[class].inc();
        metrics.duration.observe(took.as_secs_f64());
    }

    /// A request was refused.
    pub fn refused(&self, code: Code) {
        self.refusals[code as usize].inc();
    }

    /// A connection was closed on its client.
    pub fn cut(&self, cut: Cut) {
        self.cuts[cut as usize].inc();
    }

    /// A stream of events was opened.
    pub fn stream_opened(&self) {
        self.streams.inc();
    }

    /// A stream of events has ended.
    pub fn stream_closed(&self) {
        self.streams.dec();
    }

    /// A token was handed out unvouched.
    pub fn served_unvouched(&self) {
        self.served_unvouched.inc();
    }
}
