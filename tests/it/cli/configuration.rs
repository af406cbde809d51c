//! `check-config` and `serve` over good and bad configurations.

use super::process::{run, run_with};
use crate::config::{Files, SMALL};

#[test]
fn a_valid_configuration_is_told_on_stdout() {
    let path = Files::new();
    let file = path.write("broker.toml", SMALL).display().to_string();
    for outcome in [
        run(&["check-config", "--config", &file]),
        run_with(&["check-config"], &[("TOKEN_BROKER_CONFIG", &file)]),
    ] {
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(
            outcome.stdout,
            "The configuration is valid: 1 app, 1 caller.\n"
        );
        assert!(outcome.stderr.is_empty());
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_exit_64() {
    let files = Files::new();
    let text = "[server]\nlisen = 1\nworkers = 'x'\n[store]\nkind = 'x'\n[refresh]\nat = 2\n\
                min_spacing = '1s'\n[log]\nlevel = 1\n[[apps]]\n[[callers]]\n";
    let file = files.write("broker.toml", text).display().to_string();
    let environment = [("TOKEN_BROKER__NO__SUCH", "x")];
    for command in ["check-config", "serve"] {
        let outcome = run_with(&[command, "--config", &file], &environment);
        assert_eq!(outcome.code, Some(64));
        assert!(outcome.stdout.is_empty());
        for expected in [
            "error: the configuration is refused",
            "broker.toml:2: server.lisen: ",
            "broker.toml:3: server.workers: ",
            "broker.toml:5: store.kind: ",
            "broker.toml:7: refresh.at: ",
            "broker.toml:8: refresh.min_spacing: ",
            "broker.toml:10: log.level: ",
            "broker.toml:11: apps[0].appid: is missing",
            "broker.toml:11: apps[0].secret: is missing",
            "broker.toml:12: callers[0].id: is missing",
            "broker.toml:12: callers[0].keys: is missing",
            "broker.toml:12: callers[0].allow: is missing",
            "TOKEN_BROKER__NO__SUCH: means nothing",
        ] {
            assert!(outcome.stderr.contains(expected), "{expected}: {outcome:?}");
        }
        assert_eq!(outcome.stderr.lines().count(), 13, "{}", outcome.stderr);
    }
}

#[test]
fn the_default_file_is_printed_and_is_valid() {
    let printed = run(&["check-config", "--print-default"]);
    assert_eq!(printed.code, Some(0));
    let files = Files::new();
    let file = files
        .write("broker.toml", &printed.stdout)
        .display()
        .to_string();
    let checked = run(&["check-config", "--config", &file]);
    assert_eq!(
        checked.stdout,
        "The configuration is valid: 0 apps, 0 callers.\n"
    );
}

#[test]
fn nothing_secret_reaches_either_stream() {
    let files = Files::new();
    let secret = files.write("secret", "canary canary").display().to_string();
    for text in [
        "[[apps]]\nappid = 'wx1'\nsecret = 'canary'\nsecret_file = 'x'\n".to_owned(),
        format!("[[apps]]\nappid = 'wx1'\nsecret_file = '{secret}'\n"),
        "[[apps]]\nappid = 'wx1'\nsecret = 'canary\n".to_owned(),
        "[[apps]]\nappid = 'wx1'\nsecret = canary\n".to_owned(),
        "[store]\nkind = 'redis'\nurl = 'redis://:canary@h:port/0'\n".to_owned(),
        "[store]\nencryption_keys = ['k:canary']\n[upstream]\nbase_url = 'https://u:canary@h'\n"
            .to_owned(),
    ] {
        let file = files.write("broker.toml", &text).display().to_string();
        let environment = [
            ("TOKEN_BROKER__APPS__WX9__SECRET", "canary"),
            ("TOKEN_BROKER__STORE__PASSWORD", "canary"),
            ("TOKEN_BROKER_KEY", "canary"),
        ];
        for command in ["check-config", "serve"] {
            let outcome = run_with(&[command, "--config", &file], &environment);
            assert_eq!(outcome.code, Some(64), "{text}");
            assert!(!outcome.shown().contains("canary"), "{text}: {outcome:?}");
        }
    }
}

#[test]
fn help_never_shows_what_the_environment_holds() {
    let environment = [
        ("TOKEN_BROKER_CONFIG", "canary"),
        ("TOKEN_BROKER_KEY", "canary"),
    ];
    for command in ["serve", "status", "check-config", "healthcheck"] {
        let outcome = run_with(&[command, "--help"], &environment);
        assert!(!outcome.shown().contains("canary"), "{outcome:?}");
    }
}
