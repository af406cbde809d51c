//! Each key's form, and how a mistake is told.

use std::time::Duration;

use token_broker::config::{Backend, Config, RedisTls};
use token_broker::domain::credential::{Kind, Mode};
use token_broker::telemetry::LogFormat;

use super::sample::{SMALL, errors, errors_with, load};

#[test]
fn every_value_arrives_where_it_belongs() {
    let config = load(
        r#"
        [server]
        listen = "[::1]:1"
        cold_wait = "1500ms"
        ops_listen = "0.0.0.0:2"
        workers = 3
        drain = "1m"
        max_body = 2048
        [store]
        kind = "redis"
        url = "rediss://user:pw@redis.internal:6380/2"
        namespace = "fleet_1.a"
        connect_timeout = "3s"
        reply_timeout = "2s"
        pool_size = 4
        encryption_keys = []
        [upstream]
        base_url = "http://127.0.0.1:9000/wechat/"
        timeout = "4s"
        proxy = ""
        ca_file = ""
        [refresh]
        at = 0.6
        jitter = 0.2
        min_spacing = "500s"
        lease = "21s"
        reconcile = "31s"
        watch = "0s"
        close_watch = "16s"
        overlap = "400s"
        caller_cache = "61s"
        backoff_min = "2s"
        backoff_max = "2m"
        budget_window = "2h"
        [gateway]
        tokens_as_keys = false
        timeout = "31s"
        longest = "11m"
        side_by_side = 9
        replay_body = 5000
        max_body = 6000
        max_reply = 7000
        [log]
        level = "debug"
        format = "json"
        access_sample = 100
        [[apps]]
        appid = "wx1"
        secret = "s"
        mode = "stable"
        daily_limit = 100
        tickets = ["wx_card", "jsapi"]
        jssdk_hosts = ["shop.example.com", "*.example.net"]
        "#,
    );
    let seconds = Duration::from_secs;
    assert_eq!(config.server.listen.to_string(), "[::1]:1");
    assert_eq!(config.server.cold_wait, Duration::from_millis(1500));
    assert_eq!(config.server.drain, seconds(60));
    assert_eq!((config.server.workers, config.server.max_body), (3, 2048));
    let Backend::Redis {
        url,
        tls,
        connect_timeout,
        reply_timeout,
        pool_size,
    } = &config.store.backend
    else {
        panic!("{:?}", config.store)
    };
    assert_eq!(url.expose(), "rediss://user:pw@redis.internal:6380/2");
    assert_eq!(*tls, RedisTls::default());
    assert_eq!((*connect_timeout, *reply_timeout), (seconds(3), seconds(2)));
    assert_eq!(
        (*pool_size, config.store.namespace.as_str()),
        (4, "fleet_1.a")
    );
    assert_eq!(config.upstream.base_url, "http://127.0.0.1:9000/wechat");
    assert!(config.upstream.is_loopback && config.upstream.ca_file.is_none());
    assert_eq!(config.refresh.watch, Duration::ZERO);
    assert_eq!(config.refresh.backoff_max, seconds(120));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.access_sample, 100);
    let gateway = &config.gateway;
    assert!(!gateway.tokens_as_keys);
    assert_eq!(gateway.timeout, seconds(31));
    assert_eq!(gateway.longest, seconds(660));
    assert_eq!(gateway.side_by_side, 9);
    assert_eq!(
        (gateway.replay_body, gateway.max_body, gateway.max_reply),
        (5000, 6000, 7000)
    );
    let app = &config.apps[0];
    assert_eq!((app.mode, app.daily_limit), (Mode::Stable, 100));
    assert_eq!(app.tickets, [Kind::WxCardTicket, Kind::JsapiTicket]);
    assert!(app.jssdk_hosts[1].covers("a.example.net"));
    let credentials: Vec<_> = app.credentials().collect();
    assert_eq!(credentials.len(), 3);
    // A ticket rotates, whatever the app's mode, and cannot be checked.
    let ticket = app.rules(&credentials[1], &config.refresh, &config.upstream);
    assert_eq!((ticket.mode, ticket.checkable), (Mode::Token, false));
    let rules = app.rules(&credentials[0], &config.refresh, &config.upstream);
    assert_eq!((rules.mode, rules.checkable), (Mode::Stable, true));
    assert_eq!(rules.lease, seconds(21));
    assert_eq!(rules.timeout, seconds(4));
    assert_eq!(rules.backoff, (seconds(2), seconds(120)));
    assert_eq!(rules.budget.window, seconds(7200));
}

