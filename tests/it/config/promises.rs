//! The rules over several keys, under which the refresh protocol keeps its promises.

use super::sample::{SMALL, errors, load};

#[test]
fn an_overlap_too_short_is_told_with_its_numbers() {
    let text =
        "[refresh]\nlease = '80s'\nreconcile = '1m'\ncaller_cache = '75s'\nmin_spacing = '400s'";
    let expected = "refresh.overlap: must be longer than 2 × refresh.lease + refresh.reconcile + \
                    upstream.timeout + refresh.caller_cache, which is 2 × 80s + 60s + 5s + 75s = \
                    300s; it is 300s";
    assert_eq!(errors(text), [format!("1: {expected}")]);
    load(&text.replace("75s", "74999ms"));
}

#[test]
fn a_spacing_too_short_is_told_with_its_numbers() {
    let expected = "2: refresh.min_spacing: must be at least refresh.overlap + refresh.caller_cache, \
                    which is 300s + 60s = 360s; it is 359s";
    assert_eq!(errors("[refresh]\nmin_spacing = '359s'"), [expected]);
    load("[refresh]\nmin_spacing = '6m'");
}

#[test]
fn a_rule_is_not_judged_over_a_value_that_was_refused() {
    // With the default in its place, the overlap would be too short as well.
    let told = errors("[refresh]\nlease = '1h'\noverlap = '5 minutes'\nmin_spacing = 'x'");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_due_age_must_leave_time_for_attempts() {
    let expected = "2: refresh.at: must leave at × (1 + jitter) below 0.95, which is 0.9 × (1 + 0.1) \
                    = 0.990";
    assert_eq!(errors("[refresh]\nat = 0.9"), [expected]);
    load("[refresh]\nat = 0.9\njitter = 0");
}

#[test]
fn a_lease_must_outlive_what_is_done_under_it() {
    let expected = "refresh.lease: must be longer than upstream.timeout + store.connect_timeout + \
                    store.reply_timeout, which is";
    let told = errors("[refresh]\nlease = '5s'");
    assert_eq!(told, [format!("2: {expected} 5s; it is 5s")]);
    let redis = "[store]\nkind = 'redis'\nurl = 'redis://h'\n[refresh]\nlease = '8s'\n";
    assert_eq!(errors(redis), [format!("5: {expected} 8s; it is 8s")]);
    load(&redis.replace("8s", "9s"));
}

#[test]
fn the_bounds_of_the_backoff_are_in_order() {
    let told = errors("[refresh]\nbackoff_min = '2m'\n");
    assert_eq!(
        told,
        ["2: refresh.backoff_min: must be at most refresh.backoff_max, 60s; it is 120s"]
    );
}

#[test]
fn no_duration_may_be_zero_but_those_that_mean_never() {
    for key in [
        "lease",
        "reconcile",
        "close_watch",
        "overlap",
        "backoff_min",
        "min_spacing",
    ] {
        let told = errors(&format!("[refresh]\n{key} = '0s'"));
        assert_eq!(
            told,
            [format!("2: refresh.{key}: must be between 1ms and 24h")]
        );
    }
    load("[refresh]\nwatch = '0s'\ncaller_cache = '0s'");
}

#[test]
fn a_daily_limit_counts_over_a_day_against_anything_but_a_simulator() {
    let told = errors("[refresh]\nbudget_window = '1h'\n");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("2: refresh.budget_window: must be 24h unless"),
        "{told:?}"
    );
    load("[refresh]\nbudget_window = '1h'\n[upstream]\nbase_url = 'http://127.0.0.1:1'\n");
}

#[test]
fn an_open_address_needs_callers() {
    for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
        let server = format!("[server]\nlisten = '{address}'\n");
        let told = errors(&server);
        assert_eq!(told.len(), 1, "{address}");
        assert!(
            told[0].starts_with("2: server.listen: must be a loopback address"),
            "{told:?}"
        );
        load(&format!("{server}{SMALL}"));
    }
    for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        load(&format!("[server]\nlisten = '{address}'\n"));
    }
}

#[test]
fn the_two_listeners_differ() {
    let told = errors("[server]\nlisten = '127.0.0.1:9090'\n");
    assert_eq!(
        told,
        ["1: server.ops_listen: must differ from server.listen"]
    );
    load("[server]\nlisten = '127.0.0.1:0'\nops_listen = '127.0.0.1:0'\n");
}
