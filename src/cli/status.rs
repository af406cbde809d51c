//! `status`: each app's state as a table for people, or as the broker's own JSON.
//!
//! Read leniently, so that a command line and a broker of different releases understand each other: a
//! field that is missing or of another shape shows as `-`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::client::{self, ClientError};
use super::failure::Failure;
use super::output::print;
use crate::domain::secret::Secret;

const HEADINGS: [&str; 8] = [
    "APPID",
    "MODE",
    "STATE",
    "EXPIRES IN",
    "VERSION",
    "BUDGET LEFT",
    "LAST FETCH",
    "NOT REFRESHED",
];
const NOTHING: &str = "-";

#[derive(Deserialize)]
struct Body {
    apps: Vec<App>,
    #[serde(default)]
    configuration: Configuration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    since: Value,
    refused_at: Value,
    errors: Value,
    waits_for_restart: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct App {
    appid: Value,
    mode: Value,
    status: Value,
    expires_in: Value,
    version: Value,
    budget_left: Value,
    budget_used: Value,
    blocked: Value,
    blocked_until: Value,
    suspect: Value,
    paused: Value,
    vouched: Value,
    last_fetch: Value,
    cooldown: Value,
}

pub(super) fn show(base: &str, key: &Secret, json: bool) -> Result<(), Failure> {
    let text = client::get(base, "/apps", key)?;
    let body: Body = serde_json::from_str(&text).map_err(|_| ClientError::Unreadable {
        base: base.to_owned(),
    })?;
    if json {
        return print(&text);
    }
    let rows = body.apps.iter().map(App::row);
    let remarks = body.configuration.remarks();
    print(&(table(rows.collect()) + &remarks))
}

impl Configuration {
    /// What of the written configuration is not in force, a line each; nothing where all of it is.
    fn remarks(&self) -> String {
        let mut text = String::new();
        let errors = word(&self.errors);
        if errors != NOTHING {
            let (at, since) = (instant(&self.refused_at), instant(&self.since));
            text += &format!(
                "\nThe configuration read at {at} was refused; the one of {since} is in force: {errors}\n"
            );
        }
        let waiting: Vec<_> = self.waits_for_restart.iter().map(word).collect();
        if !waiting.is_empty() {
            text += &format!("\nNeeds a restart: {}\n", waiting.join(", "));
        }
        text
    }
}

impl App {
    fn row(&self) -> [String; 8] {
        [
            word(&self.appid),
            word(&self.mode),
            self.state(),
            self.expires_in.as_u64().map_or_else(nothing, span),
            word(&self.version),
            self.budget(),
            instant(&self.last_fetch),
            self.blocked(),
        ]
    }

    /// The state, and what else is true of it that a person should know.
    fn state(&self) -> String {
        let mut state = word(&self.status);
        let remarks = [
            ("paused", self.paused == Value::Bool(true)),
            ("suspect", self.suspect == Value::Bool(true)),
            ("not vouched", self.vouched == Value::Bool(false)),
        ];
        for (remark, _) in remarks.iter().filter(|(_, holds)| *holds) {
            if state != *remark {
                state = format!("{state}, {remark}");
            }
        }
        state
    }

    fn budget(&self) -> String {
        let left = word(&self.budget_left);
        match self.budget_used.as_u64() {
            Some(used) => format!("{left} ({used} used)"),
            None => left,
        }
    }

    /// What keeps it from being refreshed, and where a person has to act, what to do.
    fn blocked(&self) -> String {
        let of = |key: &str| self.cooldown.get(key).map_or_else(nothing, word);
        match of("class").as_str() {
            NOTHING => until(&word(&self.blocked), &instant(&self.blocked_until)),
            class => format!("{class}: {}; {}", of("meaning"), of("advice")),
        }
    }
}

fn until(reason: &str, until: &str) -> String {
    match (reason, until) {
        (reason, NOTHING) => reason.to_owned(),
        (reason, until) => format!("{reason} until {until}"),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => {
            text.chars().filter(|c| !c.is_control()).collect()
        }
        Value::Number(number) => number.to_string(),
        _ => nothing(),
    }
}

/// A point in time: a text as it is, a number as seconds since 1970.
fn instant(value: &Value) -> String {
    value
        .as_i64()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| word(value), |at| at.to_string())
}

/// A duration by its two largest units.
fn span(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        _ => format!("{hours}h {minutes}m"),
    }
}

fn nothing() -> String {
    NOTHING.to_owned()
}

fn table(rows: Vec<[String; 8]>) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; 8] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: &str) -> Vec<[String; 8]> {
        let body: Body = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"));
        body.apps.iter().map(App::row).collect()
    }

    #[test]
    fn everything_that_is_told_is_shown() {
        let rows = rows(
            r#"{"apps":[{"appid":"wx1","mode":"token","status":"servable","expires_in":3725,
            "version":1700000000000000,"budget_left":598,"budget_used":3,"suspect":true,
            "vouched":false,"paused":false,"blocked":"cooling_down",
            "blocked_until":"2026-01-01T00:00:00Z","last_fetch":1767225600}]}"#,
        );
        let expected = [
            "wx1",
            "token",
            "servable, suspect, not vouched",
            "1h 2m",
            "1700000000000000",
            "598 (3 used)",
            "2026-01-01T00:00:00Z",
            "cooling_down until 2026-01-01T00:00:00Z",
        ];
        assert_eq!(rows, [expected.map(str::to_owned)]);
    }

    #[test]
    fn a_refusal_says_what_a_person_has_to_do() {
        let rows = rows(
            r#"{"apps":[{"appid":"wx1","blocked":"cooldown","blocked_until":1,
            "cooldown":{"class":"bad_secret","meaning":"WeChat refuses it","advice":"mend it"}}]}"#,
        );
        assert_eq!(rows[0][7], "bad_secret: WeChat refuses it; mend it");
    }

    #[test]
    fn what_is_missing_or_of_another_shape_shows_as_nothing() {
        let told = rows(r#"{"apps":[{}, {"appid":["x"],"mode":null,"expires_in":"soon"}]}"#);
        for row in told {
            assert!(row.iter().all(|cell| cell == NOTHING), "{row:?}");
        }
    }

    #[test]
    fn a_refused_configuration_is_told_below_the_table() {
        let remarks = |json: &str| {
            let body: Body = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"));
            body.configuration.remarks()
        };
        assert_eq!(remarks(r#"{"apps":[]}"#), "");
        assert_eq!(
            remarks(
                r#"{"apps":[],"configuration":{"since":0,"refused_at":60,"errors":"x: is wrong",
                "waits_for_restart":["[store]"]}}"#
            ),
            "\nThe configuration read at 1970-01-01T00:01:00Z was refused; \
             the one of 1970-01-01T00:00:00Z is in force: x: is wrong\n\nNeeds a restart: [store]\n"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = rows(r#"{"apps":[{"appid":"wx0000000000000001","mode":"token"}]}"#);
        let text = table(rows);
        let at: Vec<_> = text
            .lines()
            .map(|line| line.find("MODE").or_else(|| line.find("token")))
            .collect();
        assert_eq!(at, [Some(20), Some(20)]);
    }

    #[test]
    fn a_remaining_life_reads_in_two_units() {
        let told = [0, 59, 60, 3599, 3600, 7260].map(span);
        assert_eq!(told, ["0s", "59s", "1m 0s", "59m 59s", "1h 0m", "2h 1m"]);
    }
}
