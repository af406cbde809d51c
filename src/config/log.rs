//! `[log]`: what is written to stderr.

use config::Value;
use tracing::Level;

use super::section::Section;
use super::setting::{Setting, text};

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `level`, `"error"`, `"warn"`, `"info"`, `"debug"` or `"trace"`. Default `info`.
    pub level: Level,
    /// `format`, `"auto"`, `"text"` or `"json"`. Default `auto`.
    pub format: LogFormat,
    /// `access_sample`, a count: one in so many successful requests gets a line; 0 = none. Failed ones
    /// always get theirs. Default 0.
    pub access_sample: u32,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// As text on a terminal, as JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl LogConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            level: section.get("level", Level::INFO),
            format: section.get("format", LogFormat::Auto),
            access_sample: section.get("access_sample", 0),
        }
    }
}

impl Setting for Level {
    const FORM: &'static str = r#""error", "warn", "info", "debug" or "trace""#;

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "error" => Some(Self::ERROR),
            "warn" => Some(Self::WARN),
            "info" => Some(Self::INFO),
            "debug" => Some(Self::DEBUG),
            "trace" => Some(Self::TRACE),
            _ => None,
        }
    }
}

impl Setting for LogFormat {
    const FORM: &'static str = r#""auto", "text" or "json""#;

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "auto" => Some(Self::Auto),
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
