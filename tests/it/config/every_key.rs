//! Every key that names a URL, a file, a certificate, a key or a password: a wrong one is told by its name before
//! anything starts, and what stands in its place is never repeated.

use token_broker::config::DEFAULT_FILE;

use super::sample::{Files, SMALL, errors};

/// A key, lines that set it to something wrong, and how what is said of it begins.
struct Wrong {
    key: &'static str,
    lines: String,
    says: &'static str,
}

fn wrong(key: &'static str, section: &str, value: &str, says: &'static str) -> Wrong {
    let name = key.rsplit('.').next().unwrap_or(key);
    Wrong {
        key,
        lines: format!("{section}\n{name} = {value}\n"),
        says,
    }
}

const REDIS: &str = "[store]\nkind = 'redis'\nurl = 'rediss://h'";

fn all(files: &Files) -> Vec<Wrong> {
    let junk = files.write("junk", "canary").display().to_string();
    let quoted = format!("'{junk}'");
    let absent = "'/nonexistent/canary'";
    let caller = |lines: &str| SMALL.replace("keys = ", &format!("{lines}\nignored = "));
    let mut all = Vec::new();
    for (key, section, holds) in [
        ("server.tls_cert_file", "[server]", "holds no certificate"),
        ("server.tls_key_file", "[server]", "holds no private key"),
        (
            "server.tls_client_ca_file",
            "[server]",
            "holds no certificate",
        ),
        ("store.ca_file", REDIS, "holds no certificate"),
        ("store.client_cert_file", REDIS, "holds no certificate"),
        ("store.client_key_file", REDIS, "holds no private key"),
        ("upstream.ca_file", "[upstream]", "holds no certificate"),
        ("traces.ca_file", "[traces]", "holds no certificate"),
        ("traces.headers_file", "[traces]", "line 1 of the file must"),
    ] {
        all.push(wrong(key, section, absent, "cannot be read"));
        all.push(wrong(key, section, &quoted, holds));
    }
    let app = "[[apps]]\nappid = 'wx1'";
    all.push(wrong("apps.secret_file", app, absent, "cannot be read"));
    let spaced = files.write("spaced", "can ary").display().to_string();
    let spaced = format!("'{spaced}'");
    all.push(wrong("apps.secret_file", app, &spaced, "must contain no"));
    all.push(wrong("apps.secret", app, "'can ary'", "must contain no"));
    let store = "[store]\nkind = 'redis'";
    for url in ["'canary'", "'http://h'", "'redis://:canary@h:port'"] {
        all.push(wrong("store.url", store, url, "must "));
    }
    let sealing = "[store]";
    for keys in ["['canary']", "['id:canary']", "['id:Y2FuYXJ5']"] {
        all.push(wrong("store.encryption_keys", sealing, keys, "must "));
    }
    let upstream = "[upstream]";
    for url in [
        "'canary'",
        "'http://canary.example'",
        "'https://u:canary@h'",
    ] {
        all.push(wrong("upstream.base_url", upstream, url, "must "));
        let list = format!("[{url}]");
        all.push(wrong("upstream.fallback_urls", upstream, &list, "must "));
    }
    for url in ["'canary'", "'socks5://u:canary@h'", "'http://u:canary@h/p'"] {
        all.push(wrong("upstream.proxy", upstream, url, "must "));
    }
    for url in [
        "'canary'",
        "'ftp://canary'",
        "'https://u:canary@h/v1/traces'",
    ] {
        all.push(wrong(
            "traces.endpoint",
            "[traces]",
            url,
            "must be empty, or",
        ));
    }
    for base in ["'canary'", "'https://canary'"] {
        all.push(wrong(
            "server.runbook_base",
            "[server]",
            base,
            "must be empty, or",
        ));
    }
    for proxies in ["['canary']", "['10.0.0.1/8']", "['10.0.0.0/33']"] {
        all.push(wrong(
            "server.trusted_proxies",
            "[server]",
            proxies,
            "must be a network",
        ));
    }
    for keys in ["['canary']", "['sha256:canary']", "'canary'"] {
        all.push(Wrong {
            key: "callers.keys",
            lines: caller(&format!("keys = {keys}")),
            says: "must ",
        });
    }
    let names = "keys = []\ncertificates = ['can ary']";
    all.push(Wrong {
        key: "callers.certificates",
        lines: caller(names),
        says: "must ",
    });
    all
}

#[test]
fn a_wrong_one_is_told_by_its_key_and_never_repeated() {
    let files = Files::new();
    for Wrong { key, lines, says } in all(&files) {
        let told = errors(&lines);
        let (section, name) = key.split_once('.').unwrap_or_default();
        let of_it = |line: &&String| {
            let rest = line.split_once(": ").map_or("", |(_, rest)| rest);
            let rest = rest.strip_prefix(section).unwrap_or("");
            // An item of a list, or a table of one.
            let rest = rest.strip_prefix("[0]").unwrap_or(rest);
            let rest = rest.strip_prefix('.').and_then(|r| r.strip_prefix(name));
            let rest = rest.map(|rest| rest.strip_prefix("[0]").unwrap_or(rest));
            let said = rest.and_then(|rest| rest.strip_prefix(": "));
            said.is_some_and(|said| said.starts_with(says))
        };
        assert!(
            told.iter().any(|line| of_it(&line)),
            "{key}\n{lines}\n{told:#?}"
        );
        assert!(!told.concat().contains("canary"), "{key}: {told:?}");
    }
}

#[test]
fn no_such_key_is_left_out() {
    let telling = [
        "_file",
        "url",
        "_urls",
        "_base",
        "keys",
        "secret",
        "proxy",
        "proxies",
        "certificates",
        "endpoint",
    ];
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in DEFAULT_FILE
        .lines()
        .map(|line| line.trim_start_matches('#'))
    {
        if line.starts_with('[') {
            section = line.replace(['[', ']'], "");
        } else if let Some((key, _)) = line.split_once(" = ")
            && telling.iter().any(|end| key.ends_with(end))
            && !key.contains(' ')
            && key != "tokens_as_keys"
        {
            keys.push(format!("{section}.{key}"));
        }
    }
    assert!(keys.len() > 15, "{keys:?}");
    let files = Files::new();
    let tried: Vec<_> = all(&files).iter().map(|wrong| wrong.key).collect();
    for key in keys {
        assert!(
            tried.contains(&key.as_str()),
            "{key} is never tried with a wrong value"
        );
    }
}
