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
            "[upstream]\nproxy = 'http://proxy:3128'\n".to_owned(),
            "2: upstream.proxy: is not available in this release",
        ),
    ] {
        assert_eq!(errors(&text), [expected]);
    }
}

#[test]
fn it_is_refused_from_the_environment_too() {
    let variable = "TOKEN_BROKER__UPSTREAM__PROXY";
    let told = errors_with(SMALL, &[(variable, "http://p:1")]);
    let expected = format!("{variable}: upstream.proxy: is not available in this release");
    assert_eq!(told, [expected]);
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
