//! Reading a process, a Redis and a page of metrics.

use std::time::{Duration, Instant};

use crate::support::broker::Caller;
use crate::support::process::Process;
use crate::support::redis::RedisServer;

/// The processor's time that a process has used. Counted by the system in hundredths of a second.
pub(crate) fn processor_time(process: &Process) -> Duration {
    let path = format!("/proc/{}/stat", process.id());
    let stat = std::fs::read_to_string(path).expect("a process");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The memory that a process holds, in KiB.
pub(crate) fn resident(process: &Process) -> f64 {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(path).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number")
}

/// How many commands a Redis has done.
pub(crate) fn commands(redis: &RedisServer) -> f64 {
    let stats = redis.command(&["INFO", "commandstats"]);
    let calls = stats.lines().filter_map(|line| {
        let (_, rest) = line.split_once("calls=")?;
        rest.split(',').next()?.parse::<f64>().ok()
    });
    calls.sum()
}

/// The value of a series; 0 where there is none.
pub(crate) fn value(metrics: &str, series: &str) -> f64 {
    let found = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// Waits until this series has reached a value; how long that took since `begun`.
pub(crate) async fn reached(
    process: &Process,
    series: &str,
    least: f64,
    begun: Instant,
    bound: Duration,
) -> Duration {
    loop {
        let metrics = process.metrics().await;
        if value(&metrics, series) >= least {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < bound, "{series} does not reach {least}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the broker is ready; how long that took since `begun`.
pub(crate) async fn ready(process: &Process, begun: Instant) -> Duration {
    let operations = Caller::new(process.address("ops_listen").await);
    while operations.get("/readyz").await.status != 200 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not ready:\n{}",
            process.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
