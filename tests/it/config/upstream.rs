//! How WeChat is reached: its other hosts, the proxy and whom to trust are judged before anything starts.

use super::sample::{Files, SMALL, errors, errors_with, load, load_with};

fn told(lines: &str) -> Vec<String> {
    errors(&format!("[upstream]\n{lines}\n{SMALL}"))
}

#[test]
fn other_hosts_and_a_proxy_arrive_from_the_file_and_from_variables() {
    let files = Files::new();
    let proxy = files.write("proxy", "http://u:p%40ss@proxy.internal:3128\n");
    let path = proxy.display().to_string();
    let written = load(&format!(
        "[upstream]\nfallback_urls = ['https://api2.weixin.qq.com/', 'https://sh.api.weixin.qq.com']\n\
         proxy = 'http://u:p%40ss@proxy.internal:3128'\n{SMALL}"
    ));
    let set = load_with(
        SMALL,
        &[
            (
                "TOKEN_BROKER__UPSTREAM__FALLBACK_URLS",
                "https://api2.weixin.qq.com, https://sh.api.weixin.qq.com",
            ),
            ("TOKEN_BROKER__UPSTREAM__PROXY_FILE", &path),
        ],
    )
    .expect("a valid configuration");
    assert_eq!(written.upstream, set.upstream);
    assert_eq!(
        set.upstream.fallback_urls,
        ["https://api2.weixin.qq.com", "https://sh.api.weixin.qq.com"]
    );
    let proxy = set.upstream.proxy.as_ref().expect("a proxy");
    assert_eq!(proxy.expose(), "http://u:p%40ss@proxy.internal:3128");
    assert!(!format!("{set:?}").contains("p%40ss"));
}

#[test]
fn a_host_that_cannot_be_one_is_told_by_its_place() {
    let lines = "fallback_urls = ['api2.weixin.qq.com', 'http://api2.weixin.qq.com', \
                 'https://u:p@api2.weixin.qq.com', 'https://api.weixin.qq.com', 'https://a', 'https://a/']";
    let key = |index: u32, what: &str| format!("2: upstream.fallback_urls[{index}]: {what}");
    let twice = "is there twice, or is base_url itself";
    assert_eq!(
        told(lines),
        [
            key(0, "must be a URL, such as \"https://api.weixin.qq.com\""),
            key(
                1,
                "must be https://: the AppSecret would travel in clear; http:// is for a loopback address only"
            ),
            key(2, "must name no user and no password"),
            key(3, twice),
            key(5, twice),
        ]
    );
}

#[test]
fn a_proxy_that_cannot_be_one_is_told_and_not_repeated() {
    let form = "must be a URL, such as \"http://user:password@proxy.internal:3128\"";
    for (proxy, what) in [
        ("canary:3128", form),
        ("http://u:canary@:3128", form),
        (
            "socks5://u:canary@h:1",
            "must begin with http:// or https://",
        ),
        (
            "http://u:canary@h:1/path",
            "must end with the port: no path, no query, no fragment",
        ),
    ] {
        let expected = format!("2: upstream.proxy: {what}");
        assert_eq!(told(&format!("proxy = '{proxy}'")), [expected], "{proxy}");
    }
    let name = "TOKEN_BROKER__UPSTREAM__PROXY";
    assert_eq!(
        errors_with(SMALL, &[(name, "ftp://h")]),
        [format!(
            "{name}: upstream.proxy: must begin with http:// or https://"
        )]
    );
    let clear = "base_url = 'http://127.0.0.1:1'\nproxy = 'http://proxy.internal:3128'";
    assert_eq!(
        told(clear),
        [
            "3: upstream.proxy: would be sent the AppSecrets in clear: base_url or a fallback is http://"
        ]
    );
    let local = "base_url = 'http://127.0.0.1:1'\nproxy = 'http://127.0.0.1:3128'";
    assert_eq!(told(local), [""; 0]);
}

#[test]
fn authorities_that_are_none_are_told() {
    assert_eq!(
        told("ca_file = '/nonexistent'"),
        ["2: upstream.ca_file: cannot be read: entity not found"]
    );
    let files = Files::new();
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        let path = files.write("ca.pem", text);
        let line = format!("ca_file = '{}'", path.display());
        assert_eq!(
            told(&line),
            ["2: upstream.ca_file: holds no certificate in PEM"],
            "{text}"
        );
    }
}
