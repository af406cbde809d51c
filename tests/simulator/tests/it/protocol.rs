//! The endpoints: what a correct caller gets, and what an incorrect one is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wechat_simulator::{
    Death, Endpoint, Outcome, Series, Settings, Simulator, TicketKind, TicketRule, Verdict,
};

use crate::support::*;

fn errcode(reply: &Value) -> i64 {
    assert!(
        reply["errmsg"].as_str().unwrap().contains("rid: "),
        "{reply}"
    );
    reply["errcode"].as_i64().unwrap()
}

#[tokio::test]
async fn a_fetch_answers_a_token_and_its_life_and_no_errcode() {
    let wechat = wechat().await;
    let reply = get(&wechat, &token_target(APP)).await;
    let token = reply["access_token"].as_str().unwrap();
    assert_eq!(reply, json!({"access_token": token, "expires_in": 7200}));
    assert!(wechat.verdict(APP, token).is_valid());
    assert_eq!(wechat.belongs_to(token).as_deref(), Some(APP));
    assert!(check(&wechat, token).await["ip_list"].is_array());
    assert_eq!(wechat.violations(), []);
}

#[tokio::test]
async fn tokens_die_over_the_wire_as_the_oracle_says() {
    let wechat = Simulator::start(Settings {
        overlap: Duration::from_millis(400),
        ..settings()
    })
    .await
    .unwrap();
    let first = fetch(&wechat, APP).await;
    let second = fetch(&wechat, APP).await;
    assert!(check(&wechat, &first).await["ip_list"].is_array());
    let dead = |wechat: &Simulator| !wechat.verdict(APP, &first).is_valid();
    assert!(wechat.wait_for(BOUND, dead).await);
    assert_eq!(errcode(&check(&wechat, &first).await), 40001);
    assert!(check(&wechat, &second).await["ip_list"].is_array());
    let died = wechat.issued(&first).unwrap().dies_at;
    assert!(wechat.was_valid(APP, &first, died - Duration::from_millis(1)));
    assert!(!wechat.was_valid(APP, &first, died));
    let late = died + Duration::from_secs(7);
    assert_eq!(wechat.dead_for(APP, &first, late), Duration::from_secs(7));
    assert_eq!(wechat.dead_for(APP, "nobody's", late), Duration::MAX);
    assert_eq!(wechat.death(APP, &first), Some(Death::Superseded));
}

#[tokio::test]
async fn a_token_expires_with_42001_and_tells_at_least_one_second() {
    let wechat = Simulator::start(Settings {
        scale: 72_000,
        ..settings()
    })
    .await
    .unwrap();
    let reply = get(&wechat, &token_target(APP)).await;
    assert_eq!(reply["expires_in"], 1);
    let token = reply["access_token"].as_str().unwrap();
    let dead = |wechat: &Simulator| !wechat.verdict(APP, token).is_valid();
    assert!(wechat.wait_for(BOUND, dead).await);
    assert_eq!(errcode(&check(&wechat, token).await), 42001);
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_with_a_token() {
    let wechat = wechat().await;
    let unknown = "x".repeat(64);
    assert_eq!(errcode(&check(&wechat, &unknown).await), 40001);
    assert_eq!(errcode(&check(&wechat, "short").await), 40014);
    let spaced = format!("%20{unknown}");
    assert_eq!(errcode(&check(&wechat, &spaced).await), 40014);
    let none = get(&wechat, "/cgi-bin/get_api_domain_ip").await;
    assert_eq!(errcode(&none), 41001);
}

#[tokio::test]
async fn the_stable_token_is_the_same_until_it_is_forced() {
    let wechat = wechat().await;
    let first = stable(&wechat, false).await;
    let second = stable(&wechat, false).await;
    assert_eq!(first["access_token"], second["access_token"]);
    assert!(second["expires_in"].as_u64().unwrap() <= 7200);
    let forced = stable(&wechat, true).await;
    assert_ne!(forced["access_token"], first["access_token"]);
    assert_eq!(errcode(&stable(&wechat, true).await), 45011);
    let old = first["access_token"].as_str().unwrap();
    assert_eq!(errcode(&check(&wechat, old).await), 40001);
    assert_eq!(wechat.issued(old).unwrap().series, Series::Stable);
    let outcomes: Vec<_> = wechat.calls().iter().map(|call| call.outcome).collect();
    assert_eq!(
        outcomes[..4],
        [
            Outcome::Issued { serial: 1 },
            Outcome::Same { serial: 1 },
            Outcome::Issued { serial: 2 },
            Outcome::Refused { errcode: 45011 },
        ]
    );
    let forced_calls = wechat.calls().iter().filter(|call| call.forced).count();
    assert_eq!(forced_calls, 2);
    assert_eq!(wechat.fetches(APP).len(), 2);
    assert_eq!(
        wechat.current_stable(APP).as_deref(),
        forced["access_token"].as_str()
    );
    assert_eq!(wechat.violations(), []);
}

#[tokio::test]
async fn tickets_are_issued_for_a_token_that_works() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    let target = format!("/cgi-bin/ticket/getticket?access_token={token}&type=wx_card");
    let reply = get(&wechat, &target).await;
    assert_eq!(reply["errcode"], 0);
    assert_eq!(reply["errmsg"], "ok");
    assert_eq!(reply["expires_in"], 7200);
    let ticket = reply["ticket"].as_str().unwrap();
    assert_eq!(wechat.tickets(APP)[0].kind, TicketKind::WxCard);
    assert!(wechat.ticket_was_valid(APP, ticket, Instant::now()));
    assert!(!wechat.ticket_was_valid(OTHER, ticket, Instant::now()));
    wechat.invalidate(APP);
    assert_eq!(errcode(&get(&wechat, &target).await), 40001);
}

