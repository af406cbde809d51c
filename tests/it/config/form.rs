//! Each key's form, and how a mistake is told.

use std::time::Duration;

use token_broker::config::{Backend, Config, RedisTls};
use token_broker::domain::app_id::AppId;
use token_broker::domain::caller::Verb;
use token_broker::domain::credential::{Kind, Mode};
use token_broker::telemetry::LogFormat;

use super::sample::{Files, SMALL, errors, errors_with, load};

const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

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
fn rights_follow_the_rules_of_a_caller() {
    let config = load(&format!(
        r#"
        [[apps]]
        appid = "wx1"
        secret = "s"
        [[apps]]
        appid = "wx2"
        secret = "s"
        [[callers]]
        id = "orders"
        keys = ["sha256:{HASH}"]
        allow = [
            {{ appids = ["wx1"], verbs = ["read", "call"] }},
            {{ appids = ["*"], verbs = ["admin"] }},
        ]
        "#
    ));
    let rights = &config.callers[0].rights;
    let app = |text| AppId::parse(text).expect("an appid");
    assert!(rights.allows(&app("wx1"), Verb::Call));
    assert!(rights.allows(&app("wx2"), Verb::Admin));
    assert!(!rights.allows(&app("wx2"), Verb::Read));
}

#[test]
fn calls_are_open_for_the_paths_that_are_written() {
    let with = |rule: &str| SMALL.replace(r#"{ appids = ["*"], verbs = ["read"] }"#, rule);
    let written = with(r#"{ appids = ["*"], verbs = ["call"], paths = ["/cgi-bin/message/**"] }"#);
    let config = load(&written);
    let rights = &config.callers[0].rights;
    let app = &config.apps[0].appid;
    assert!(rights.opens(app, "/cgi-bin/message/custom/send"));
    assert!(!rights.opens(app, "/cgi-bin/user/info"));
    for (rule, error) in [
        (
            r#"{ appids = ["*"], verbs = ["call"], paths = [] }"#,
            "paths: is empty: leave it out to open all of them",
        ),
        (
            r#"{ appids = ["*"], verbs = ["read"], paths = ["/**"] }"#,
            "paths: is of use with the verb \"call\" only",
        ),
        (
            r#"{ appids = ["*"], verbs = ["call"], paths = ["/a", "b"] }"#,
            "paths[1]: must be a path of WeChat's, such as \"/cgi-bin/user/info\", with * for one part or ** at its end",
        ),
    ] {
        assert_eq!(
            errors(&with(rule)),
            [format!("8: callers[0].allow[0].{error}")]
        );
    }
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
fn a_caller_has_the_rate_that_is_written_or_none() {
    let with = |rate: &str| SMALL.replace(r#"id = "orders""#, &format!("id = \"orders\"\n{rate}"));
    let rate = |text: &str| load(text).callers[0].rate.map(std::num::NonZeroU32::get);
    assert_eq!(rate(&with("rate = 100")), Some(100));
    assert_eq!(rate(&with("")), None);
    assert_eq!(
        errors(&with("rate = 0")),
        ["7: callers[0].rate: must be between 1 and 1000000"]
    );
}

#[test]
fn tls_takes_a_certificate_and_its_key_together() {
    let files = Files::new();
    let (cert, key) = pair();
    let (cert, key) = (files.write("c.pem", &cert), files.write("k.pem", &key));
    let with = |keys: &str| format!("[server]\n{keys}{SMALL}");
    let (tls_cert, tls_key) = (
        format!("tls_cert_file = {cert:?}\n"),
        format!("tls_key_file = {key:?}\n"),
    );
    let both = load(&with(&(tls_cert.clone() + &tls_key)));
    let tls = both.server.tls.expect("both files");
    assert_eq!((tls.cert, tls.key, tls.client_ca), (cert, key, None));
    assert_eq!(load(&with("tls_cert_file = ''")).server.tls, None);
    assert_eq!(
        errors(&with(&tls_cert)),
        ["1: server.tls_key_file: is missing while tls_cert_file is there"]
    );
    assert_eq!(
        errors(&with(&tls_key)),
        ["1: server.tls_cert_file: is missing while tls_key_file is there"]
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
fn an_app_needs_an_appid_and_one_secret() {
    let files = Files::new();
    let (good, empty) = (files.write("good", "s\n"), files.write("empty", "\n"));
    let two_lines = files.write("two", "s\nt\n");
    let text = format!(
        "[[apps]]\n\
         [[apps]]\nappid = 'wx2'\nsecret = 's'\nsecret_file = '{good}'\n\
         [[apps]]\nappid = 'wx3'\nsecret_file = '{empty}'\n\
         [[apps]]\nappid = 'wx4'\nsecret_file = '/nonexistent'\n\
         [[apps]]\nappid = 'wx5'\nsecret_file = '{two}'\n\
         [[apps]]\nappid = 'wx2'\nsecret = 's'\ndaily_limit = 3\nmode = 'other'\n",
        good = good.display(),
        empty = empty.display(),
        two = two_lines.display(),
    );
    let expected = [
        "1: apps[0].appid: is missing",
        "1: apps[0].secret: is missing; give secret or secret_file",
        "5: apps[1].secret_file: is set beside secret; only one of both may be",
        "8: apps[2].secret_file: is empty",
        "11: apps[3].secret_file: cannot be read: entity not found",
        "14: apps[4].secret_file: must contain no white space and no line break",
        "16: apps[5].appid: is the same as apps[1].appid",
        "18: apps[5].daily_limit: must be between 4 and 1000000",
        "19: apps[5].mode: must be \"token\" or \"stable\"",
    ];
    assert_eq!(errors(&text), expected);
}

#[test]
fn a_secret_file_is_read_without_its_last_newline() {
    let files = Files::new();
    let path = files.write("secret", "from-a-file\r\n");
    let text = format!(
        "[[apps]]\nappid = 'wx1'\nsecret_file = '{}'\n",
        path.display()
    );
    assert_eq!(load(&text).apps[0].secret.expose(), "from-a-file");
}

#[test]
fn a_caller_needs_an_id_one_or_two_keys_and_a_right() {
    let hash = |digit: char| format!("'sha256:{}'", String::from(digit).repeat(64));
    let (a, b, c, d) = (hash('a'), hash('b'), hash('c'), hash('d'));
    let text = format!(
        "[[callers]]\n\
         [[callers]]\nid = 'Orders'\nkeys = [{a}, {b}, {c}]\nallow = [{{}}]\n\
         [[callers]]\nid = 'x'\nkeys = ['sha256:12', 'tbk_x_12']\n\
         allow = [{{ appids = ['*', 'wx9'], verbs = ['read', 'write'] }}]\n\
         [[callers]]\nid = 'x'\nkeys = [{a}, {d}, ]\nallow = []\n",
    );
    let form = "must be \"sha256:\" and 64 hexadecimal digits, the hash and not the key";
    let expected = [
        "1: callers[0].allow: is missing: this caller could do nothing".to_owned(),
        "1: callers[0].id: is missing".to_owned(),
        "1: callers[0].keys: is missing; `token-broker key new ID` makes one".to_owned(),
        "3: callers[1].id: a caller's id has 1 to 32 characters: lower-case letters, digits and '-'"
            .to_owned(),
        "4: callers[1].keys: has more than two; one to use, one to replace it by".to_owned(),
        "5: callers[1].allow[0].appids: is missing".to_owned(),
        "5: callers[1].allow[0].verbs: is missing".to_owned(),
        format!("8: callers[2].keys[0]: {form}"),
        format!("8: callers[2].keys[1]: {form}"),
        "9: callers[2].allow[0].appids[1]: is no appid of [[apps]], nor \"*\"".to_owned(),
        "9: callers[2].allow[0].verbs[1]: must be one of \"read\", \"call\", \"refresh\" and \
         \"admin\""
            .to_owned(),
        "11: callers[3].id: is the same as callers[2].id".to_owned(),
        "12: callers[3].keys[0]: is the same as callers[1].keys[0]".to_owned(),
        "13: callers[3].allow: is missing: this caller could do nothing".to_owned(),
    ];
    assert_eq!(errors(&text), expected);
}

#[test]
fn the_url_of_a_redis_is_checked() {
    let told = |url: &str| errors(&format!("[store]\nkind = 'redis'\nurl = '{url}'\n"));
    for url in [
        "redis://h",
        "redis://h:1/3",
        "rediss://:p%40w@h:1",
        "redis://[::1]:1/0",
    ] {
        assert!(told(url).is_empty(), "{url}");
    }
    for url in [
        "redis+sentinel://u:pw@a:1,b/main/2?sentinel_password=p",
        "rediss+cluster://u:pw@a:1,b",
    ] {
        assert!(told(url).is_empty(), "{url}");
    }
    let scheme = "must begin with redis://, redis+sentinel:// or redis+cluster://, or for TLS with \
                  rediss in place of redis";
    let expected = [
        ("", "is missing; store.kind = \"redis\" needs it"),
        ("not a url", "must be a URL, redis://host:port/db"),
        ("http://h", scheme),
        ("unix:///run/redis", scheme),
        ("redis:///0", "must name a host"),
        ("rediss://h/#insecure", "must have no query and no fragment"),
        (
            "redis://h/?protocol=3",
            "must have no query and no fragment",
        ),
        (
            "redis://h/x",
            "must have the form redis://[user:password@]host[:port][/db]",
        ),
        (
            "redis+sentinel://h",
            "must have the form redis+sentinel://[user:password@]host[:port],host[:port]/<master>\
             [/db][?sentinel_user=...&sentinel_password=...]",
        ),
        (
            "redis+cluster://h/1",
            "must have the form redis+cluster://[user:password@]host[:port],host[:port]",
        ),
    ];
    for (url, message) in expected {
        assert_eq!(told(url), [format!("3: store.url: {message}")], "{url}");
    }
}

#[test]
fn the_files_of_tls_are_read_and_go_with_a_url_that_asks_for_it() {
    let files = Files::new();
    let made = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
    let certificate = files.write("certificate", &made.cert.pem());
    let key = files.write("key", &made.signing_key.serialize_pem());
    let (certificate, key) = (certificate.display(), key.display());
    let redis = |scheme: &str, keys: &str| {
        format!("[store]\nkind = 'redis'\nurl = '{scheme}://h'\n{keys}{SMALL}")
    };
    let all = format!(
        "ca_file = '{certificate}'\nclient_cert_file = '{certificate}'\nclient_key_file = '{key}'\n"
    );

    let Backend::Redis { tls, .. } = load(&redis("rediss", &all)).store.backend else {
        panic!("another store");
    };
    assert!(tls.ca_file.is_some() && tls.client_cert_file.is_some());
    let no_effect = "has no effect unless store.url begins with rediss";
    assert_eq!(
        errors(&redis("redis", &all)),
        [
            format!("4: store.ca_file: {no_effect}"),
            format!("5: store.client_cert_file: {no_effect}"),
            format!("6: store.client_key_file: {no_effect}"),
        ]
    );
    for (keys, expected) in [
        (
            "ca_file = '/nonexistent'\n".to_owned(),
            "4: store.ca_file: cannot be read: entity not found",
        ),
        (
            format!("ca_file = '{key}'\n"),
            "4: store.ca_file: holds no certificate in PEM",
        ),
        (
            format!("client_cert_file = '{certificate}'\nclient_key_file = '{certificate}'\n"),
            "5: store.client_key_file: holds no private key in PEM",
        ),
        (
            format!("client_cert_file = '{certificate}'\n"),
            "1: store.client_key_file: is missing beside client_cert_file",
        ),
        (
            format!("client_key_file = '{key}'\n"),
            "1: store.client_cert_file: is missing beside client_key_file",
        ),
    ] {
        assert_eq!(errors(&redis("rediss+cluster", &keys)), [expected]);
    }
    assert_eq!(
        errors(&format!("[store]\nca_file = '{certificate}'\n{SMALL}")),
        ["2: store.ca_file: has no effect unless store.kind = \"redis\""]
    );
}

#[test]
fn the_base_url_of_upstream_is_checked() {
    let told = |url: &str| errors(&format!("[upstream]\nbase_url = '{url}'\n"));
    for url in [
        "https://w",
        "https://w/p/",
        "http://localhost:1",
        "http://[::1]:1",
        "http://127.9.9.9",
    ] {
        assert!(told(url).is_empty(), "{url}");
    }
    for url in [
        "",
        "api.weixin.qq.com",
        "ftp://w",
        "http://w",
        "http://127.0.0.1.example",
        "https://user@w",
        "https://:pw@w",
        "https://w/?a=1",
        "https://w/#a",
        "data:x",
    ] {
        assert_eq!(told(url).len(), 1, "{url}");
    }
}

#[test]
fn a_setting_of_the_other_kind_of_store_has_no_effect_and_is_told() {
    let told = errors("[store]\nurl = 'redis://h'\npool_size = 9\npath = 'elsewhere'\n");
    let expected = [
        "2: store.url: has no effect unless store.kind = \"redis\"",
        "3: store.pool_size: has no effect unless store.kind = \"redis\"",
    ];
    assert_eq!(told, expected);
    let told = errors("[store]\nkind = 'redis'\nurl = 'redis://h'\npath = 'elsewhere'\n");
    assert_eq!(
        told,
        ["4: store.path: has no effect unless store.kind = \"embedded\""]
    );
    // As a full file writes them.
    load("[store]\nkind = 'redis'\nurl = 'redis://h'\npath = 'data/token-broker.redb'\n");
    load(&format!("[store]\nurl = ''\npool_size = 8\n{SMALL}"));
}

#[test]
fn certificates_of_callers_stand_in_for_keys_where_they_are_asked_for() {
    let files = Files::new();
    let (cert, key) = pair();
    let (cert, key) = (files.write("cert.pem", &cert), files.write("key.pem", &key));
    let server = format!(
        "[server]\ntls_cert_file = {cert:?}\ntls_key_file = {key:?}\ntls_client_ca_file = {cert:?}\n"
    );
    let caller = |more: &str| {
        format!(
            "[[callers]]\nid = 'orders'\nallow = [{{ appids = ['*'], verbs = ['read'] }}]\n{more}\n"
        )
    };
    let named = caller("certificates = ['spiffe://a/b', 'Orders.Internal']");
    let config = load(&(server.clone() + &named));
    assert_eq!(
        config.callers[0].certificates,
        ["spiffe://a/b", "orders.internal"]
    );
    assert!(config.callers[0].keys.is_empty());

    assert_eq!(
        errors(&named),
        ["4: callers[0].certificates: has no effect without server.tls_client_ca_file"]
    );
    let form = "must be a URI or a DNS name, such as \"spiffe://cluster.local/ns/shop/sa/orders\" or \
                \"orders.internal\"";
    let wrong = caller("certificates = ['*.internal', 'a b', '', 'spiffe://a b']");
    let told = errors(&(server.clone() + &wrong));
    let expected: Vec<_> = (0..4)
        .map(|index| format!("8: callers[0].certificates[{index}]: {form}"))
        .collect();
    assert_eq!(told, expected);
    let twice = server + &named + &named.replace("'orders'", "'other'");
    assert_eq!(
        errors(&twice),
        [
            "12: callers[1].certificates[0]: is the same as callers[0].certificates[0]",
            "12: callers[1].certificates[1]: is the same as callers[0].certificates[1]",
        ]
    );
}

#[test]
fn the_files_of_the_listener_are_looked_into() {
    let files = Files::new();
    let (cert, key) = pair();
    let (_, other) = pair();
    let none = files.write("none.pem", "");
    let (cert, key) = (files.write("cert.pem", &cert), files.write("key.pem", &key));
    let other = files.write("other.pem", &other);
    let told = |cert: &std::path::Path, key: &std::path::Path, more: &str| {
        errors(&format!(
            "[server]\ntls_cert_file = {cert:?}\ntls_key_file = {key:?}\n{more}\n{SMALL}"
        ))
    };
    assert_eq!(told(&cert, &key, ""), [""; 0]);
    assert_eq!(
        told(&none, &none, ""),
        [
            "2: server.tls_cert_file: holds no certificate in PEM",
            "3: server.tls_key_file: holds no private key in PEM"
        ]
    );
    assert_eq!(
        told(&cert, &other, ""),
        ["3: server.tls_key_file: is not the key of the certificate in tls_cert_file"]
    );
    assert_eq!(
        told(&cert, &key, &format!("tls_client_ca_file = {none:?}")),
        ["4: server.tls_client_ca_file: holds no certificate in PEM"]
    );
    assert_eq!(
        errors(&format!("[server]\ntls_client_ca_file = {cert:?}\n{SMALL}")),
        ["2: server.tls_client_ca_file: has no effect without tls_cert_file"]
    );
}

/// A certificate and its key, as PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["broker.test".to_owned()]);
    let made = made.expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_ticket_is_named_once_and_a_host_is_a_host() {
    let app = |more: &str| errors(&SMALL.replace("[[callers]]", &format!("{more}\n[[callers]]")));
    let none: [&str; 0] = [];
    assert_eq!(app("tickets = ['jsapi', 'wx_card']"), none);
    assert_eq!(
        app("tickets = ['jsapi']\njssdk_hosts = ['*.example.com']"),
        none
    );
    assert_eq!(
        app("tickets = ['jsapi', 'card', 'jsapi']"),
        [
            "5: apps[0].tickets[1]: must be \"jsapi\" or \"wx_card\"",
            "5: apps[0].tickets[2]: is there twice"
        ]
    );
    assert_eq!(
        app("tickets = ['jsapi']\njssdk_hosts = ['https://shop.example.com/']"),
        [
            "6: apps[0].jssdk_hosts[0]: must be a host, \"shop.example.com\", or all hosts below one, \"*.example.com\""
        ]
    );
    assert_eq!(
        app("jssdk_hosts = ['shop.example.com']"),
        ["5: apps[0].jssdk_hosts: has no effect: tickets does not list \"jsapi\""]
    );
}

#[test]
fn written_empty_it_asks_for_nothing() {
    let text = format!("[store]\nencryption_keys = []\n[upstream]\nproxy = ''\n{SMALL}");
    let environment = [("TOKEN_BROKER__STORE__ENCRYPTION_KEYS", "")];
    assert_eq!(errors_with(&text, &environment), Vec::<String>::new());
}
