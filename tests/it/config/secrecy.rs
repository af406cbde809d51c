//! No secret shows, whatever is wrong around it.

use super::sample::{Files, errors_with, load_with};

const CANARY: &str = "canary";

/// What a configuration shows of itself, valid or not.
fn shown(text: &str, environment: &[(&str, &str)]) -> String {
    match load_with(text, environment) {
        Ok(config) => format!("{config:?} {config:#?}"),
        Err(errors) => format!("{errors} {errors:?}"),
    }
}

#[test]
fn a_valid_configuration_censors_every_secret() {
    let files = Files::new();
    let file = files.write("secret", "canary-in-a-file\n");
    let text = format!(
        "[store]\nkind = 'redis'\nurl = 'redis://canary:canary@h:1'\n\
         [[apps]]\nappid = 'wx1'\nsecret = 'canary'\n\
         [[apps]]\nappid = 'wx2'\nsecret_file = '{}'\n[[apps]]\nappid = 'wx3'\n",
        file.display()
    );
    let environment = [("TOKEN_BROKER__APPS__WX3__SECRET", CANARY)];
    load_with(&text, &environment).expect("a valid configuration");
    let shown = shown(&text, &environment);
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(shown.contains("[censored]"));
}

#[test]
fn a_mistake_never_quotes_a_value() {
    for text in [
        "[[apps]]\nappid = 'wx1'\nsecret = 'canary'\nsecret_file = 'canary'\n",
        "[[apps]]\nappid = 'wx1'\nsecret = ['canary']\n",
        "[[apps]]\nappid = 'wx1'\nsecret = { canary = 'canary' }\n",
        "[[apps]]\nappid = 'wx1'\nsecret = 'canary canary'\n",
        "[[apps]]\nappid = 'wx1'\nsecret_file = 'canary'\n",
        "[[apps]]\nappid = 'wx1'\nsecert = 'canary'\n",
        "[[apps]]\nappid = 'canary canary'\nsecret = 's'\n",
        "[[apps]]\nappid = 'wx1'\nsecret = 's'\nmode = 'canary'\ntickets = ['canary']\n",
        "[store]\nkind = 'redis'\nurl = 'redis://u:canary@h:x/canary'\n",
        "[store]\nkind = 'redis'\nurl = 'redis://u:canary@'\n",
        "[store]\nkind = 'redis'\nurl = 'redis://u:canary@h/x'\n",
        "[store]\nkind = 'redis'\nurl = 'canary://u:canary@h/1'\n",
        "[store]\nkind = 'redis'\nurl = 'redis+cluster://u:canary@h:1'\n",
        "[store]\nurl = 'redis://u:canary@h:1'\n",
        "[store]\nkind = 'canary'\nnamespace = 'canary canary'\nencryption_keys = ['k:canary']\n",
        "[upstream]\nbase_url = 'https://u:canary@w'\nproxy = 'http://u:canary@p'\n",
        "[upstream]\nbase_url = 'http://w/?secret=canary'\nca_file = 'canary'\n",
        "[server]\nlisten = 'canary'\ncold_wait = 'canary'\nworkers = 'canary'\n",
        "[[callers]]\nid = 'CANARY canary'\nkeys = ['tbk_x_canary']\n\
         allow = [{ appids = ['canary'], verbs = ['canary'] }]\n",
    ] {
        let told = shown(text, &[]);
        assert!(!told.contains(CANARY), "{text}: {told}");
    }
}

#[test]
fn a_line_that_is_no_toml_is_not_quoted() {
    for line in [
        "secret = canary",
        "secret = \"canary",
        "secret = 'canary",
        "secret = 'canary' canary",
        "secret = \"canary\\x\"",
        "secret = [\"canary\"",
        "secret = { a = \"canary\"",
        "secret = \"canary\"\nsecret = \"canary\"",
        "secret = \"\"\"canary",
        "secret: canary",
        "secret = 12canary",
        "secret = 2020-canary",
        "secret = tcanary",
        "secret \"canary\"",
        "[canary",
    ] {
        let told = shown(&format!("[[apps]]\nappid = 'wx1'\n{line}\n"), &[]);
        assert!(told.contains("column "), "{line}: {told}");
        assert!(!told.contains(CANARY), "{line}: {told}");
    }
}

#[test]
fn a_wrong_variable_does_not_show_its_value() {
    for name in [
        "TOKEN_BROKER__STORE__URL",
        "TOKEN_BROKER__STORE__URL_FILE",
        "TOKEN_BROKER__STORE__ENCRYPTION_KEYS",
        "TOKEN_BROKER__STORE__ENCRYPTION_KEYS_FILE",
        "TOKEN_BROKER__STORE__PASSWORD",
        "TOKEN_BROKER__APPS__WX9__SECRET",
        "TOKEN_BROKER__APPS__WX9__SECRETS",
        "TOKEN_BROKER__APPS",
        "TOKEN_BROKER__REFRESH__LEASE",
    ] {
        let told = errors_with("", &[(name, CANARY)]).join("\n");
        assert!(told.contains(name), "{told}");
        assert!(!told.contains(CANARY), "{told}");
    }
}
