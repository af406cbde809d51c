//! A configuration, and behind a line `%%` the environment, `NAME=value` on a line each: the whole of `check-config`.
//! What is wrong is told without any value, always the same; what is right keeps the promises' inequalities.

use std::time::Duration;

use tempfile::TempDir;
use token_broker::config::{Backend, Config, ConfigErrors};
use token_broker::domain::credential::Credential;
use toml::de::{DeTable, DeValue};

/// A secret, wherever it stands.
const CANARY: &str = "CANARY7f3a9c";

/// Where secrets stand.
const SECRETS: [&str; 4] = ["secret", "url", "proxy", "encryption_keys"];

/// Over which WeChat counts.
const DAY: Duration = Duration::from_secs(24 * 3600);

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a temporary directory");
}

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (text, environment) = text.split_once("\n%%\n").unwrap_or((text, ""));
    // Files of the machine are no business of a test's: some of them never end.
    if ["/", "\\u", "\\U", "\\x", ".."]
        .iter()
        .any(|it| names_a_file(text, environment, it))
    {
        return;
    }
    let environment: Vec<_> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let file = FOLDER.with(|folder| folder.path().join("broker.toml"));
    std::fs::write(&file, text).expect("a written file");
    let load = || Config::load(Some(&file), environment.clone().into_iter());
    let (loaded, again) = (load(), load());
    assert_eq!(loaded, again, "told otherwise the second time");
    match loaded {
        Ok(config) => {
            keeps_the_promises(&config);
            if is_in_secrets_only(text) {
                assert!(
                    !format!("{config:?}").contains(CANARY),
                    "Debug shows a secret"
                );
            }
        }
        Err(errors) => tells_no_value(&errors, text, &environment),
    }
}

/// Whether a key of files holds `mark`, or might once it is unquoted.
fn names_a_file(text: &str, environment: &str, mark: &str) -> bool {
    let mut lines = text.lines().chain(environment.lines());
    text.contains("\"\"\"")
        || text.contains("'''")
        || lines.any(|line| {
            let name = line.to_ascii_lowercase();
            (name.contains("file") || name.contains('\\')) && line.contains(mark)
        })
}

fn tells_no_value(errors: &ConfigErrors, text: &str, environment: &[(String, String)]) {
    let told = format!("{errors}\n{errors:?}");
    assert!(!errors.to_string().is_empty());
    assert!(errors.iter().count() <= 64 + text.len() + environment.len());
    let in_a_name = environment
        .iter()
        .any(|(name, _)| name.to_ascii_lowercase().contains(&CANARY.to_lowercase()));
    let in_a_key = DeTable::parse(text).is_ok_and(|table| is_in_keys(table.get_ref()));
    assert!(in_a_key || in_a_name || !told.contains(CANARY), "{told}");
}

fn is_in_keys(table: &DeTable<'_>) -> bool {
    fn inside(value: &DeValue<'_>) -> bool {
        match value {
            DeValue::Table(table) => is_in_keys(table),
            DeValue::Array(items) => items.iter().any(|item| inside(item.get_ref())),
            _ => false,
        }
    }
    table
        .iter()
        .any(|(key, value)| key.get_ref().contains(CANARY) || inside(value.get_ref()))
}

fn is_in_secrets_only(text: &str) -> bool {
    fn outside(key: &str, value: &DeValue<'_>) -> bool {
        match value {
            DeValue::Table(table) => any_outside(table),
            DeValue::Array(items) => items.iter().any(|item| outside(key, item.get_ref())),
            DeValue::String(text) => !SECRETS.contains(&key) && text.contains(CANARY),
            _ => false,
        }
    }
    fn any_outside(table: &DeTable<'_>) -> bool {
        table
            .iter()
            .any(|(key, value)| outside(key.get_ref(), value.get_ref()))
    }
    DeTable::parse(text).is_ok_and(|table| !any_outside(table.get_ref()))
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// What holds of every configuration that is taken, said anew.
fn keeps_the_promises(config: &Config) {
    let refresh = &config.refresh;
    let learning =
        2 * refresh.lease + refresh.reconcile + config.upstream.timeout + refresh.caller_cache;
    assert!(learning < refresh.overlap);
    assert!(refresh.min_spacing >= refresh.overlap + refresh.caller_cache);
    assert!(!config.callers.is_empty() || config.server.listen.ip().to_canonical().is_loopback());
    let upstream = &config.upstream;
    for url in [&upstream.base_url]
        .into_iter()
        .chain(&upstream.fallback_urls)
    {
        let url = url::Url::parse(url).expect("an address");
        assert!(
            url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        );
        let in_clear = url.scheme() == "http";
        assert!(
            url.scheme() == "https" || in_clear && is_loopback(&url),
            "{url}"
        );
    }
    assert!((1..=64).contains(&config.store.namespace.len()));
    if let Backend::Redis { url, .. } = &config.store.backend {
        assert!(token_broker::redis_url::RedisTarget::parse(url.expose()).is_ok());
    }
    for (index, app) in config.apps.iter().enumerate() {
        assert!(!app.secret.expose().is_empty());
        assert!(
            config.apps[..index]
                .iter()
                .all(|other| other.appid != app.appid),
            "an app twice"
        );
        let of = Credential::access_token(app.appid.clone(), app.mode);
        let rules = app.rules(&of, refresh, upstream);
        assert!(rules.budget.burst >= 1 && rules.budget.reserve < rules.budget.burst);
        if !upstream.is_loopback {
            // The burst and what is regained in a day stay below nine tenths of WeChat's limit.
            let budget = rules.budget;
            let regained = budget.window.as_nanos() / budget.interval.as_nanos();
            let most = u128::from(budget.burst) + regained + 1;
            assert!(
                budget.window >= DAY && most * 10 <= u128::from(app.daily_limit) * 9,
                "{most} a day"
            );
        }
    }
    for (index, caller) in config.callers.iter().enumerate() {
        assert!(
            config.callers[..index]
                .iter()
                .all(|other| other.id != caller.id),
            "a caller twice"
        );
        assert!(
            caller.keys.len() <= 2 && !(caller.keys.is_empty() && caller.certificates.is_empty())
        );
    }
}
