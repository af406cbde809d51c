//! What is told of the process itself: its version, and what the kernel says of it.

use super::declare::Declare;

pub(super) fn declare(declare: &Declare<'_>) {
    declare
        .gauges(
            "build_info",
            "Always 1; the label says which release runs.",
            &["version"],
        )
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1.0);
    kernel(declare);
}

#[cfg(target_os = "linux")]
fn kernel(declare: &Declare<'_>) {
    use prometheus::core::Collector as _;
    use prometheus::process_collector::ProcessCollector;

    let collector = ProcessCollector::for_self();
    for desc in collector.desc() {
        let kind = if desc.fq_name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        declare.note(&desc.fq_name, kind, &[]);
    }
    declare.collector(collector);
}

#[cfg(not(target_os = "linux"))]
fn kernel(_declare: &Declare<'_>) {}
