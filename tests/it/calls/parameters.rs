//! Every parameter of every call, missing, doubled, too long and wrongly encoded: named, and nobody is asked.

use serde_json::Value;

use super::rig::{APP, FOLLOWER, Rig};
use crate::support::settings::KEY;
use crate::support::timed::timed;

/// A call with all its parameters as they should be, in a query or in a body.
struct Good {
    method: &'static str,
    path: String,
    parameters: Vec<(&'static str, String)>,
    /// Those that may be left out.
    optional: &'static [&'static str],
    in_query: bool,
}

fn query(
    path: &str,
    parameters: &[(&'static str, &str)],
    optional: &'static [&'static str],
) -> Good {
    good("GET", path, parameters, optional, true)
}

fn body(
    path: &str,
    parameters: &[(&'static str, &str)],
    optional: &'static [&'static str],
) -> Good {
    good("POST", path, parameters, optional, false)
}

fn good(
    method: &'static str,
    path: &str,
    parameters: &[(&'static str, &str)],
    optional: &'static [&'static str],
    in_query: bool,
) -> Good {
    let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
    Good {
        method,
        path: path.replace("APP", APP),
        parameters: parameters.iter().map(owned).collect(),
        optional,
        in_query,
    }
}

/// Values stand as they are written: encoded in a query, as JSON in a body.
fn calls() -> Vec<Good> {
    let token = "a".repeat(64);
    vec![
        query(
            &format!("/user/APP/{FOLLOWER}"),
            &[("lang", "en")],
            &["lang"],
        ),
        query(
            "/oauth/APP/authorize",
            &[
                ("redirect_uri", "https%3A%2F%2Fx.example"),
                ("scope", "snsapi_base"),
                ("state", "a1"),
                ("forcePopup", "true"),
            ],
            &["state", "forcePopup"],
        ),
        body(
            "/user/APP/batch",
            &[("openids", r#"["o-follower"]"#), ("lang", r#""en""#)],
            &["lang"],
        ),
        body("/oauth/APP/exchange", &[("code", r#""c""#)], &[]),
        body("/oauth/APP/refresh", &[("refresh_token", r#""r""#)], &[]),
        body(
            "/oauth/APP/userinfo",
            &[
                ("access_token", &format!("{token:?}")),
                ("openid", r#""o-follower""#),
                ("lang", r#""en""#),
            ],
            &["lang"],
        ),
        body(
            "/oauth/APP/check",
            &[
                ("access_token", &format!("{token:?}")),
                ("openid", r#""o-follower""#),
            ],
            &[],
        ),
        body("/session/APP", &[("js_code", r#""c""#)], &[]),
        query(
            "/cgi-bin/token",
            &[
                ("grant_type", "client_credential"),
                ("appid", APP),
                ("secret", KEY),
            ],
            &[],
        ),
        body(
            "/cgi-bin/stable_token",
            &[
                ("grant_type", r#""client_credential""#),
                ("appid", &format!("{APP:?}")),
                ("secret", &format!("{KEY:?}")),
                ("force_refresh", "false"),
            ],
            &["force_refresh"],
        ),
        query(
            "/sns/oauth2/access_token",
            &[
                ("appid", APP),
                ("secret", KEY),
                ("code", "c"),
                ("grant_type", "authorization_code"),
            ],
            &[],
        ),
        query(
            "/sns/jscode2session",
            &[
                ("appid", APP),
                ("secret", KEY),
                ("js_code", "c"),
                ("grant_type", "authorization_code"),
            ],
            &[],
        ),
        query(
            "/sns/oauth2/refresh_token",
            &[
                ("appid", APP),
                ("grant_type", "refresh_token"),
                ("refresh_token", "r"),
            ],
            &[],
        ),
        query(
            "/sns/userinfo",
            &[
                ("access_token", &token),
                ("openid", FOLLOWER),
                ("lang", "en"),
            ],
            &["lang"],
        ),
        query(
            "/sns/auth",
            &[("access_token", &token), ("openid", FOLLOWER)],
            &[],
        ),
        query(
            "/cgi-bin/ticket/getticket",
            &[("access_token", &token), ("type", "jsapi")],
            &[],
        ),
        query("/jssdk/APP", &[("url", "https%3A%2F%2Fx.example%2F")], &[]),
        query(
            "/jssdk/APP/add-card",
            &[
                ("card_id", "c"),
                ("code", "c"),
                ("openid", "o"),
                ("fixed_begintimestamp", "1"),
                ("outer_str", "s"),
            ],
            &["code", "openid", "fixed_begintimestamp", "outer_str"],
        ),
        query(
            "/jssdk/APP/choose-card",
            &[("shop_id", "1"), ("card_type", "t"), ("card_id", "c")],
            &["shop_id", "card_type", "card_id"],
        ),
    ]
}

impl Good {
    fn written(&self, parameters: &[(&str, String)]) -> (String, String) {
        let pairs = parameters.iter();
        if self.in_query {
            let query: Vec<_> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (format!("{}?{}", self.path, query.join("&")), String::new())
        } else {
            let members: Vec<_> = pairs
                .map(|(name, value)| format!("{name:?}:{value}"))
                .collect();
            (self.path.clone(), format!("{{{}}}", members.join(",")))
        }
    }

    fn speaks_wechat(&self) -> bool {
        self.path.starts_with("/cgi-bin") || self.path.starts_with("/sns")
    }

    /// The call with one parameter spoilt in every way.
    fn spoilt(&self, at: usize) -> Vec<(&'static str, Vec<(&str, String)>)> {
        let (name, value) = &self.parameters[at];
        let with = |changed: Option<String>| {
            let mut parameters: Vec<_> = self
                .parameters
                .iter()
                .map(|(n, v)| (*n, v.clone()))
                .collect();
            match changed {
                Some(value) => parameters[at].1 = value,
                None => drop(parameters.remove(at)),
            }
            parameters
        };
        let mut doubled = with(Some(value.clone()));
        doubled.push((name, value.clone()));
        let long = "x".repeat(3000);
        let (long, broken) = if self.in_query {
            (long, "%ff".to_owned())
        } else {
            (format!("{long:?}"), r#""\u0000\n""#.to_owned())
        };
        let mut spoilt = vec![
            ("doubled", doubled),
            ("too long", with(Some(long))),
            ("wrongly encoded", with(Some(broken))),
        ];
        if !self.optional.contains(name) {
            spoilt.push(("missing", with(None)));
        }
        spoilt
    }
}

/// What stands in a path is a parameter too.
#[test]
fn what_is_wrong_in_a_path_is_named_and_nobody_is_asked() {
    timed(async || {
        let rig = Rig::start().await;
        let long = "x".repeat(129);
        for (path, name) in [
            (format!("/user/{APP}/{long}"), "openid"),
            (format!("/user/{APP}/%ff"), "openid"),
            (format!("/user/{APP}/a%20b"), "openid"),
            (format!("/ticket/{APP}/other"), "type"),
            (format!("/ticket/{APP}/%ff"), "type"),
            (format!("/gateway/{APP}/cgi-bin/user%2finfo"), "path"),
            (
                format!("/gateway/{APP}/cgi-bin/{}", "x".repeat(256)),
                "path",
            ),
            (format!("/gateway/{APP}/cgi-bin/%ff"), "path"),
        ] {
            let told = Rig::expect(&rig.caller.get(&path).await, 400);
            assert_eq!(told["code"], "bad_parameter", "{path}");
            assert_eq!(told["parameter"], name, "{path}");
        }
        assert_eq!(rig.asked(), []);
    });
}

#[test]
fn every_spoilt_parameter_is_named_and_nobody_is_asked() {
    timed(async || {
        let rig = Rig::start().await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let mut wrong = Vec::new();
        for call in calls() {
            for at in 0..call.parameters.len() {
                let name = call.parameters[at].0;
                for (how, parameters) in call.spoilt(at) {
                    let (path, body) = call.written(&parameters);
                    let url = format!("http://{}{path}", rig.broker.api);
                    let request = client.request(call.method.parse().expect("a method"), url);
                    let request = request
                        .bearer_auth(KEY)
                        .header("content-type", "application/json");
                    let response = request.body(body).send().await.expect("an answer");
                    let (status, text) = (response.status(), response.text().await.expect("whole"));
                    let told: Value = serde_json::from_str(&text).expect("JSON");
                    let named = if call.speaks_wechat() {
                        let errmsg = told["errmsg"].as_str().unwrap_or_default();
                        status == 200
                            && told["errcode"] != 0
                            && errmsg.contains(&format!("'{name}'"))
                    } else {
                        status == 400 && told["parameter"] == name
                    };
                    if !named {
                        wrong.push(format!("{} {name} {how}: {status} {text}", call.path));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        assert_eq!(rig.asked(), []);
        assert_eq!(rig.wechat.fetches(APP).len(), 1);
    });
}
