//! Everything wants fetches, far more than the app may have.

use std::time::{Duration, Instant};

use futures_util::future::join;
use serde_json::json;

use crate::support::broker::Caller;
use crate::support::fleet::{APP, Fleet, Kept, apps, wechat_with};
use crate::support::process::Process;
use crate::support::settings::Settings;
use crate::support::timed::timed_in_a_crowd;

const LIMIT: u32 = 12;
/// What counts as 24 hours.
const WINDOW: Duration = Duration::from_secs(12);
const LASTS: Duration = Duration::from_secs(32);

fn scarce(settings: Settings) -> Settings {
    let mut apps = apps(1);
    apps[0].daily_limit = LIMIT;
    settings.apps(apps).refresh("budget_window", "12s")
}

/// Wants a new token in every way in which a caller can.
async fn greedy(caller: Caller, until: Instant) {
    while Instant::now() < until {
        let refresh = format!("/token/{APP}/refresh");
        let _ = caller.try_send("POST", &refresh, Some(json!({}))).await;
        if let Ok(reply) = caller.try_send("GET", &format!("/token/{APP}"), None).await
            && reply.status == 200
        {
            let report = json!({ "access_token": reply.token() });
            let path = format!("/token/{APP}/report");
            let _ = caller.try_send("POST", &path, Some(report)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Withdraws the token again and again.
async fn withdraw(fleet: &Fleet, until: Instant) {
    while Instant::now() < until {
        fleet.wechat.invalidate(APP);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// A replica that is killed, at whatever moment, and started again.
async fn crash_again_and_again(fleet: &Fleet, until: Instant) -> u32 {
    let mut crashes = 0;
    while Instant::now() < until {
        let begun = Instant::now();
        let mut process = Process::listening(&fleet.settings).await;
        // For longer where it takes longer to start: no budget is spent by what never comes to fetch.
        let alive = Duration::from_millis(700 + u64::from(crashes) * 370 % 900) + begun.elapsed();
        let stop = Instant::now() + alive;
        greedy(process.caller().await, stop).await;
        process.kill();
        crashes += 1;
    }
    crashes
}

async fn assert_within_budget(fleet: &Fleet, crashes: u32) {
    let most = fleet.wechat.max_fetches_in_any(APP, WINDOW);
    let all = fleet.wechat.fetches(APP).len();
    println!("{all} fetches in {LASTS:?}, at most {most} in {WINDOW:?}; {crashes} crashes");
    assert!(most <= LIMIT as usize, "{most}");
    // The budget was spent, not saved: what wanted fetches was refused.
    assert!(most >= LIMIT as usize / 2, "{most}");
    assert_eq!(fleet.wechat.violations(), []);
}

#[test]
fn nothing_fetches_more_often_than_the_daily_limit() {
    timed_in_a_crowd(async || {
        join(with_redis(), with_a_file()).await;
    });
}

/// Two replicas that live on, one that crashes, and a store that forgets everything five times a window.
async fn with_redis() {
    let mut fleet = Fleet::without_replicas(Kept::InRedis, wechat_with(&apps(1)), scarce).await;
    fleet.add(2).await;
    let until = Instant::now() + LASTS;
    let forget = async {
        while Instant::now() < until {
            tokio::time::sleep(WINDOW / 5).await;
            fleet.redis.as_ref().expect("a Redis").flush();
        }
    };
    let callers = join(
        greedy(fleet.caller(0), until),
        greedy(fleet.caller(1), until),
    );
    let ((), ((), ((_, _), crashes))) = join(
        withdraw(&fleet, until),
        join(forget, join(callers, crash_again_and_again(&fleet, until))),
    )
    .await;

    assert_within_budget(&fleet, crashes).await;
    fleet.assert_in_order().await;
}

/// One process at a time, killed again and again.
async fn with_a_file() {
    let fleet = Fleet::without_replicas(Kept::Embedded, wechat_with(&apps(1)), scarce).await;
    let until = Instant::now() + LASTS;

    let ((), crashes) = join(
        withdraw(&fleet, until),
        crash_again_and_again(&fleet, until),
    )
    .await;

    assert_within_budget(&fleet, crashes).await;
}
