//! Each rule of WeChat's, proven at the second, on a clock that the test moves.

use super::*;
use crate::platform::history::Verdict;
use crate::settings::{App, Settings};

const APP: &str = "wx0000000000000001";

/// WeChat with one account, and the time of its start.
fn wechat(change: impl FnOnce(&mut App)) -> (Platform, Instant) {
    let mut app = App::new(APP, "secret");
    change(&mut app);
    let settings = Settings {
        apps: vec![app],
        ..Settings::default()
    };
    (Platform::new(settings), Instant::now())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The token of a grant.
fn token(platform: &Platform, granted: Result<Granted, Refusal>) -> String {
    match granted {
        Ok(granted) => platform.tokens.at(granted.index()).value.clone(),
        Err(refusal) => panic!("refused with {}", refusal.errcode),
    }
}

fn fetch(platform: &mut Platform, now: Instant) -> String {
    let granted = platform.fetch_rotating(APP, now);
    token(platform, granted)
}

fn stable(platform: &mut Platform, force: bool, now: Instant) -> String {
    let granted = platform.fetch_stable(APP, force, now);
    token(platform, granted)
}

fn errcode(result: Result<Granted, Refusal>) -> Option<i64> {
    result.err().map(|refusal| refusal.errcode)
}

#[test]
fn the_previous_token_works_for_the_overlap_and_not_a_moment_longer() {
    let (mut wechat, start) = wechat(|_| {});
    let first = fetch(&mut wechat, start);
    let second = fetch(&mut wechat, start + seconds(1000));
    assert_ne!(first, second);
    assert!(wechat.accept(&first, start + seconds(1299)).is_ok());
    assert_eq!(
        wechat
            .accept(&first, start + seconds(1300))
            .map_err(|refusal| refusal.errcode)
            .err(),
        Some(40001)
    );
    assert!(wechat.accept(&second, start + seconds(1300)).is_ok());
}

#[test]
fn a_second_fetch_within_the_overlap_kills_the_token_before_last_at_once() {
    let (mut wechat, start) = wechat(|_| {});
    let first = fetch(&mut wechat, start);
    let second = fetch(&mut wechat, start + seconds(100));
    let third = fetch(&mut wechat, start + seconds(150));
    let at = start + seconds(150);
    assert_eq!(
        wechat.verdict(APP, &first, at),
        Verdict::Dead {
            since: Some(at),
            why: Death::Superseded
        }
    );
    assert!(wechat.verdict(APP, &second, at).is_valid());
    assert!(wechat.verdict(APP, &third, at).is_valid());
}

#[test]
fn history_still_knows_that_a_dead_token_was_valid_once() {
    let (mut wechat, start) = wechat(|_| {});
    let first = fetch(&mut wechat, start);
    fetch(&mut wechat, start + seconds(1000));
    fetch(&mut wechat, start + seconds(2000));
    assert!(
        wechat
            .verdict(APP, &first, start + seconds(1299))
            .is_valid()
    );
    assert!(
        !wechat
            .verdict(APP, &first, start + seconds(1301))
            .is_valid()
    );
    assert!(!wechat.verdict("wx2", &first, start).is_valid());
}

#[test]
fn a_token_that_nobody_replaces_expires_with_42001() {
    let (mut wechat, start) = wechat(|_| {});
    let only = fetch(&mut wechat, start);
    assert!(wechat.accept(&only, start + seconds(7199)).is_ok());
    let refusal = wechat.accept(&only, start + seconds(7200)).err();
    assert_eq!(refusal.map(|refusal| refusal.errcode), Some(42001));
}

#[test]
fn the_daily_limit_counts_in_a_sliding_day() {
    let (mut wechat, start) = wechat(|app| app.daily_limit = 3);
    for n in 0..3 {
        fetch(&mut wechat, start + seconds(n * 3600));
    }
    let just_before = start + seconds(86_399);
    assert_eq!(
        errcode(wechat.fetch_rotating(APP, just_before)),
        Some(45009)
    );
    fetch(&mut wechat, start + seconds(86_400));
    let next = start + seconds(86_401);
    assert_eq!(errcode(wechat.fetch_rotating(APP, next)), Some(45009));
}

#[test]
fn the_minute_limit_answers_45011() {
    let (mut wechat, start) = wechat(|app| app.minute_limit = Some(2));
    fetch(&mut wechat, start);
    fetch(&mut wechat, start + seconds(1));
    let third = wechat.fetch_rotating(APP, start + seconds(59));
    assert_eq!(errcode(third), Some(45011));
    fetch(&mut wechat, start + seconds(60));
}

#[test]
fn the_stable_token_stays_the_same_until_its_last_five_minutes() {
    let (mut wechat, start) = wechat(|_| {});
    let first = stable(&mut wechat, false, start);
    assert_eq!(stable(&mut wechat, false, start + seconds(6899)), first);
    let renewal = start + seconds(7000);
    let second = stable(&mut wechat, false, renewal);
    assert_ne!(second, first);
    assert!(wechat.accept(&first, start + seconds(7299)).is_ok());
    assert!(wechat.accept(&first, start + seconds(7300)).is_err());
    assert_eq!(stable(&mut wechat, false, renewal + seconds(1)), second);
}

#[test]
fn the_stable_token_is_told_with_its_remaining_life() {
    let (mut wechat, start) = wechat(|_| {});
    let granted = wechat.fetch_stable(APP, false, start);
    let Ok(granted) = granted else {
        panic!("refused")
    };
    let token = wechat.tokens.at(granted.index());
    assert_eq!(expires_in(token, start), 7200);
    assert_eq!(expires_in(token, start + Duration::from_millis(1500)), 7198);
}

#[test]
fn a_forced_refresh_kills_the_old_token_at_once_and_is_thirty_seconds_apart() {
    let (mut wechat, start) = wechat(|_| {});
    let first = stable(&mut wechat, false, start);
    let second = stable(&mut wechat, true, start + seconds(1));
    assert_ne!(first, second);
    assert!(wechat.accept(&first, start + seconds(1)).is_err());
    let too_soon = wechat.fetch_stable(APP, true, start + seconds(30));
    assert_eq!(errcode(too_soon), Some(45011));
    assert!(wechat.accept(&second, start + seconds(30)).is_ok());
    assert_ne!(stable(&mut wechat, true, start + seconds(31)), second);
}

#[test]
fn forced_refreshes_are_twenty_a_day() {
    let (mut wechat, start) = wechat(|_| {});
    for n in 0..20 {
        stable(&mut wechat, true, start + seconds(n * 30));
    }
    let next = wechat.fetch_stable(APP, true, start + seconds(3600));
    assert_eq!(errcode(next), Some(45009));
    stable(&mut wechat, false, start + seconds(3600));
}

#[test]
fn stable_calls_have_a_minute_limit_and_a_day_limit() {
    let (mut wechat, start) = wechat(|_| {});
    wechat.settings.stable_minute_limit = 2;
    wechat.settings.stable_daily_limit = 3;
    stable(&mut wechat, false, start);
    stable(&mut wechat, false, start);
    assert_eq!(errcode(wechat.fetch_stable(APP, false, start)), Some(45011));
    stable(&mut wechat, false, start + seconds(60));
    let fourth = wechat.fetch_stable(APP, false, start + seconds(120));
    assert_eq!(errcode(fourth), Some(45009));
}

#[test]
fn the_two_series_leave_each_other_alone() {
    let (mut wechat, start) = wechat(|_| {});
    let rotating = fetch(&mut wechat, start);
    let steady = stable(&mut wechat, false, start);
    fetch(&mut wechat, start + seconds(10));
    fetch(&mut wechat, start + seconds(20));
    stable(&mut wechat, true, start + seconds(30));
    let at = start + seconds(30);
    assert!(wechat.accept(&rotating, at).is_err());
    assert!(wechat.accept(&steady, start + seconds(29)).is_ok());
    assert!(wechat.accept(&steady, at).is_err());
    assert!(wechat.current(APP).is_some_and(|token| {
        token.verdict_at(at).is_valid() && token.series == Series::Rotating
    }));
}

#[test]
fn an_invalidated_token_is_dead_at_once() {
    let (mut wechat, start) = wechat(|_| {});
    let rotating = fetch(&mut wechat, start);
    wechat.invalidate(APP, start + seconds(5));
    assert!(
        wechat
            .verdict(APP, &rotating, start + seconds(4))
            .is_valid()
    );
    assert_eq!(
        wechat.verdict(APP, &rotating, start + seconds(9)),
        Verdict::Dead {
            since: Some(start + seconds(5)),
            why: Death::Invalidated
        }
    );
}

#[test]
fn a_forced_refresh_kills_the_one_before_last_too() {
    let (mut wechat, start) = wechat(|_| {});
    let first = stable(&mut wechat, false, start);
    let second = stable(&mut wechat, false, start + seconds(7000));
    let at = start + seconds(7100);
    assert!(wechat.accept(&first, at).is_ok());
    let third = stable(&mut wechat, true, at);
    assert!(wechat.accept(&first, at).is_err());
    assert!(wechat.accept(&second, at).is_err());
    assert!(wechat.accept(&third, at).is_ok());
}