#[test]
fn the_whole_of_a_call_takes_no_less_time_than_a_pause_in_it() {
    let text = format!("[gateway]\ntimeout = '30s'\nlongest = '20s'\n{SMALL}");
    assert_eq!(
        errors(&text),
        ["3: gateway.longest: must be at least gateway.timeout"]
    );
}

#[test]
fn a_file_with_ten_mistakes_is_told_ten() {
    let text = r#"[server]
lisen = "127.0.0.1:1"
cold_wait = "3 seconds"
[store]
kind = "etcd"
namespace = "a b"
[upstream]
base_url = "http://wechat.example"
[refresh]
at = 0.95
lease = 20
[log]
level = "verbose"
[[apps]]
appid = "wx 1"
secret = ""
"#;
    let expected = [
        "2: server.lisen: is no known key; did you mean listen?",
        "3: server.cold_wait: must be a whole number with one unit (ms, s, m, h or d) of at most a \
         year, such as \"90s\" or \"1500ms\"",
        "5: store.kind: must be \"embedded\" or \"redis\"",
        "6: store.namespace: must have 1 to 64 characters: letters, digits, '_', '.' and '-'",
        "8: upstream.base_url: must be https://: the AppSecret would travel in clear; http:// is for \
         a loopback address only",
        "10: refresh.at: must be between 0.1 and 0.9",
        "11: refresh.lease: must be a whole number with one unit (ms, s, m, h or d) of at most a \
         year, such as \"90s\" or \"1500ms\"",
        "13: log.level: must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        "15: apps[0].appid: an appid consists of letters, digits, '_' and '-' only",
        "16: apps[0].secret: is empty",
    ];
    assert_eq!(errors(text), expected);
}

#[test]
fn a_syntax_error_is_told_alone_with_its_place() {
    let told = errors("[server]\nlisten = \"127.0.0.1\nunknown = 1\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("2: column "), "{told:?}");
    let told = errors("[server]\n[server]\n");
    assert!(told[0].starts_with("2: column 2: is no TOML: "), "{told:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let path = std::path::Path::new("/nonexistent/broker.toml");
    let told = Config::load(Some(path), std::iter::empty()).map(|_| ());
    let told = told.map_err(|errors| errors.to_string());
    let expected = "/nonexistent/broker.toml: cannot be read: entity not found";
    assert_eq!(told, Err(expected.to_owned()));
}

#[test]
fn sections_of_a_wrong_shape_and_unknown_sections_are_told() {
    let told = errors("server = 1\nappps = 1\napps = [1]\n[callers]\nid = 'a'\n");
    let expected = [
        "1: server: must be a table",
        "2: appps: is no known key; did you mean apps?",
        "3: apps[0]: must be a table",
        "4: callers: must be a list of tables",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_quoted_key_is_no_path() {
    let text = "\"server.listen\" = '127.0.0.1:1'\n\"apps[0].secret\" = 'x'\n";
    let expected = [
        "1: server.listen: is no known key; did you mean server?",
        "2: apps[0].secret: is no known key; did you mean apps?",
    ];
    assert_eq!(errors(text), expected);
}

#[test]
fn written_empty_it_asks_for_nothing() {
    let text = format!("[store]\nencryption_keys = []\n[upstream]\nproxy = ''\n{SMALL}");
    let environment = [("TOKEN_BROKER__STORE__ENCRYPTION_KEYS", "")];
    assert_eq!(errors_with(&text, &environment), Vec::<String>::new());
}
