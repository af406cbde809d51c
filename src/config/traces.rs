//! `[traces]`: the collector that spans are told to.

use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::pem::read_certificates;
use super::section::Section;
use super::setting::{Setting, text};
use crate::domain::secret::Secret;

/// `[traces]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesConfig {
    /// `endpoint`, URL of a collector's OTLP over HTTP, whole: `http://collector.internal:4318/v1/traces`. Default
    /// none: no traces.
    pub endpoint: Option<Url>,
    /// `headers_file`, path of a file of headers that go with them, `name: value` on a line each. Default none.
    pub headers: Vec<(String, Secret)>,
    /// `sample`, 0 to 1: the part of the traces that is recorded, of those that do not come with a caller's decision.
    /// Default 1.
    pub sample: f64,
    /// `service_name`, what the spans are said to be of. Default `token-broker`.
    pub service_name: String,
    /// `timeout`, duration: how long one delivery may take. Default `5s`.
    pub timeout: Duration,
    /// `ca_file`, path of a PEM file: the authorities trusted for `endpoint`. Default none: the system's.
    pub ca_file: Option<PathBuf>,
}

impl TracesConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(60));
        let traces = Self {
            endpoint: section.get("endpoint", Endpoint::default()).0,
            headers: read_headers(section, "headers_file"),
            sample: section.within("sample", 1.0, 0.0..=1.0),
            service_name: section.get("service_name", "token-broker".to_owned()),
            timeout: section.within("timeout", Duration::from_secs(5), shortest..=longest),
            ca_file: read_certificates(section, "ca_file"),
        };
        if traces.service_name.is_empty() {
            section.refuse("service_name", "must not be empty");
        }
        traces
    }
}

/// The collector's address; empty = none.
#[derive(Default)]
struct Endpoint(Option<Url>);

impl Setting for Endpoint {
    const FORM: &'static str = r#"empty, or the whole URL of a collector, http:// or https://, without user, password and fragment, such as "http://collector.internal:4318/v1/traces""#;

    fn read(value: &Value) -> Option<Self> {
        let text = text(value)?;
        if text.is_empty() {
            return Some(Self(None));
        }
        let url = Url::parse(text).ok().filter(Url::has_host)?;
        let bare = url.username().is_empty() && url.password().is_none();
        let known = matches!(url.scheme(), "http" | "https");
        (known && bare && url.fragment().is_none()).then_some(Self(Some(url)))
    }
}

/// One header on a line. Neither a name nor a value is ever repeated: either may be what it should not be.
fn read_headers(section: &mut Section<'_>, key: &'static str) -> Vec<(String, Secret)> {
    let path = section.get(key, PathBuf::new());
    if path.as_os_str().is_empty() {
        return Vec::new();
    }
    let text = match section.report().read_file(&path) {
        Ok(text) => text,
        Err(error) => {
            section.refuse(key, format!("cannot be read: {}", error.kind()));
            return Vec::new();
        }
    };
    let mut headers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match header(line) {
            Some(header) => headers.push(header),
            None => section.refuse(
                key,
                format!(
                    "line {} of the file must be \"name: value\", a header",
                    index + 1
                ),
            ),
        }
    }
    headers
}

fn header(line: &str) -> Option<(String, Secret)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).ok()?;
    HeaderValue::try_from(value).ok()?;
    (!value.is_empty()).then(|| (name.to_owned(), Secret::new(value)))
}
