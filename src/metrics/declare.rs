//! Declaring a family: name, help, labels and registration in one call, and a list of all that were.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

/// The front of every name.
const PREFIX: &str = "token_broker_";

/// A family as it was declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// Its full name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Declares families on a registry.
pub(super) struct Declare<'a> {
    registry: &'a Registry,
    declared: RefCell<Vec<Declared>>,
}

impl<'a> Declare<'a> {
    pub(super) const fn on(registry: &'a Registry) -> Self {
        Self {
            registry,
            declared: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.counters(name, help, &[])
            .with_label_values::<&str>(&[])
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.note(&full_name(name), "counter", labels);
        self.register(IntCounterVec::new(opts(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.gauges(name, help, &[]).with_label_values::<&str>(&[])
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.note(&full_name(name), "gauge", labels);
        self.register(GaugeVec::new(opts(name, help), labels))
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        self.note(&full_name(name), "histogram", labels);
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, labels))
    }

    /// Registers what somebody else collects; [`Self::note`] says what that is.
    #[cfg(target_os = "linux")]
    pub(super) fn collector(&self, collector: impl Collector + 'static) {
        self.register_boxed(Box::new(collector));
    }

    /// Takes a family into the list.
    pub(super) fn note(&self, name: &str, kind: &'static str, labels: &[&str]) {
        self.declared.borrow_mut().push(Declared {
            name: name.to_owned(),
            kind,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
        });
    }

    /// All that was declared, by name.
    pub(super) fn list(&self) -> Vec<Declared> {
        let mut declared = self.declared.take();
        declared.sort();
        declared
    }

    #[expect(
        clippy::expect_used,
        reason = "names, labels and buckets are constants, and every start declares all of them"
    )]
    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let made = made.expect("a well-formed declaration");
        self.register_boxed(Box::new(made.clone()));
        made
    }

    #[expect(
        clippy::expect_used,
        reason = "names are constants, and every start declares all of them"
    )]
    fn register_boxed(&self, collector: Box<dyn Collector>) {
        self.registry
            .register(collector)
            .expect("a name declared once");
    }
}

/// The full name of one of our families.
pub(super) fn full_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(full_name(name), help)
}
