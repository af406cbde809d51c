//! What is not built yet is refused, never ignored.

use super::sample::{SMALL, errors, errors_with};

#[test]
fn each_thing_that_is_not_built_is_refused() {
    let text = "[[apps]]\nappid = 'wx1'\nsecret = 's'\ntickets = ['jsapi']\n";
    let expected = "4: apps[0].tickets: is not available in this release";
    assert_eq!(errors(text), [expected]);
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