#[tokio::test]
async fn a_ticket_is_followed_by_the_next_as_the_rule_says() {
    let hour = Duration::from_secs(3600);
    for (rule, same, first_lives) in [
        (TicketRule::LivesOn, false, 2 * hour),
        (TicketRule::Superseded, false, Duration::from_secs(300)),
        (TicketRule::Repeated, true, 2 * hour),
    ] {
        let settings = Settings {
            ticket_rule: rule,
            ..Settings::with_app(APP, SECRET)
        };
        let wechat = Simulator::start(settings).await.unwrap();
        let token = fetch(&wechat, APP).await;
        let target = format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi");
        let (first, next) = (get(&wechat, &target).await, get(&wechat, &target).await);
        assert_eq!(first["ticket"] == next["ticket"], same, "{rule:?}");
        let left = wechat.tickets(APP)[0]
            .dies_at
            .duration_since(Instant::now());
        assert!(
            left <= first_lives && left + hour / 60 > first_lives,
            "{rule:?}: {left:?}"
        );
    }
}

#[tokio::test]
async fn whoever_asks_wrongly_is_told_so_and_remembered() {
    let wechat = wechat().await;
    let base = "/cgi-bin/token?grant_type=client_credential";
    let cases = [
        (format!("{base}&secret={SECRET}"), 41002),
        (format!("{base}&appid={APP}"), 41004),
        (format!("{base}&appid={APP}&secret="), 41004),
        (format!("{base}&appid=wx9&secret={SECRET}"), 40013),
        (format!("{base}&appid={APP}&secret=wrong"), 40125),
        (format!("{}&appid={APP}", token_target(APP)), 40035),
        (format!("{}&force=1", token_target(APP)), 40035),
        (token_target(APP).replace("client_", "server_"), 40002),
        (format!("/cgi-bin/token?appid={APP}&secret={SECRET}"), 40002),
        ("/cgi-bin/stable_token".to_owned(), 43002),
        ("/cgi-bin/get_api_domain_ip".to_owned(), 41001),
        (
            "/cgi-bin/ticket/getticket?access_token=x&type=y".to_owned(),
            40035,
        ),
    ];
    for (target, expected) in &cases {
        assert_eq!(errcode(&get(&wechat, target).await), *expected, "{target}");
    }
    let posted = post(&wechat, &token_target(APP), &json!({})).await;
    assert_eq!(errcode(&posted), 43001);
    let found: Vec<_> = wechat.violations().iter().map(|one| one.errcode).collect();
    let mut expected: Vec<_> = cases.iter().map(|(_, errcode)| *errcode).collect();
    expected.push(43001);
    assert_eq!(found, expected);
    assert!(wechat.fetches(APP).is_empty());
}

