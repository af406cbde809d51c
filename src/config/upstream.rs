//! `[upstream]`: how WeChat's API is reached.

use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use url::{Host, Url};

use super::pem::read_certificates;
use super::section::Section;
use super::setting::{Setting, text};
use crate::domain::secret::Secret;

const DEFAULT_BASE_URL: &str = "https://api.weixin.qq.com";

/// `[upstream]`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// `base_url`, what every path is appended to, without a `/` at its end. Default
    /// `https://api.weixin.qq.com`. `http://` only to a loopback address: the AppSecret travels in it.
    pub base_url: String,
    /// `fallback_urls`, as `base_url` each: WeChat's other hosts, tried in this order where the one before
    /// cannot be connected to. Default none.
    pub fallback_urls: Vec<String>,
    /// `proxy`, URL of an HTTP proxy, `http://` or `https://`, with user and password where it asks for them.
    /// Default none; the environment's is never used.
    pub proxy: Option<Secret>,
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
        let mut urls: Vec<_> = url.into_iter().collect();
        if urls.is_empty() {
            urls.extend(Url::parse(DEFAULT_BASE_URL));
        }
        let fallback_urls = read_fallback_urls(section, &mut urls);
        Self {
            base_url,
            fallback_urls,
            proxy: read_proxy(section, &urls),
            timeout: section.within("timeout", Duration::from_secs(5), shortest..=longest),
            side_by_side: section.within("side_by_side", 64, 1..=1024),
            ca_file: read_certificates(section, "ca_file"),
            is_loopback,
        }
    }
}

/// Each is judged as the base URL is; none may be there twice.
fn read_fallback_urls(section: &mut Section<'_>, urls: &mut Vec<Url>) -> Vec<String> {
    let report = section.report();
    for (path, BaseUrl(url)) in section.each::<BaseUrl>("fallback_urls") {
        if let Err(message) = check(&url) {
            report.refuse(&path, message);
        } else if urls.contains(&url) {
            report.refuse(&path, "is there twice, or is base_url itself");
        } else {
            urls.push(url);
        }
    }
    let texts = urls.iter().skip(1).map(Url::as_str);
    texts
        .map(|url| url.trim_end_matches('/').to_owned())
        .collect()
}

/// A proxy's URL, which may hold a password and is never repeated.
fn read_proxy(section: &mut Section<'_>, urls: &[Url]) -> Option<Secret> {
    let proxy = section.optional::<Secret>("proxy")?;
    if proxy.expose().is_empty() {
        return None;
    }
    let Some(url) = Url::parse(proxy.expose()).ok().filter(Url::has_host) else {
        section.refuse(
            "proxy",
            r#"must be a URL, such as "http://user:password@proxy.internal:3128""#,
        );
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") {
        section.refuse("proxy", "must begin with http:// or https://");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        section.refuse(
            "proxy",
            "must end with the port: no path, no query, no fragment",
        );
    }
    // A request to https:// passes through a tunnel; one to http:// is read by the proxy.
    if urls.iter().any(|url| url.scheme() == "http") && !is_loopback(&url) {
        section.refuse(
            "proxy",
            "would be sent the AppSecrets in clear: base_url or a fallback is http://",
        );
    }
    Some(proxy)
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

impl Setting for BaseUrl {
    const FORM: &'static str = r#"a URL, such as "https://api.weixin.qq.com""#;

    fn read(value: &Value) -> Option<Self> {
        let url = Url::parse(text(value)?).ok()?;
        url.has_host().then_some(Self(url))
    }
}
