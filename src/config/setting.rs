//! The forms a value may have. What is read here is typed from then on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};

use super::duration;
use crate::domain::secret::Secret;

/// A type that a key's value can have.
pub(super) trait Setting: Sized {
    /// The accepted form, for errors: what completes "must be …".
    const FORM: &'static str;

    /// Reads a value; `None` where it has another form.
    fn read(value: &Value) -> Option<Self>;
}

/// A type with bounds that an error can tell.
pub(super) trait Bounded: Setting + PartialOrd {
    /// Writes a bound as the file would.
    fn show(&self) -> String;
}

/// The text of a value.
pub(super) fn text(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

/// The text of a value from the environment: a variable is text, whatever it stands for.
fn variable(value: &Value) -> Option<&str> {
    value.origin().and_then(|_| text(value))
}

impl Setting for String {
    const FORM: &'static str = "a text in quotes";

    fn read(value: &Value) -> Option<Self> {
        text(value).map(str::to_owned)
    }
}

impl Setting for Secret {
    const FORM: &'static str = "a text in quotes";

    fn read(value: &Value) -> Option<Self> {
        text(value).map(Self::new)
    }
}

impl Setting for PathBuf {
    const FORM: &'static str = "a path in quotes";

    fn read(value: &Value) -> Option<Self> {
        text(value).map(Self::from)
    }
}

impl Setting for SocketAddr {
    const FORM: &'static str =
        r#"an IP address with a port, such as "127.0.0.1:8080" or "[::]:8080""#;

    fn read(value: &Value) -> Option<Self> {
        text(value)?.parse().ok()
    }
}

impl Setting for Duration {
    const FORM: &'static str = duration::FORM;

    fn read(value: &Value) -> Option<Self> {
        duration::parse(text(value)?)
    }
}

impl Bounded for Duration {
    fn show(&self) -> String {
        duration::show(*self)
    }
}

impl Setting for bool {
    const FORM: &'static str = "true or false";

    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Boolean(truth) => Some(*truth),
            _ => variable(value)?.parse().ok(),
        }
    }
}

impl Setting for u32 {
    const FORM: &'static str = "a whole number";

    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::I64(number) => (*number).try_into().ok(),
            _ => variable(value)?.parse().ok(),
        }
    }
}

impl Bounded for u32 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for f64 {
    const FORM: &'static str = "a number";

    fn read(value: &Value) -> Option<Self> {
        let number = match &value.kind {
            ValueKind::Float(number) => *number,
            ValueKind::I64(number) => f64::from(i32::try_from(*number).ok()?),
            _ => variable(value)?.parse().ok()?,
        };
        number.is_finite().then_some(number)
    }
}

impl Bounded for f64 {
    fn show(&self) -> String {
        self.to_string()
    }
}