#[tokio::test]
async fn the_stable_endpoint_takes_only_the_documented_json() {
    let wechat = wechat().await;
    let good = json!({"grant_type": "client_credential", "appid": APP, "secret": SECRET});
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    for (body, expected) in [
        (with("force_refresh", json!("true")), 40035),
        (with("forced", json!(true)), 40035),
        (with("grant_type", json!("authorization_code")), 40002),
        (with("appid", Value::Null), 41002),
        (with("secret", json!("")), 41004),
        (json!([good]), 47001),
    ] {
        let reply = post(&wechat, "/cgi-bin/stable_token", &body).await;
        assert_eq!(errcode(&reply), expected, "{body}");
    }
    let url = format!("{}/cgi-bin/stable_token", wechat.base_url());
    let untyped = client().post(&url).body(good.to_string());
    let reply: Value = untyped.send().await.unwrap().json().await.unwrap();
    assert_eq!(errcode(&reply), 47001);
    assert_eq!(wechat.violations().len(), 7);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_remembered() {
    let wechat = wechat().await;
    let reply = raw_get(&wechat, "/cgi-bin/tokens").await;
    assert!(reply.starts_with(b"HTTP/1.1 404"));
    let violation = &wechat.violations()[0];
    assert_eq!(violation.endpoint, Endpoint::Nowhere);
    assert_eq!(violation.what, "unknown path /cgi-bin/tokens");
}

#[tokio::test]
async fn a_caller_off_the_whitelist_is_told_its_address() {
    let wechat = wechat().await;
    wechat.set_whitelisted(false);
    let reply = get(&wechat, &token_target(APP)).await;
    assert_eq!(errcode(&reply), 40164);
    let text = reply["errmsg"].as_str().unwrap();
    let said = "invalid ip 10.1.2.3 ipv6 ::ffff:10.1.2.3, not in whitelist rid: ";
    assert!(text.starts_with(said), "{text}");
    wechat.set_whitelisted(true);
    fetch(&wechat, APP).await;
}

#[tokio::test]
async fn a_forced_errcode_answers_every_fetch_of_its_app_until_it_is_cleared() {
    let wechat = wechat().await;
    let token = fetch(&wechat, APP).await;
    wechat.set_error(APP, Some(40243));
    assert_eq!(errcode(&get(&wechat, &token_target(APP)).await), 40243);
    assert_eq!(errcode(&stable(&wechat, false).await), 40243);
    fetch(&wechat, OTHER).await;
    assert!(check(&wechat, &token).await["ip_list"].is_array());
    wechat.set_error(APP, None);
    fetch(&wechat, APP).await;
    assert_eq!(wechat.violations(), []);
}

#[tokio::test]
async fn a_changed_secret_refuses_the_old_one() {
    let wechat = wechat().await;
    wechat.set_secret(APP, "another");
    assert_eq!(errcode(&get(&wechat, &token_target(APP)).await), 40125);
}

#[tokio::test]
async fn the_daily_limit_can_be_lowered_to_what_is_used_up() {
    let wechat = wechat().await;
    wechat.set_daily_limit(APP, 2);
    fetch(&wechat, APP).await;
    wechat.foreign_fetch(APP);
    assert_eq!(errcode(&get(&wechat, &token_target(APP)).await), 45009);
    fetch(&wechat, OTHER).await;
}

#[tokio::test]
async fn foreign_fetches_rotate_and_are_no_calls() {
    let wechat = wechat().await;
    let ours = fetch(&wechat, APP).await;
    let theirs = wechat.foreign_fetch(APP);
    assert!(wechat.verdict(APP, &ours).is_valid());
    assert_eq!(wechat.current(APP), Some(theirs.clone()));
    wechat.foreign_fetch_twice(APP);
    assert!(!wechat.verdict(APP, &ours).is_valid());
    assert!(!wechat.verdict(APP, &theirs).is_valid());
    assert_eq!(wechat.fetches(APP).len(), 1);
    assert_eq!(wechat.count(APP, Endpoint::Token), 1);
    assert_eq!(wechat.tokens(APP).len(), 4);
}

#[tokio::test]
async fn calls_are_counted_by_app_and_by_window() {
    let wechat = wechat().await;
    for _ in 0..3 {
        fetch(&wechat, APP).await;
    }
    fetch(&wechat, OTHER).await;
    wechat.set_error(APP, Some(-1));
    get(&wechat, &token_target(APP)).await;
    assert_eq!(wechat.count(APP, Endpoint::Token), 4);
    assert_eq!(wechat.fetches(APP).len(), 3);
    assert_eq!(wechat.max_fetches_in_any(APP, Duration::from_secs(60)), 4);
    assert_eq!(wechat.max_fetches_in_any(OTHER, BOUND), 1);
    assert_eq!(wechat.max_fetches_at_once(APP), 1);
    let unknown = wechat.verdict(OTHER, &wechat.current(APP).unwrap());
    let why = Death::Unknown;
    assert_eq!(unknown, Verdict::Dead { since: None, why });
}

#[tokio::test]
async fn the_time_without_any_working_token_is_known() {
    let wechat = wechat().await;
    fetch(&wechat, APP).await;
    assert_eq!(
        wechat.longest_without_token(APP, Instant::now()),
        Duration::ZERO
    );
    wechat.invalidate(APP);
    let died = wechat.tokens(APP)[0].dies_at;
    let later = died + Duration::from_secs(9);
    assert_eq!(
        wechat.longest_without_token(APP, later),
        Duration::from_secs(9)
    );
}
