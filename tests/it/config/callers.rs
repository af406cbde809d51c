//! Apps, and callers with their keys, rights and rates, as they are written.

use token_broker::domain::app_id::AppId;
use token_broker::domain::caller::Verb;

use super::sample::{Files, SMALL, errors, load};

const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

#[test]
fn rights_follow_the_rules_of_a_caller() {
    let config = load(&format!(
        r#"
        [[apps]]
        appid = "wx1"
        secret = "s"
        [[apps]]
        appid = "wx2"
        secret = "s"
        [[callers]]
        id = "orders"
        keys = ["sha256:{HASH}"]
        allow = [
            {{ appids = ["wx1"], verbs = ["read", "call"] }},
            {{ appids = ["*"], verbs = ["admin"] }},
        ]
        "#
    ));
    let rights = &config.callers[0].rights;
    let app = |text| AppId::parse(text).expect("an appid");
    assert!(rights.allows(&app("wx1"), Verb::Call));
    assert!(rights.allows(&app("wx2"), Verb::Admin));
    assert!(!rights.allows(&app("wx2"), Verb::Read));
}

#[test]
fn calls_are_open_for_the_paths_that_are_written() {
    let with = |rule: &str| SMALL.replace(r#"{ appids = ["*"], verbs = ["read"] }"#, rule);
    let written = with(r#"{ appids = ["*"], verbs = ["call"], paths = ["/cgi-bin/message/**"] }"#);
    let config = load(&written);
    let rights = &config.callers[0].rights;
    let app = &config.apps[0].appid;
    assert!(rights.opens(app, "/cgi-bin/message/custom/send"));
    assert!(!rights.opens(app, "/cgi-bin/user/info"));
    for (rule, error) in [
        (
            r#"{ appids = ["*"], verbs = ["call"], paths = [] }"#,
            "paths: is empty: leave it out to open all of them",
        ),
        (
            r#"{ appids = ["*"], verbs = ["read"], paths = ["/**"] }"#,
            "paths: is of use with the verb \"call\" only",
        ),
        (
            r#"{ appids = ["*"], verbs = ["call"], paths = ["/a", "b"] }"#,
            "paths[1]: must be a path of WeChat's, such as \"/cgi-bin/user/info\", with * for one part or ** at its end",
        ),
    ] {
        assert_eq!(
            errors(&with(rule)),
            [format!("8: callers[0].allow[0].{error}")]
        );
    }
}

#[test]
fn a_caller_has_the_rate_that_is_written_or_none() {
    let with = |rate: &str| SMALL.replace(r#"id = "orders""#, &format!("id = \"orders\"\n{rate}"));
    let rate = |text: &str| load(text).callers[0].rate.map(std::num::NonZeroU32::get);
    assert_eq!(rate(&with("rate = 100")), Some(100));
    assert_eq!(rate(&with("")), None);
    assert_eq!(
        errors(&with("rate = 0")),
        ["7: callers[0].rate: must be between 1 and 1000000"]
    );
}

#[test]
fn an_app_needs_an_appid_and_one_secret() {
    let files = Files::new();
    let (good, empty) = (files.write("good", "s\n"), files.write("empty", "\n"));
    let two_lines = files.write("two", "s\nt\n");
    let text = format!(
        "[[apps]]\n\
         [[apps]]\nappid = 'wx2'\nsecret = 's'\nsecret_file = '{good}'\n\
         [[apps]]\nappid = 'wx3'\nsecret_file = '{empty}'\n\
         [[apps]]\nappid = 'wx4'\nsecret_file = '/nonexistent'\n\
         [[apps]]\nappid = 'wx5'\nsecret_file = '{two}'\n\
         [[apps]]\nappid = 'wx2'\nsecret = 's'\ndaily_limit = 3\nmode = 'other'\n",
        good = good.display(),
        empty = empty.display(),
        two = two_lines.display(),
    );
    let expected = [
        "1: apps[0].appid: is missing",
        "1: apps[0].secret: is missing; give secret or secret_file",
        "5: apps[1].secret_file: is set beside secret; only one of both may be",
        "8: apps[2].secret_file: is empty",
        "11: apps[3].secret_file: cannot be read: entity not found",
        "14: apps[4].secret_file: must contain no white space and no line break",
        "16: apps[5].appid: is the same as apps[1].appid",
        "18: apps[5].daily_limit: must be between 4 and 1000000",
        "19: apps[5].mode: must be \"token\" or \"stable\"",
    ];
    assert_eq!(errors(&text), expected);
}

#[test]
fn a_secret_file_is_read_without_its_last_newline() {
    let files = Files::new();
    let path = files.write("secret", "from-a-file\r\n");
    let text = format!(
        "[[apps]]\nappid = 'wx1'\nsecret_file = '{}'\n",
        path.display()
    );
    assert_eq!(load(&text).apps[0].secret.expose(), "from-a-file");
}

#[test]
fn a_caller_needs_an_id_one_or_two_keys_and_a_right() {
    let hash = |digit: char| format!("'sha256:{}'", String::from(digit).repeat(64));
    let (a, b, c, d) = (hash('a'), hash('b'), hash('c'), hash('d'));
    let text = format!(
        "[[callers]]\n\
         [[callers]]\nid = 'Orders'\nkeys = [{a}, {b}, {c}]\nallow = [{{}}]\n\
         [[callers]]\nid = 'x'\nkeys = ['sha256:12', 'tbk_x_12']\n\
         allow = [{{ appids = ['*', 'wx9'], verbs = ['read', 'write'] }}]\n\
         [[callers]]\nid = 'x'\nkeys = [{a}, {d}, ]\nallow = []\n",
    );
    let form = "must be \"sha256:\" and 64 hexadecimal digits, the hash and not the key";
    let expected = [
        "1: callers[0].allow: is missing: this caller could do nothing".to_owned(),
        "1: callers[0].id: is missing".to_owned(),
        "1: callers[0].keys: is missing; `token-broker key new ID` makes one".to_owned(),
        "3: callers[1].id: a caller's id has 1 to 32 characters: lower-case letters, digits and '-'"
            .to_owned(),
        "4: callers[1].keys: has more than two; one to use, one to replace it by".to_owned(),
        "5: callers[1].allow[0].appids: is missing".to_owned(),
        "5: callers[1].allow[0].verbs: is missing".to_owned(),
        format!("8: callers[2].keys[0]: {form}"),
        format!("8: callers[2].keys[1]: {form}"),
        "9: callers[2].allow[0].appids[1]: is no appid of [[apps]], nor \"*\"".to_owned(),
        "9: callers[2].allow[0].verbs[1]: must be one of \"read\", \"call\", \"refresh\" and \
         \"admin\""
            .to_owned(),
        "11: callers[3].id: is the same as callers[2].id".to_owned(),
        "12: callers[3].keys[0]: is the same as callers[1].keys[0]".to_owned(),
        "13: callers[3].allow: is missing: this caller could do nothing".to_owned(),
    ];
    assert_eq!(errors(&text), expected);
}

#[test]
fn a_ticket_is_named_once_and_a_host_is_a_host() {
    let app = |more: &str| errors(&SMALL.replace("[[callers]]", &format!("{more}\n[[callers]]")));
    let none: [&str; 0] = [];
    assert_eq!(app("tickets = ['jsapi', 'wx_card']"), none);
    assert_eq!(
        app("tickets = ['jsapi']\njssdk_hosts = ['*.example.com']"),
        none
    );
    assert_eq!(
        app("tickets = ['jsapi', 'card', 'jsapi']"),
        [
            "5: apps[0].tickets[1]: must be \"jsapi\" or \"wx_card\"",
            "5: apps[0].tickets[2]: is there twice"
        ]
    );
    assert_eq!(
        app("tickets = ['jsapi']\njssdk_hosts = ['https://shop.example.com/']"),
        [
            "6: apps[0].jssdk_hosts[0]: must be a host, \"shop.example.com\", or all hosts below one, \"*.example.com\""
        ]
    );
    assert_eq!(
        app("jssdk_hosts = ['shop.example.com']"),
        ["5: apps[0].jssdk_hosts: has no effect: tickets does not list \"jsapi\""]
    );
}
