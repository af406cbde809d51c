//! A first start, a start from a warm store, and what it costs when nobody asks.

use std::time::{Duration, Instant};

use wechat_simulator::Endpoint;

use super::Ground;
use super::gauge::{commands, processor_time, reached, ready, resident};
use crate::support::process::Process;
use crate::support::settings::Settings;

const SERVED: &str = "token_broker_apps_by_status{status=\"ok\"}";
const RELOADED: &str = "token_broker_config_reloads_total{outcome=\"applied\"}";
const LONG: Duration = Duration::from_secs(900);

fn quiet(settings: Settings) -> Settings {
    settings.metrics("none")
}

/// Prints its part of the table.
pub(crate) async fn measure() {
    let ground = Ground::new(Duration::from_secs(7200), |settings| settings).await;
    let apps = ground.apps();
    println!("| {apps} apps, one replica | |\n|---|---|");

    let begun = Instant::now();
    let process = ground.start(quiet);
    let last = ground.settings.apps[apps - 1].appid.clone();
    let caller = process.caller().await;
    caller.token_within(&last, Duration::from_secs(60)).await;
    println!(
        "| cold start: the app that is asked for, served after | {:.1?} |",
        begun.elapsed()
    );
    let all = count(apps);
    let took = reached(&process, SERVED, all, begun, LONG).await;
    println!("| cold start: every app served after | {took:.1?} |");
    stop(process).await;

    let fetched = fetches(&ground);
    assert_eq!(fetched, apps, "one an app");
    let begun = Instant::now();
    let process = ground.start(quiet);
    let took = ready(&process, begun).await;
    println!("| warm start: ready after | {took:.2?} |");
    reached(&process, SERVED, all, begun, Duration::from_secs(30)).await;
    tokio::time::sleep(ground.phase).await;
    let many = resident(&process);
    idle(&ground, &process, "the first minutes").await;
    println!(
        "| warm start and steady state: fetches | {} |",
        fetches(&ground) - fetched
    );
    assert_eq!(fetches(&ground), fetched, "a warm start fetches nothing");
    if super::is_long() {
        unwatched(&ground).await;
        idle(&ground, &process, "idle").await;
        idle_in_company(&ground, &process).await;
        let settings = quiet(ground.settings.clone().refresh("watch", "0s"));
        process.configure(&settings.to_toml());
        process.hang_up();
        let bound = Duration::from_secs(30);
        reached(&process, RELOADED, 1.0, Instant::now(), bound).await;
        tokio::time::sleep(ground.phase).await;
        idle(&ground, &process, "idle, watch = 0s").await;
    }
    stop(process).await;

    let process = ground.start(|settings| {
        quiet(Settings {
            apps: settings.apps[..1].to_vec(),
            ..settings
        })
    });
    ready(&process, Instant::now()).await;
    tokio::time::sleep(ground.phase.min(Duration::from_secs(10))).await;
    let one = resident(&process);
    println!(
        "| resident memory | {:.0} MiB; of one app {:.0} MiB |",
        many / 1024.0,
        one / 1024.0
    );
    println!("| resident memory an app | {:.2} KiB |", (many - one) / all);
    stop(process).await;

    for series in ["all", "troubled", "none"] {
        let process = ground.start(|settings| settings.metrics(series));
        ready(&process, Instant::now()).await;
        process.metrics().await;
        let begun = Instant::now();
        let size = process.metrics().await.len();
        let (took, kib) = (begun.elapsed(), size / 1024);
        println!("| `/metrics`, apps = \"{series}\" | {kib} KiB in {took:.0?} |");
        stop(process).await;
    }
}

/// Waits until the close watch that begins with a start is over.
async fn unwatched(ground: &Ground) {
    let begun = Instant::now();
    loop {
        let asked = ground.wechat.calls().len();
        tokio::time::sleep(Duration::from_secs(12)).await;
        // A fifth by the watch; four fifths by the close one.
        if ground.wechat.calls().len() - asked < ground.apps() / 3 {
            return;
        }
        assert!(begun.elapsed() < LONG, "the close watch does not end");
    }
}

/// What it costs each of three replicas when nobody asks.
async fn idle_in_company(ground: &Ground, first: &Process) {
    let others = [ground.start(quiet), ground.start(quiet)];
    for other in &others {
        ready(other, Instant::now()).await;
    }
    // What a start has watched closely.
    tokio::time::sleep(ground.phase).await;
    unwatched(ground).await;
    let used = || -> Duration { others.iter().chain([first]).map(processor_time).sum() };
    let (begun, before) = (Instant::now(), used());
    // Whichever comes first makes a check: who that is changes from minute to minute.
    tokio::time::sleep(ground.phase * 3).await;
    let share = (used() - before).as_secs_f64() / begun.elapsed().as_secs_f64() / 3.0 * 100.0;
    println!("| idle, three replicas: processor, each on average | {share:.1} % of a core |");
    for other in others {
        stop(other).await;
    }
}

/// What it costs when nobody asks.
async fn idle(ground: &Ground, process: &Process, name: &str) {
    let (begun, used, done) = (
        Instant::now(),
        processor_time(process),
        commands(&ground.redis),
    );
    let checks = ground.wechat.calls().len();
    tokio::time::sleep(ground.phase).await;
    let took = begun.elapsed().as_secs_f64();
    let share = (processor_time(process) - used).as_secs_f64() / took * 100.0;
    println!("| {name}: processor | {share:.1} % of a core |");
    let apps = count(ground.apps());
    let hourly = (commands(&ground.redis) - done) / took * 3600.0 / apps;
    println!("| {name}: Redis commands an app and hour | {hourly:.0} |");
    let calls =
        f64::from(u32::try_from(ground.wechat.calls().len() - checks).expect("not so many"));
    println!("| {name}: calls of WeChat a second | {:.1} |", calls / took);
}

fn fetches(ground: &Ground) -> usize {
    let calls = ground.wechat.calls();
    calls
        .iter()
        .filter(|call| call.endpoint == Endpoint::Token)
        .count()
}

fn count(apps: usize) -> f64 {
    f64::from(u32::try_from(apps).expect("not so many"))
}

async fn stop(mut process: Process) {
    process.terminate();
    process.ended(Duration::from_secs(60)).await;
}
