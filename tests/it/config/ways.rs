//! The ways in and out: the listener, Redis and WeChat, with the files of their TLS.

use token_broker::config::Backend;

use super::sample::{Files, SMALL, errors, load};

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
