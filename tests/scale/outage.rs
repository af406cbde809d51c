//! WeChat is away until every token is due, and comes back.

use std::time::{Duration, Instant};

use super::Ground;
use super::gauge::{reached, value};
use crate::support::settings::Settings;

const OK: &str = "token_broker_apps_by_status{status=\"ok\"}";
const DUE: &str = "token_broker_apps_by_status{status=\"due\"}";

/// A life in which ten thousand tokens are fetched, become due, and are fetched again: an outage in it is what an
/// hour's is in two hours.
fn life(apps: usize) -> Duration {
    let first_start = u64::try_from(apps).expect("not so many") / 50;
    Duration::from_secs(200 + first_start)
}

/// Times in proportion to such a life.
fn in_proportion(settings: Settings) -> Settings {
    settings
        .metrics("none")
        .refresh("watch", "0s")
        .refresh("lease", "10s")
        .refresh("reconcile", "10s")
        .refresh("caller_cache", "10s")
        .refresh("overlap", "60s")
        .refresh("min_spacing", "70s")
}

/// Prints its part of the table.
pub(crate) async fn measure() {
    let apps = super::asked("SCALE_APPS").unwrap_or(super::FEW);
    let life = life(apps);
    let ground = Ground::new(life, in_proportion).await;
    let all = f64::from(u32::try_from(apps).expect("not so many"));
    let process = ground.start(|settings| settings);
    let begun = Instant::now();
    process.address("listen").await;
    reached(&process, OK, all * 0.999, begun, life).await;
    ground.wechat.pause_listening().await.expect("it goes away");
    let due = reached(&process, DUE, all * 0.999, begun, life).await;
    ground
        .wechat
        .resume_listening()
        .await
        .expect("it comes back");
    let back = Instant::now();
    let took = reached(&process, OK, all, back, life).await;
    let metrics = process.metrics().await;
    println!(
        "| an outage until all are due, {due:.0?} after the start of lives of {life:?}: all renewed after | {took:.1?} |"
    );
    println!(
        "| runway then | {:.0} s |",
        value(&metrics, "token_broker_runway_seconds")
    );
}
