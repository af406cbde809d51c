//! Arguments, help, and the commands that ask nobody.

use token_broker::key::CallerKey;

use super::process::run;

const COMMANDS: [&[&str]; 7] = [
    &["serve"],
    &["check-config"],
    &["healthcheck"],
    &["status"],
    &["token", "get"],
    &["key", "new"],
    &["completions"],
];

#[test]
fn wrong_arguments_exit_with_64_and_say_so_on_stderr() {
    let wrong: [&[&str]; 9] = [
        &[],
        &["serv"],
        &["serve"],
        &["serve", "--conf", "x"],
        &["check-config"],
        &["token"],
        &["token", "get", "not an appid"],
        &["key", "new", "Not-An-Id"],
        &["completions", "cmd.exe"],
    ];
    for arguments in wrong {
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(64), "{arguments:?}");
        assert!(outcome.stdout.is_empty(), "{arguments:?}");
        assert!(
            outcome.stderr.contains("--help"),
            "{arguments:?}: {outcome:?}"
        );
    }
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let outcome = run(&arguments);
        assert_eq!(outcome.code, Some(0), "{command:?}");
        assert!(
            outcome.stdout.contains("Usage: token-broker"),
            "{command:?}"
        );
        assert!(outcome.stderr.is_empty());
    }
    let help = run(&["--help"]).stdout;
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {}", command[0])), "{help}");
    }
    assert!(
        help.contains("64 called or configured in a wrong way"),
        "{help}"
    );
}

#[test]
fn the_version_is_the_packages() {
    let outcome = run(&["--version"]);
    let expected = format!("token-broker {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((outcome.code, outcome.stdout), (Some(0), expected));
}

#[test]
fn a_new_key_comes_with_its_hash_and_lines_that_make_a_valid_caller() {
    let outcome = run(&["key", "new", "orders"]);
    assert_eq!(outcome.code, Some(0));
    let mut lines = outcome.stdout.lines();
    let key = lines.next().and_then(CallerKey::parse).expect("a key");
    assert_eq!(key.id(), "orders");
    let hash = format!("sha256:{}", key.hash());
    assert_eq!(lines.next(), Some(hash.as_str()));

    let toml = lines.collect::<Vec<_>>().join("\n");
    let config = crate::config::load(&toml);
    assert_eq!(config.callers[0].id.as_str(), "orders");
    assert!(key.is_one_of(&config.callers[0].keys));
    assert!(!outcome.stderr.contains("tbk_"));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = run(&["completions", shell]);
        assert_eq!(outcome.code, Some(0));
        for word in ["check-config", "print-default", "key-file"] {
            assert!(outcome.stdout.contains(word), "{shell}: {word}");
        }
    }
}
