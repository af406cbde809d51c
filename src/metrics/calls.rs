//! What is counted of the calls that WeChat is asked for callers, of all teams in one place. A path and an error
//! code are whatever callers ask and WeChat answers, so both are told by closed sets, the rest as `other`.

use prometheus::{IntCounter, IntCounterVec};

use super::declare::Declare;
use crate::domain::api_path::FAMILIES;
use crate::domain::app_id::AppId;
use crate::ports::{Called, Passed};

/// Calls for callers.
#[derive(Debug)]
pub struct CallMetrics {
    calls: IntCounterVec,
    repeated: IntCounter,
}

impl CallMetrics {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            calls: declare.counters(
                "calls_total",
                "Calls to WeChat for callers, by the front of the path and by the error code that came back.",
                &["appid", "path", "errcode"],
            ),
            repeated: declare.counter(
                "calls_repeated_total",
                "Calls that were passed on once more, with another token.",
            ),
        }
    }

    /// A call is passed on once more.
    pub fn passed_again(&self) {
        self.repeated.inc();
    }

    pub(super) fn called(&self, app: Option<&AppId>, path: &str, called: &Called) {
        let errcode = match called {
            Called::Answered(_) => "0",
            Called::Refused(error) => errcode_label(error.code),
            Called::NotSent(_) => NOT_SENT,
            Called::Unclear(_) => UNCLEAR,
        };
        self.count(app, path, errcode);
    }

    pub(super) fn passed(&self, app: &AppId, path: &str, passed: &Passed) {
        let errcode = match passed {
            Passed::Answered(reply) => errcode_label(reply.errcode),
            Passed::NotSent(_) => NOT_SENT,
            Passed::Unclear(_) => UNCLEAR,
        };
        self.count(Some(app), path, errcode);
    }

    fn count(&self, app: Option<&AppId>, path: &str, errcode: &str) {
        // A label without a value is no label.
        let app = app.map_or("", AppId::as_str);
        let labels = [app, path_label(path), errcode];
        self.calls.with_label_values(&labels).inc();
    }
}

/// The call never left.
const NOT_SENT: &str = "not_sent";
/// No usable reply came.
const UNCLEAR: &str = "unclear";
const OTHER: &str = "other";

/// The fronts of two parts that are told apart; of any other path its family is told.
const FRONTS: [&str; 31] = [
    "/cgi-bin/account",
    "/cgi-bin/comment",
    "/cgi-bin/customservice",
    "/cgi-bin/draft",
    "/cgi-bin/express",
    "/cgi-bin/freepublish",
    "/cgi-bin/groups",
    "/cgi-bin/guide",
    "/cgi-bin/material",
    "/cgi-bin/media",
    "/cgi-bin/menu",
    "/cgi-bin/message",
    "/cgi-bin/openapi",
    "/cgi-bin/poi",
    "/cgi-bin/qrcode",
    "/cgi-bin/shorten",
    "/cgi-bin/tags",
    "/cgi-bin/template",
    "/cgi-bin/ticket",
    "/cgi-bin/user",
    "/cgi-bin/wxaapp",
    "/cgi-bin/wxopen",
    "/wxa/business",
    "/wxa/generate_urllink",
    "/wxa/generatescheme",
    "/wxa/getwxacode",
    "/wxa/getwxacodeunlimit",
    "/wxa/media_check_async",
    "/wxa/msg_sec_check",
    "/wxa/sec",
    "/sns/oauth2",
];

/// The error codes that are told apart: those that say what a person has to do.
const CODES: [(i64, &str); 24] = [
    (0, "0"),
    (-1, "-1"),
    (40001, "40001"),
    (40003, "40003"),
    (40007, "40007"),
    (40013, "40013"),
    (40014, "40014"),
    (40029, "40029"),
    (40035, "40035"),
    (40037, "40037"),
    (40097, "40097"),
    (40163, "40163"),
    (40164, "40164"),
    (41001, "41001"),
    (42001, "42001"),
    (43004, "43004"),
    (43101, "43101"),
    (45009, "45009"),
    (45011, "45011"),
    (45015, "45015"),
    (45047, "45047"),
    (47001, "47001"),
    (48001, "48001"),
    (50002, "50002"),
];

fn path_label(path: &str) -> &'static str {
    let under = |front: &&&str| {
        let rest = path.strip_prefix(**front);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut fronts = FRONTS.iter().chain(&FAMILIES);
    fronts.find(under).copied().unwrap_or(OTHER)
}

fn errcode_label(code: i64) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == code);
    known.map_or(OTHER, |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_by_the_longest_front_that_is_known() {
        for (path, label) in [
            ("/cgi-bin/message/template/send", "/cgi-bin/message"),
            ("/cgi-bin/get_api_domain_ip", "/cgi-bin"),
            ("/cgi-bin/users", "/cgi-bin"),
            ("/wxa/getwxacode", "/wxa/getwxacode"),
            ("/wxa/getwxacodeunlimit", "/wxa/getwxacodeunlimit"),
            ("/wxaapi/newtmpl/gettemplate", "/wxaapi"),
            ("/sns/jscode2session", "/sns"),
            ("/whatever/a/caller/asks", "other"),
        ] {
            assert_eq!(path_label(path), label, "{path}");
        }
    }

    #[test]
    fn no_front_hides_a_longer_one() {
        for front in FRONTS.iter().chain(&FAMILIES) {
            assert_eq!(path_label(front), *front);
        }
    }

    #[test]
    fn a_code_is_told_as_it_is_or_as_another() {
        for (code, label) in CODES {
            assert_eq!(code.to_string(), label);
            assert_eq!(errcode_label(code), label);
        }
        assert_eq!(errcode_label(987_654), "other");
    }
}
