//! `[upstream]`: how WeChat's API is reached.

use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use url::{Host, Url};

use super::section::Section;
use super::setting::{Setting, text};

const DEFAULT_BASE_URL: &str = "https://api.weixin.qq.com";

/// `[upstream]`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// `base_url`, what every path is appended to, without a `/` at its end. Default
    /// `https://api.weixin.qq.com`. `http://` only to a loopback address: the AppSecret travels in it.
    pub base_url: String,
    /// `timeout`, duration: how long one call may take. Default `5s`.
    pub timeout: Duration,
    /// `side_by_side`, 1 to 1024: fetches under way at a time, over all apps, and as many checks. Default 64.
    pub side_by_side: u32,
    /// `ca_file`, path of a PEM file: the authorities trusted for `base_url`. Default none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether `base_url` is this machine itself: a simulator, not WeChat.
    pub is_loopback: bool,
}

/// A URL whose form alone was checked.
struct BaseUrl(Url);

impl UpstreamConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let url = section.optional::<BaseUrl>("base_url").map(|base| base.0);
        let (base_url, is_loopback) = match &url {
            Some(url) => {
                if let Err(message) = check(url) {
                    section.refuse("base_url", message);
                }
                (
                    url.as_str().trim_end_matches('/').to_owned(),
                    is_loopback(url),
                )
            }
            None => (DEFAULT_BASE_URL.to_owned(), false),
        };
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(60));
        // Judged in `unavailable`.
        section.optional::<String>("proxy");
        Self {
            base_url,
            timeout: section.within("timeout", Duration::from_secs(5), shortest..=longest),
            side_by_side: section.within("side_by_side", 64, 1..=1024),
            ca_file: read_ca_file(section),
            is_loopback,
        }
    }
}

fn check(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must name no user and no password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("must be https://: the AppSecret would travel in clear; \
                       http:// is for a loopback address only"),
        _ => Err("must begin with https://, or with http:// to a loopback address"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn read_ca_file(section: &mut Section<'_>) -> Option<PathBuf> {
    let path: PathBuf = section.optional("ca_file")?;
    if path.as_os_str().is_empty() {
        return None;
    }
    if let Err(error) = std::fs::File::open(&path) {
        section.refuse("ca_file", format!("cannot be read: {}", error.kind()));
    }
    Some(path)
}

impl Setting for BaseUrl {
    const FORM: &'static str = r#"a URL, such as "https://api.weixin.qq.com""#;

    fn read(value: &Value) -> Option<Self> {
        let url = Url::parse(text(value)?).ok()?;
        url.has_host().then_some(Self(url))
    }
}
