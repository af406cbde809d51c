//! Logs on stderr: text on a terminal, one JSON object a line elsewhere; and a panic as one error line.
//!
//! What the broker says is chosen by level. What its libraries say is another matter: some print whole
//! requests, and with them tokens and AppSecrets. So they are held to warnings unless named, and those
//! that are known to print requests are held below that level whatever is asked for.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// The target of everything that the broker itself says.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// What a library may say at most, asked for or not.
const CAPS: [(&str, LevelFilter); 10] = [
    // A line for each request, with its query: the compatible face takes keys and tokens there.
    ("actix_web::middleware::logger", LevelFilter::OFF),
    // Whole headers and frames at TRACE.
    ("actix_http", LevelFilter::DEBUG),
    // An error for each head that is no HTTP: anybody could flood the log. `http::connections` tells and counts them.
    ("actix_http::h1::decoder", LevelFilter::OFF),
    ("actix_http::h1::dispatcher", LevelFilter::OFF),
    // No bytes in today's builds; in others, with its tracing switched on, requests at TRACE.
    ("hyper", LevelFilter::DEBUG),
    ("hyper_util", LevelFilter::DEBUG),
    // DEBUG prints a proxy's URL, TRACE (of a verbose connection) every byte read and written.
    ("reqwest", LevelFilter::INFO),
    // Session tickets at TRACE.
    ("rustls", LevelFilter::DEBUG),
    // Nothing today; commands carry grants.
    ("redis", LevelFilter::INFO),
    ("redb", LevelFilter::INFO),
];

/// What the process logs, to be changed while it runs.
static ASKED: OnceLock<Asked> = OnceLock::new();

type Asked = reload::Handle<Targets, Registry>;

/// The longest part of a panic's message that is logged.
const MAX_PANIC: usize = 500;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error(
        "log level {0:?} is neither a level (error, warn, info, debug, trace, off) nor a list of target=level"
    )]
    Level(String),
    /// There is a subscriber already.
    #[error("logging was started twice")]
    Twice,
}

/// What takes spans, where there are traces.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts the process's logs on stderr and has panics logged. `level` is a level, or a list such as
/// `info,token_broker::adapters=debug,rustls=debug`. Spans go to `spans`, whatever the level.
///
/// # Errors
/// The level cannot be read, or logging was started before.
pub fn init(
    level: &str,
    format: LogFormat,
    spans: Option<SpanLayer>,
) -> Result<(), TelemetryError> {
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, handle) = changeable(level, json, color, io::stderr, spans)?;
    subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
    let _ = ASKED.set(handle);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Changes what the process logs from now on, where [`init`] was called. A level that cannot be read
/// changes nothing: the configuration has none.
pub fn set_level(level: &str) {
    if let (Some(handle), Ok(asked)) = (ASKED.get(), asked(level)) {
        // The subscriber lives as long as the process.
        let _ = handle.reload(asked);
    }
}

/// The subscriber that [`init`] installs, writing elsewhere: for tests.
///
/// # Errors
/// The level cannot be read.
pub fn subscriber<W>(
    level: &str,
    json: bool,
    color: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(changeable(level, json, color, writer, None)?.0)
}

fn changeable<W>(
    level: &str,
    json: bool,
    color: bool,
    writer: W,
    spans: Option<SpanLayer>,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Asked), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (asked, handle) = reload::Layer::new(asked(level)?);
    let caps = Targets::new().with_default(Level::TRACE).with_targets(CAPS);
    // Of the lines alone: which spans there are is another matter than which lines.
    let lines = lines(json, color, writer)
        .with_filter(asked.and(caps))
        .boxed();
    let layers: Vec<_> = spans.into_iter().chain([lines]).collect();
    Ok((Registry::default().with(layers), handle))
}

fn lines<S, W>(json: bool, color: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Both write the time as RFC 3339 in UTC.
    let lines = fmt::layer().with_writer(writer).with_ansi(color);
    if json {
        let lines = lines.json().flatten_event(true);
        lines.with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.boxed()
    }
}

/// What was asked for. A bare level is the broker's own; its libraries get it up to `warn`, and more where
/// they are named.
fn asked(level: &str) -> Result<Targets, TelemetryError> {
    // The library takes a word that it does not know for a target at `trace`.
    let is_known = |part: &str| {
        let part = part.trim();
        part.contains('=') || !part.is_empty() && part.parse::<LevelFilter>().is_ok()
    };
    let unreadable = || TelemetryError::Level(level.to_owned());
    if !level.split(',').all(is_known) {
        return Err(unreadable());
    }
    let named: Targets = level.parse().map_err(|_| unreadable())?;
    let bare = named.default_level().unwrap_or(LevelFilter::ERROR);
    Ok(Targets::new()
        .with_default(bare.min(LevelFilter::WARN))
        .with_target(OURS, bare)
        .with_targets(named.iter()))
}

