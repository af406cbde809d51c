//! The rules over several keys: those under which the refresh protocol keeps its promises, and those
//! that keep an open door from being left unlocked.

use std::time::Duration;

use super::duration::show;
use super::refresh::DAY;
use super::report::Report;
use super::{Config, RefreshConfig, StoreConfig, UpstreamConfig};

/// A due age must leave some of the life for the attempts.
const LATEST_DUE: f64 = 0.95;

/// Notes which rules are broken, as far as what they compare is sound.
pub(super) fn check(config: &Config, report: &Report) {
    let Config {
        store,
        upstream,
        refresh,
        ..
    } = config;
    check_overlap(refresh, upstream, report);
    check_spacing(refresh, report);
    check_due_age(refresh, report);
    check_lease(refresh, upstream, store, report);
    check_backoff(refresh, report);
    check_budget_window(refresh, upstream, report);
    check_callers(config, report);
    check_certificates(config, report);
}

/// A name that is never shown would be a caller that can never ask.
fn check_certificates(config: &Config, report: &Report) {
    let asked_for = config.server.tls.as_ref();
    let asked_for = asked_for.is_some_and(|tls| tls.client_ca.is_some());
    if asked_for || !report.is_sound(&["server", "callers"]) {
        return;
    }
    for (index, caller) in config.callers.iter().enumerate() {
        if !caller.certificates.is_empty() {
            let message = "has no effect without server.tls_client_ca_file";
            report.refuse(&format!("callers[{index}].certificates"), message);
        }
    }
}

/// A replica that was cut off, and a caller that keeps tokens, learn of a new token before the old dies.
fn check_overlap(refresh: &RefreshConfig, upstream: &UpstreamConfig, report: &Report) {
    let keys = [
        "refresh.overlap",
        "refresh.lease",
        "refresh.reconcile",
        "upstream.timeout",
        "refresh.caller_cache",
    ];
    let parts = [
        refresh.lease * 2,
        refresh.reconcile,
        upstream.timeout,
        refresh.caller_cache,
    ];
    let sum: Duration = parts.iter().sum();
    if report.is_sound(&keys) && sum >= refresh.overlap {
        let message = format!(
            "must be longer than 2 × refresh.lease + refresh.reconcile + upstream.timeout + \
             refresh.caller_cache, which is 2 × {} + {} + {} + {} = {}; it is {}",
            show(refresh.lease),
            show(refresh.reconcile),
            show(upstream.timeout),
            show(refresh.caller_cache),
            show(sum),
            show(refresh.overlap),
        );
        report.refuse("refresh.overlap", message);
    }
}

/// Two fetches within an overlap would kill a token that callers still use.
fn check_spacing(refresh: &RefreshConfig, report: &Report) {
    let keys = [
        "refresh.min_spacing",
        "refresh.overlap",
        "refresh.caller_cache",
    ];
    let least = refresh.overlap + refresh.caller_cache;
    if report.is_sound(&keys) && refresh.min_spacing < least {
        let message = format!(
            "must be at least refresh.overlap + refresh.caller_cache, which is {} + {} = {}; it is {}",
            show(refresh.overlap),
            show(refresh.caller_cache),
            show(least),
            show(refresh.min_spacing),
        );
        report.refuse("refresh.min_spacing", message);
    }
}

fn check_due_age(refresh: &RefreshConfig, report: &Report) {
    let latest = refresh.at * (1.0 + refresh.jitter);
    if report.is_sound(&["refresh.at", "refresh.jitter"]) && latest >= LATEST_DUE {
        let message = format!(
            "must leave at × (1 + jitter) below {LATEST_DUE}, which is {} × (1 + {}) = {latest:.3}",
            refresh.at, refresh.jitter,
        );
        report.refuse("refresh.at", message);
    }
}

/// A lease must outlive what is done under it: one call upstream, and the commit.
fn check_lease(
    refresh: &RefreshConfig,
    upstream: &UpstreamConfig,
    store: &StoreConfig,
    report: &Report,
) {
    let keys = ["refresh.lease", "upstream.timeout", "store"];
    let least = upstream.timeout + store.longest_call();
    if report.is_sound(&keys) && refresh.lease <= least {
        let message = format!(
            "must be longer than upstream.timeout + store.connect_timeout + store.reply_timeout, \
             which is {}; it is {}",
            show(least),
            show(refresh.lease),
        );
        report.refuse("refresh.lease", message);
    }
}

fn check_backoff(refresh: &RefreshConfig, report: &Report) {
    let keys = ["refresh.backoff_min", "refresh.backoff_max"];
    if report.is_sound(&keys) && refresh.backoff_min > refresh.backoff_max {
        let message = format!(
            "must be at most refresh.backoff_max, {}; it is {}",
            show(refresh.backoff_max),
            show(refresh.backoff_min),
        );
        report.refuse("refresh.backoff_min", message);
    }
}

/// Against WeChat, a shorter window would spend the daily limit several times a day.
fn check_budget_window(refresh: &RefreshConfig, upstream: &UpstreamConfig, report: &Report) {
    let keys = ["refresh.budget_window", "upstream.base_url"];
    if report.is_sound(&keys) && refresh.budget_window < DAY && !upstream.is_loopback {
        let message = "must be 24h unless upstream.base_url is a loopback address: \
                       WeChat's limit counts over a day";
        report.refuse("refresh.budget_window", message);
    }
}

fn check_callers(config: &Config, report: &Report) {
    let listen = config.server.listen.ip().to_canonical();
    let sound = report.is_sound(&["server.listen", "callers"]);
    if sound && config.callers.is_empty() && !listen.is_loopback() {
        let message = "must be a loopback address while there are no [[callers]]: \
                       anyone could read every token";
        report.refuse("server.listen", message);
    }
}
