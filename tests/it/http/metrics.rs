//! What is measured: nothing a request can multiply, and nothing that is not documented.

use std::collections::BTreeSet;

use actix_web::test::TestRequest;
use token_broker::domain::credential::{Credential, Kind, Mode};
use token_broker::domain::protocol::Reason;
use token_broker::domain::replica::BlockedBy;
use token_broker::domain::upstream_error::ErrorClass;
use token_broker::metrics::FetchOutcome;

use super::rig::{Rig, SERVED, app, with_key};
use crate::support::places::heavy;

fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[actix_web::test]
async fn no_request_creates_a_series() {
    let _heavy = heavy();
    let rig = Rig::new();
    rig.serve();
    let before = series(&rig.metrics.render());
    for path in [
        "/token/wx-served",
        "/token/wx-made-up",
        "/made-up",
        "/apps",
        "/token/wx-served?q=1",
        "/token/wx-empty",
    ] {
        for caller in ["reader", "stranger", "all-on-empty"] {
            rig.get(caller, path).await;
            rig.post(caller, path, "{").await;
        }
        rig.send(with_key("reader", TestRequest::delete().uri(path)))
            .await;
        rig.send(TestRequest::get().uri(path)).await;
    }
    assert_eq!(series(&rig.metrics.render()), before);
}

#[actix_web::test]
async fn requests_are_counted_by_route_and_class() {
    let rig = Rig::new();
    rig.serve().get("reader", "/token/wx-served").await;
    rig.get("reader", "/token/wx-empty").await;
    let text = rig.metrics.render();
    for line in [
        "token_broker_http_requests_total{route=\"token\",status=\"2xx\"} 1",
        "token_broker_http_requests_total{route=\"token\",status=\"4xx\"} 1",
        "token_broker_http_refusals_total{code=\"unknown_app\"} 1",
        "token_broker_http_request_duration_seconds_count{route=\"token\"} 2",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[actix_web::test]
async fn the_state_of_each_app_is_told() {
    let rig = Rig::new();
    rig.serve();
    let text = rig.metrics.render();
    for line in [
        "token_broker_apps 2",
        "token_broker_runway_seconds 0",
        "token_broker_grant_servable{appid=\"wx-served\"} 1",
        "token_broker_grant_servable{appid=\"wx-empty\"} 0",
        "token_broker_grant_vouched{appid=\"wx-served\"} 1",
        "token_broker_foreign_invalidations_total{appid=\"wx-served\"} 0",
        "token_broker_fetches_total{appid=\"wx-empty\",outcome=\"granted\",reason=\"scheduled\"} 0",
        "token_broker_store_up 1",
    ] {
        assert!(text.contains(line), "{line}");
    }
    assert!(!text.contains("canary"));
}

#[actix_web::test]
async fn an_app_has_about_twenty_series() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("reader", "/token/wx-served").await;
    let text = rig.metrics.render();
    let own = series(&text);
    let own = own.iter().filter(|name| name.contains(SERVED)).count();
    assert!((15..=20).contains(&own), "{own}");
}

/// A row of the table in docs/metrics.md: name, kind and labels.
fn documented() -> BTreeSet<(String, String, String)> {
    let rows = include_str!("../../../docs/metrics.md").lines();
    let cells = |row: &str| -> Vec<String> {
        let cells = row.split('|').map(|cell| cell.trim().replace('`', ""));
        cells.collect()
    };
    rows.filter(|row| row.starts_with("| `"))
        .map(cells)
        .map(|row| (row[1].clone(), row[2].clone(), row[3].clone()))
        .collect()
}

#[actix_web::test]
async fn every_family_is_documented_and_every_documented_one_exists() {
    let rig = Rig::new();
    let declared: BTreeSet<_> = rig
        .metrics
        .declared()
        .iter()
        .map(|family| {
            let labels = family.labels.join(", ");
            (family.name.clone(), family.kind.to_owned(), labels)
        })
        .collect();
    assert_eq!(declared, documented());
}

#[actix_web::test]
async fn what_is_told_is_what_is_declared() {
    let rig = Rig::working();
    rig.issue("first");
    rig.get("reader", "/token/wx-served").await;
    let ticket = rig.get("reader", "/ticket/wx-served/jsapi").await;
    assert_eq!(ticket.status, 200, "{}", ticket.text());
    let (metrics, app) = (&rig.metrics, app(SERVED));
    let refused = FetchOutcome::Refused(ErrorClass::BadSecret);
    let token = Credential::access_token(app.clone(), Mode::Token);
    metrics.fetched(&token, Reason::Forced, refused);
    let ticket = Credential::of(app.clone(), Kind::JsapiTicket, Mode::Token);
    metrics.fetched(&ticket, Reason::Missing, FetchOutcome::Granted);
    metrics.blocked(BlockedBy::Spacing);
    metrics.pending(&app);
    metrics.put_back(&app);
    rig.get("all-on-empty", "/user/wx-empty/o").await;
    rig.store.go_away();
    rig.post("all-on-empty", "/token/wx-empty/refresh", "")
        .await;
    let text = metrics.render();
    let told: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(str::to_owned)
        .collect();
    let declared: BTreeSet<_> = metrics
        .declared()
        .iter()
        .map(|family| format!("{} {}", family.name, family.kind))
        .collect();
    let untold: Vec<_> = declared.difference(&told).collect();
    assert!(told.is_subset(&declared));
    // Only while an app is in trouble.
    let rare = [
        "cooldown_until_timestamp_seconds",
        "address_refused",
        "store_trouble",
    ];
    assert!(
        untold
            .iter()
            .all(|family| rare.iter().any(|rare| family.contains(rare))),
        "{untold:?}"
    );
}

#[actix_web::test]
async fn a_foreign_or_cooling_app_is_told_with_its_reason() {
    let rig = Rig::working();
    rig.upstream
        .will_issue(token_broker::ports::Fetched::Refused(
            token_broker::domain::upstream_error::UpstreamError {
                code: 40164,
                message: String::new(),
                rid: None,
                ip: Some(String::from("10.1.2.3")),
            },
        ));
    rig.get("reader", "/token/wx-served").await;
    let text = rig.metrics.render();
    for part in [
        "token_broker_address_refused{appid=\"wx-served\",address=\"10.1.2.3\"} 1",
        "token_broker_cooldown_until_timestamp_seconds{appid=\"wx-served\",class=\"ip_not_whitelisted\"}",
        "token_broker_refresh_blocked{appid=\"wx-served\",reason=\"cooldown\"} 1",
        "token_broker_fetch_refusals_total{appid=\"wx-served\",class=\"ip_not_whitelisted\"} 1",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