/// One line for a panic: where, and its message, made one line and bounded.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message: String = panic
        .payload_as_str()
        .unwrap_or("(no message)")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_PANIC)
        .collect();
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        location = location.as_deref(),
        thread = thread.name(),
        "panic: {message}"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written, shared with the writer.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_or(Ok(0), |mut all| all.write(bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, json: bool, say: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        match subscriber(level, json, false, move || writer.clone()) {
            Ok(subscriber) => tracing::subscriber::with_default(subscriber, say),
            Err(error) => panic!("{error}"),
        }
        let bytes = captured.0.lock().map(|all| all.clone());
        String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    fn everybody_speaks() {
        tracing::info!(target: "token_broker::refresher", "ours-info");
        tracing::debug!(target: "token_broker::refresher", "ours-debug");
        tracing::warn!(target: "rustls::conn", "rustls-warn");
        tracing::info!(target: "rustls::conn", "rustls-info");
        tracing::debug!(target: "rustls::conn", "rustls-debug");
        tracing::trace!(target: "rustls::client::hs", "rustls-trace");
        tracing::info!(target: "reqwest::connect", "reqwest-info");
        tracing::debug!(target: "reqwest::connect", "reqwest-debug");
        tracing::trace!(target: "reqwest::connect::verbose", "reqwest-trace");
        tracing::info!(target: "actix_web::middleware::logger", "request-line");
        tracing::error!(target: "actix_http::h1::dispatcher", "no-http");
    }

    fn heard(level: &str) -> Vec<&'static str> {
        let text = logged(level, false, everybody_speaks);
        [
            "ours-info",
            "ours-debug",
            "rustls-warn",
            "rustls-info",
            "rustls-debug",
            "rustls-trace",
            "reqwest-info",
            "reqwest-debug",
            "reqwest-trace",
            "request-line",
            "no-http",
        ]
        .into_iter()
        .filter(|word| text.contains(word))
        .collect()
    }

    #[test]
    fn a_bare_level_is_the_brokers_and_libraries_only_warn() {
        assert_eq!(heard("info"), ["ours-info", "rustls-warn"]);
        assert_eq!(heard("trace"), ["ours-info", "ours-debug", "rustls-warn"]);
        assert!(heard("error").is_empty());
        assert!(heard("off").is_empty());
    }

    #[test]
    fn a_library_that_is_named_says_more_but_never_what_may_hold_a_secret() {
        assert_eq!(
            heard("error,rustls=trace,reqwest=trace,actix_web=trace"),
            ["rustls-warn", "rustls-info", "rustls-debug", "reqwest-info"]
        );
        assert_eq!(
            heard("off,reqwest::connect::verbose=trace,actix_web::middleware::logger=trace"),
            Vec::<&str>::new()
        );
        assert_eq!(heard("token_broker=debug"), ["ours-info", "ours-debug"]);
    }

    /// Takes every span that it is shown.
    struct Spans(Arc<Mutex<Vec<&'static str>>>);

    impl<S: Subscriber> Layer<S> for Spans {
        fn on_new_span(
            &self,
            attributes: &tracing::span::Attributes<'_>,
            _: &tracing::span::Id,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            if let Ok(mut all) = self.0.lock() {
                all.push(attributes.metadata().name());
            }
        }
    }

    #[test]
    fn spans_go_by_no_level_and_leave_no_mark_on_a_line() {
        for level in ["off", "trace"] {
            let captured = Captured::default();
            let (writer, seen) = (captured.clone(), Arc::default());
            let spans: SpanLayer = Box::new(Spans(Arc::clone(&seen)));
            let made = changeable(level, false, false, move || writer.clone(), Some(spans));
            let (subscriber, _handle) = made.unwrap_or_else(|error| panic!("{error}"));
            tracing::subscriber::with_default(subscriber, || {
                let span = tracing::info_span!(target: "traces", "refresh", appid = "wx1");
                span.in_scope(|| tracing::info!(target: "token_broker::x", "a line"));
            });
            assert_eq!(
                seen.lock().map(|all| all.clone()).unwrap_or_default(),
                ["refresh"]
            );
            let bytes = captured.0.lock().map(|all| all.clone()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(text.contains("a line"), level == "trace", "{text}");
            assert!(!text.contains("refresh"), "{text}");
        }
    }

    #[test]
    fn an_unreadable_level_is_refused() {
        for level in [
            "",
            " ",
            ",",
            "info,",
            "loud",
            "infoo,a=warn",
            "info,token_broker=loud",
        ] {
            assert!(asked(level).is_err(), "{level:?}");
        }
    }

    #[test]
    fn a_json_line_is_flat_and_its_time_is_rfc_3339_in_utc() {
        let text = logged("info", true, || {
            let _span = tracing::info_span!("span", hidden = 1).entered();
            tracing::info!(appid = "wx1", seconds = 7, "refreshed");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(line["message"], "refreshed", "{text}");
        assert_eq!(line["appid"], "wx1");
        assert_eq!(line["seconds"], 7);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "token_broker::telemetry::tests");
        let time = line["timestamp"].as_str().unwrap_or_default();
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok());
        assert!(!text.contains("span"), "{text}");
    }

    #[test]
    fn a_panic_is_one_error_line() {
        let text = logged("info", true, || {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(log_panic));
            let outcome = std::panic::catch_unwind(|| panic!("first\nsecond"));
            std::panic::set_hook(previous);
            assert!(outcome.is_err());
        });
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(line["message"], "panic: first second", "{text}");
        assert_eq!(line["level"], "ERROR");
        let location = line["location"].as_str().unwrap_or_default();
        assert!(location.contains("telemetry.rs:"), "{location}");
    }
}
