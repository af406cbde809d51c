//! What must be configured to talk to WeChat, and how the HTTP clients are made from it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Proxy, redirect, retry};
use url::Url;

use super::kept::Kept;
use crate::domain::secret::Secret;

/// How WeChat is reached.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where WeChat's paths begin, usually `https://api.weixin.qq.com`.
    pub base_url: Url,
    /// The most that one call may take, from the look-up of the name to the last byte of the reply.
    pub timeout: Duration,
    /// WeChat's other hosts, in the order in which they are tried where the first cannot be connected to.
    pub fallback_urls: Vec<Url>,
    /// How old a kept connection may grow, so that changed names are followed.
    pub connection_age: Duration,
    /// Who knows the addresses of names.
    pub names: Names,
    /// A proxy for every call. Secret because its URL may carry a password.
    pub proxy: Option<Secret>,
    /// Certificates (PEM) to trust in place of the system's: there is only one server to talk to.
    pub ca_file: Option<PathBuf>,
}

/// Who knows the addresses of names: in production the system, asked anew for each connection.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// The system.
    #[default]
    System,
    /// Tests: every name is at these addresses, until they are set anew.
    Fixed(Arc<ArcSwap<Vec<IpAddr>>>),
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be one.
    #[error("upstream.base_url {0}")]
    BaseUrl(&'static str),
    /// A call would never have time.
    #[error("upstream.timeout must be longer than zero")]
    Timeout,
    /// The proxy's URL cannot be used; it is not repeated, since it may carry a password.
    #[error("upstream.proxy is not a proxy URL (http:// or https://)")]
    Proxy,
    /// The file of certificates cannot be read.
    #[error("upstream.ca_file {path}: {source}")]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no certificates.
    #[error("upstream.ca_file {0} holds no certificate in PEM form")]
    CaCertificates(PathBuf),
    /// The TLS library refuses: mostly a machine without any root certificates.
    #[error("no HTTPS client can be made: are the system's root certificates installed?")]
    Client,
}

/// The clients, and the addresses that they ask.
pub(super) struct Clients {
    /// A connection of its own for every request: one that is reused may turn out to be closed after the
    /// request was written, and then nobody knows whether a token was issued.
    pub(super) fetching: Client,
    /// Checks issue nothing, and there is one a minute for every app: their connections are kept.
    pub(super) checking: Kept,
    /// What is passed on may be large and take its time: whoever asks bounds it.
    pub(super) passing: Kept,
}

/// How long an idle connection is kept: less than servers and what lies between usually allow.
const IDLE: Duration = Duration::from_secs(30);

impl UpstreamSettings {
    pub(super) fn clients(&self) -> Result<Clients, SetupError> {
        let checking = |settings: &Self| build(settings.bounded()?.pool_idle_timeout(IDLE));
        let passing = |settings: &Self| build(settings.builder()?.pool_idle_timeout(IDLE));
        Ok(Clients {
            fetching: build(self.bounded()?.pool_max_idle_per_host(0))?,
            checking: Kept::new(self, checking)?,
            passing: Kept::new(self, passing)?,
        })
    }

    fn bounded(&self) -> Result<ClientBuilder, SetupError> {
        Ok(self.builder()?.timeout(self.timeout))
    }

    fn builder(&self) -> Result<ClientBuilder, SetupError> {
        if self.timeout.is_zero() {
            return Err(SetupError::Timeout);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("token-broker/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // Never from the environment: a secret would go wherever a stray variable points.
            .no_proxy()
            // Shorter than the whole, so that a host that cannot be reached (nothing was sent) is told
            // apart from one that does not answer (something may have been issued), and that there is time
            // for each other host.
            .connect_timeout(self.timeout * 3 / 5 / self.hosts());
        if let Names::Fixed(addresses) = &self.names {
            builder = builder.dns_resolver(Arc::new(FixedNames(Arc::clone(addresses))));
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(parse_proxy(proxy)?);
        }
        if let Some(path) = &self.ca_file {
            builder = builder.tls_certs_only(read_certificates(path)?);
        }
        Ok(builder)
    }

    fn hosts(&self) -> u32 {
        u32::try_from(1 + self.fallback_urls.len()).unwrap_or(u32::MAX)
    }

    /// The address of one of WeChat's paths.
    pub(super) fn address(&self, path: &str) -> Result<Url, SetupError> {
        let base = &self.base_url;
        let wrong = |what| Err(SetupError::BaseUrl(what));
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return wrong("must begin with http:// or https:// and name a host");
        }
        if !base.username().is_empty() || base.password().is_some() {
            return wrong("must not carry a user name or a password");
        }
        if base.query().is_some() || base.fragment().is_some() {
            return wrong("must end with its path: no '?', no '#'");
        }
        let mut address = base.clone();
        address.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        Ok(address)
    }
}

fn build(builder: ClientBuilder) -> Result<Client, SetupError> {
    builder.build().map_err(|_| SetupError::Client)
}

struct FixedNames(Arc<ArcSwap<Vec<IpAddr>>>);

impl Resolve for FixedNames {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Vec<IpAddr> = self.0.load().to_vec();
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
        Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
    }
}

fn parse_proxy(text: &Secret) -> Result<Proxy, SetupError> {
    let url = Url::parse(text.expose()).map_err(|_| SetupError::Proxy)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SetupError::Proxy);
    }
    Proxy::all(url).map_err(|_| SetupError::Proxy)
}

fn read_certificates(path: &PathBuf) -> Result<Vec<Certificate>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::CaFile {
        path: path.clone(),
        source,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(SetupError::CaCertificates(path.clone())),
    }
}
