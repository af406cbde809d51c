//! What must be configured to talk to WeChat, and how the HTTP clients are made from it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy, redirect, retry};
use url::Url;

use crate::domain::secret::Secret;

/// How WeChat is reached.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where WeChat's paths begin, usually `https://api.weixin.qq.com`.
    pub base_url: Url,
    /// The most that one call may take, from the look-up of the name to the last byte of the reply.
    pub timeout: Duration,
    /// A proxy for every call. Secret because its URL may carry a password.
    pub proxy: Option<Secret>,
    /// Certificates (PEM) to trust in place of the system's: there is only one server to talk to.
    pub ca_file: Option<PathBuf>,
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
    pub(super) checking: Client,
    /// What is passed on may be large and take its time: whoever asks bounds it.
    pub(super) passing: Client,
}

/// How long an idle connection is kept: less than servers and what lies between usually allow.
const IDLE: Duration = Duration::from_secs(30);

impl UpstreamSettings {
    pub(super) fn clients(&self) -> Result<Clients, SetupError> {
        let build = |builder: ClientBuilder| builder.build().map_err(|_| SetupError::Client);
        let bounded = || Ok::<_, SetupError>(self.builder()?.timeout(self.timeout));
        Ok(Clients {
            fetching: build(bounded()?.pool_max_idle_per_host(0))?,
            checking: build(bounded()?.pool_idle_timeout(IDLE))?,
            passing: build(self.builder()?.pool_idle_timeout(IDLE))?,
        })
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
            // apart from one that does not answer (something may have been issued).
            .connect_timeout(self.timeout * 3 / 5);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(parse_proxy(proxy)?);
        }
        if let Some(path) = &self.ca_file {
            builder = builder.tls_certs_only(read_certificates(path)?);
        }
        Ok(builder)
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
