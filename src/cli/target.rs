//! Which broker to ask, and as whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::environment::Environment;
use super::failure::Failure;
use crate::config::ServerConfig;
use crate::domain::secret::Secret;
use crate::key::CallerKey;

const KEY_VARIABLE: &str = "TOKEN_BROKER_KEY";

/// Where a running broker is.
#[derive(Debug, Args)]
pub struct Target {
    /// The broker's URL, such as http://broker:8080; goes before --config.
    // Read as text: an error of the parser would quote what may hold a password.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The broker's configuration, for its addresses; without one, the defaults.
    #[arg(
        long,
        value_name = "FILE",
        env = "TOKEN_BROKER_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
}

/// Where the key of the caller is.
#[derive(Debug, Args)]
pub struct KeyFile {
    /// A file that holds the caller's key; without one, it is taken from TOKEN_BROKER_KEY.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Target {
    /// The URL of the API, without a `/` at its end.
    pub(super) fn api(&self, environment: &Environment) -> Result<String, Failure> {
        let tls = |server: &ServerConfig| match server.tls {
            Some(_) => "https",
            None => "http",
        };
        self.base(environment, |server| (tls(server), server.listen))
    }

    /// The URL of the operations listener, without a `/` at its end.
    pub(super) fn ops(&self, environment: &Environment) -> Result<String, Failure> {
        self.base(environment, |server| ("http", server.ops_listen))
    }

    fn base(
        &self,
        environment: &Environment,
        listener: impl FnOnce(&ServerConfig) -> (&'static str, SocketAddr),
    ) -> Result<String, Failure> {
        if let Some(url) = &self.url {
            return check(url).ok_or(Failure::Url);
        }
        let server = ServerConfig::peek(self.config.as_deref(), environment.iter())?;
        let (scheme, address) = listener(&server);
        Ok(format!("{scheme}://{}", reachable(address)))
    }
}

impl KeyFile {
    /// The key, from the file or from the environment.
    pub(super) fn read(&self, environment: &Environment) -> Result<Secret, Failure> {
        let key = match &self.key_file {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| Failure::KeyFile(error.kind()))?
            }
            None => environment
                .get(KEY_VARIABLE)
                .filter(|key| !key.is_empty())
                .ok_or(Failure::NoKey)?
                .to_owned(),
        };
        let key = key.trim();
        CallerKey::parse(key).ok_or(Failure::KeyForm)?;
        Ok(Secret::new(key))
    }
}

fn check(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let is_http = matches!(url.scheme(), "http" | "https");
    (is_plain && is_http).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// An address to connect to: a broker that listens everywhere also listens on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_reached_on_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.1:1", "192.0.2.1:1"),
        ] {
            let listen = listen.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(reachable(listen).to_string(), reached);
        }
    }

    #[test]
    fn a_url_with_more_than_an_address_is_refused() {
        assert_eq!(check("http://h:1/").as_deref(), Some("http://h:1"));
        assert_eq!(check("https://h/under").as_deref(), Some("https://h/under"));
        for url in [
            "h:1",
            "ftp://h",
            "http://u:p@h",
            "http://h/?a",
            "http://h/#a",
            "",
        ] {
            assert_eq!(check(url), None, "{url}");
        }
    }
}
