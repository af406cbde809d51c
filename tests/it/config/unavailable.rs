//! What is not built yet is refused, never ignored.

use super::sample::{SMALL, errors, errors_with};

#[test]
fn each_thing_that_is_not_built_is_refused() {
    for (text, expected) in [
        (
            format!(
                "{}tickets = ['jsapi']\n",
                "[[apps]]\nappid = 'wx1'\nsecret = 's'\n"
            ),
            "4: apps[0].tickets: is not available in this release",
        ),
        (
            "[store]\nencryption_keys = ['k1:AAAA']\n".to_owned(),
            "2: store.encryption_keys: is not available in this release",
        ),
        (
            "[upstream]\nproxy = 'http://proxy:3128'\n".to_owned(),
            "2: upstream.proxy: is not available in this release",
        ),
    ] {
        assert_eq!(errors(&text), [expected]);
    }
}

#[test]
fn it_is_refused_from_the_environment_too() {
    for (variable, value, key) in [
        (
            "TOKEN_BROKER__STORE__ENCRYPTION_KEYS",
            "k1:AA,k2:BB",
            "store.encryption_keys",
        ),
        (
            "TOKEN_BROKER__UPSTREAM__PROXY",
            "http://p:1",
            "upstream.proxy",
        ),
    ] {
        let told = errors_with(SMALL, &[(variable, value)]);
        let expected = format!("{variable}: {key}: is not available in this release");
        assert_eq!(told, [expected]);
    }
}

#[test]
fn written_empty_it_asks_for_nothing() {
    let text = format!(
        "[store]\nencryption_keys = []\n[upstream]\nproxy = ''\n{}",
        SMALL.replace("[[callers]]", "tickets = []\n[[callers]]")
    );
    let environment = [("TOKEN_BROKER__STORE__ENCRYPTION_KEYS", "")];
    assert_eq!(errors_with(&text, &environment), Vec::<String>::new());
}
