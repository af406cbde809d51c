//! The environment over the file.

use std::time::Duration;

use token_broker::config::{Backend, Config, ServerConfig};

use super::sample::{Files, SMALL, errors_with, load_with};

fn loaded(text: &str, environment: &[(&str, &str)]) -> Config {
    load_with(text, environment).expect("a valid configuration")
}

#[test]
fn a_variable_goes_before_the_file() {
    let text = format!("[refresh]\nlease = '10s'\nreconcile = '11s'\n{SMALL}");
    let config = loaded(
        &text,
        &[
            ("TOKEN_BROKER__REFRESH__LEASE", "12s"),
            ("TOKEN_BROKER__REFRESH__AT", "0.4"),
            ("TOKEN_BROKER__SERVER__WORKERS", "2"),
            ("TOKEN_BROKER__STORE__NAMESPACE", "12"),
        ],
    );
    assert_eq!(config.refresh.lease, Duration::from_secs(12));
    assert_eq!(config.refresh.reconcile, Duration::from_secs(11));
    assert!((config.refresh.at - 0.4).abs() < f64::EPSILON);
    assert_eq!(config.server.workers, 2);
    assert_eq!(config.store.namespace, "12");
    assert_eq!(config.apps.len(), 1);
}

#[test]
fn without_a_file_the_environment_stands_alone() {
    let environment = [("TOKEN_BROKER__SERVER__LISTEN", "127.0.0.1:1234")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(None, environment.into_iter()).expect("a valid configuration");
    assert_eq!(config.server.listen.port(), 1234);
}

#[test]
fn what_is_wrong_with_a_variable_names_it() {
    let told = errors_with(
        SMALL,
        &[
            ("TOKEN_BROKER__REFRESH__LEASE", "soon"),
            ("TOKEN_BROKER__SERVER__WORKERS", "many"),
        ],
    );
    let expected = [
        "TOKEN_BROKER__REFRESH__LEASE: refresh.lease: must be a whole number with one unit (ms, s, \
         m, h or d) of at most a year, such as \"90s\" or \"1500ms\"",
        "TOKEN_BROKER__SERVER__WORKERS: server.workers: must be a whole number",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_variable_that_means_nothing_is_an_error() {
    let nothing = "means nothing: no key and no app has this name";
    for name in [
        "TOKEN_BROKER__REFRESH",
        "TOKEN_BROKER__REFRESH__",
        "TOKEN_BROKER__REFRESH__LEASE__X",
        "TOKEN_BROKER__REFRESH__LEASE[0]",
        "TOKEN_BROKER__TELEMETRY__URL",
        "TOKEN_BROKER__APPS__0__SECRET",
        "TOKEN_BROKER__APPS__WX9__SECRET_FILE",
        "TOKEN_BROKER__APPS__WX0000000000000001__MODE",
        "TOKEN_BROKER__CALLERS__0__ID",
    ] {
        let told = errors_with(SMALL, &[(name, "/dev/null")]);
        assert_eq!(told, [format!("{name}: {nothing}")]);
    }
    let told = errors_with(SMALL, &[("TOKEN_BROKER__REFRESH__LEASSE", "1s")]);
    let expected =
        "TOKEN_BROKER__REFRESH__LEASSE: refresh.leasse: is no known key; did you mean lease?";
    assert_eq!(told, [expected]);
}

#[test]
fn variables_of_others_are_left_alone() {
    let config = loaded(
        SMALL,
        &[
            ("TOKEN_BROKER_CONFIG", "x"),
            ("TOKEN_BROKER_SERVICE_HOST", "10.0.0.1"),
            ("TOKEN_BROKER_KEY", "x"),
            ("HTTP_PROXY", "http://x"),
        ],
    );
    assert_eq!(config.apps.len(), 1);
}

#[test]
fn an_apps_secret_is_matched_by_its_appid() {
    let text = "[[apps]]\nappid = 'wx1'\nsecret_file = '/nonexistent'\n\
                [[apps]]\nappid = 'ww-corp__2'\n[[apps]]\nappid = 'wx3'\nsecret = 'kept'\n";
    let config = loaded(
        text,
        &[
            ("TOKEN_BROKER__APPS__WX1__SECRET", "one"),
            ("TOKEN_BROKER__APPS__WW_CORP__2__SECRET", "two"),
        ],
    );
    let secrets: Vec<_> = config.apps.iter().map(|app| app.secret.expose()).collect();
    assert_eq!(secrets, ["one", "two", "kept"]);
}

#[test]
fn an_appid_that_is_ambiguous_in_upper_case_must_be_spelled_exactly() {
    let text = "[[apps]]\nappid = 'wxa'\nsecret = 's'\n[[apps]]\nappid = 'wxA'\nsecret = 's'\n";
    let told = errors_with(text, &[("TOKEN_BROKER__APPS__WXA__SECRET", "x")]);
    let message = "means several apps; spell the appid exactly as the file does";
    assert_eq!(
        told,
        [format!("TOKEN_BROKER__APPS__WXA__SECRET: {message}")]
    );
    let config = loaded(text, &[("TOKEN_BROKER__APPS__wxA__SECRET", "x")]);
    assert_eq!(config.apps[1].secret.expose(), "x");
}

#[test]
fn an_empty_secret_is_told_by_its_variable() {
    let name = "TOKEN_BROKER__APPS__WX0000000000000001__SECRET";
    let told = errors_with(SMALL, &[(name, "")]);
    assert_eq!(told, [format!("{name}: apps[0].secret: is empty")]);
}

#[test]
fn secrets_come_from_files_too() {
    let files = Files::new();
    let secret = files.write("secret", "from-a-file\n");
    let url = files.write("url", "redis://:pw@h:1\n");
    let (secret, url) = (secret.display().to_string(), url.display().to_string());
    let text = format!("[store]\nkind = 'redis'\nurl = 'redis://other'\n{SMALL}");
    let environment = [
        (
            "TOKEN_BROKER__APPS__WX0000000000000001__SECRET_FILE",
            secret.as_str(),
        ),
        ("TOKEN_BROKER__STORE__URL_FILE", url.as_str()),
    ];
    let config = loaded(&text, &environment);
    assert_eq!(config.apps[0].secret.expose(), "from-a-file");
    let Backend::Redis { url, .. } = config.store.backend else {
        panic!("{:?}", config.store)
    };
    assert_eq!(url.expose(), "redis://:pw@h:1");
}

#[test]
fn the_part_behind_the_prefix_is_read_in_either_case() {
    let files = Files::new();
    let url = files.write("url", "redis://h:1\n").display().to_string();
    let environment = [
        ("TOKEN_BROKER__Store__Kind", "redis"),
        ("TOKEN_BROKER__store__url_file", url.as_str()),
    ];
    let Backend::Redis { url, .. } = loaded(SMALL, &environment).store.backend else {
        panic!("another store")
    };
    assert_eq!(url.expose(), "redis://h:1");
}

#[test]
fn a_secret_and_its_file_are_not_both_set() {
    for name in [
        "TOKEN_BROKER__APPS__WX0000000000000001__SECRET",
        "TOKEN_BROKER__STORE__URL",
        "TOKEN_BROKER__STORE__ENCRYPTION_KEYS",
    ] {
        let file = format!("{name}_FILE");
        let told = errors_with(SMALL, &[(name, ""), (&file, "/dev/null")]);
        let expected = format!("{file}: is set beside {name}; only one of both may be");
        assert!(told.contains(&expected), "{told:?}");
    }
}

#[test]
fn a_secrets_file_that_cannot_be_read_names_its_variable() {
    let name = "TOKEN_BROKER__STORE__URL_FILE";
    let told = errors_with("[store]\nkind = 'redis'\n", &[(name, "/nonexistent")]);
    let expected = format!("{name}: names a file that cannot be read: entity not found");
    assert!(told.contains(&expected), "{told:?}");
}

#[test]
fn a_value_that_is_no_utf8_is_told() {
    let name = "TOKEN_BROKER__STORE__URL";
    let told = errors_with(SMALL, &[(name, "redis://\u{fffd}")]);
    assert_eq!(told, [format!("{name}: is no valid UTF-8")]);
}

#[test]
fn a_probe_finds_the_broker_whatever_else_became_of_its_file() {
    let files = Files::new();
    let path = files.write(
        "broker.toml",
        "[server]\nlisten = '127.0.0.1:1'\n[[apps]]\n",
    );
    let server = ServerConfig::peek(Some(&path), std::iter::empty()).expect("a server");
    assert_eq!(server.listen.port(), 1);
    let path = files.write("broker.toml", "[server]\nlisten = 'x'\n[[apps]]\n");
    let told = ServerConfig::peek(Some(&path), std::iter::empty()).map(|_| ());
    let told = told.map_err(|errors| errors.iter().count());
    assert_eq!(told, Err(1));
}
