//! `[server]`: where requests arrive, and how long they may take.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use ipnet::IpNet;

use super::pem::{check_pair, read_certificates, read_private_key};
use super::section::Section;
use super::setting::{Setting, text};

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// `listen`, address and port of the API. Default `127.0.0.1:8080`. Anything but loopback needs
    /// callers.
    pub listen: SocketAddr,
    /// `cold_wait`, duration: how long a request may wait for a first grant. Default `3s`.
    pub cold_wait: Duration,
    /// `ops_listen`, address and port of metrics, probes and status page. Default `127.0.0.1:9090`.
    pub ops_listen: SocketAddr,
    /// `workers`, threads that answer requests; 0 = one a core. Default 0.
    pub workers: usize,
    /// `drain`, duration: how long requests may go on at shutdown. Default `25s`.
    pub drain: Duration,
    /// `lame_duck`, duration: how long a stopping broker says that it is not ready and still answers, so
    /// that balancers look away first. Default `0s`; a chart sets it, or a `preStop` hook waits instead.
    pub lame_duck: Duration,
    /// `keep_alive`, duration: how long an idle connection is kept; longer than the balancers in front keep theirs.
    /// Default `75s`.
    pub keep_alive: Duration,
    /// `trusted_proxies`, networks such as `10.0.0.0/8`, or addresses: whose `Forwarded` and `X-Forwarded-For` are
    /// believed, in log lines. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// `max_streams_per_caller`, how many streams of events a caller may have open. Default 64.
    pub max_streams_per_caller: usize,
    /// `max_body`, bytes of a request's body. Default 65536.
    pub max_body: usize,
    /// `runbook_base`, text: what links to the runbooks begin with, before `docs/runbooks/`. Default empty: the
    /// copies that the broker itself serves.
    pub runbook_base: String,
    /// `tls_cert_file` and `tls_key_file`, both or none. Default none: plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// What the API's listener proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `tls_cert_file`, PEM: the certificate, then those that vouch for it.
    pub cert: PathBuf,
    /// `tls_key_file`, PEM: its private key.
    pub key: PathBuf,
    /// `tls_client_ca_file`, PEM: the authorities of certificates that clients may show. Default none.
    pub client_ca: Option<PathBuf>,
}

impl ServerConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let server = Self {
            listen: section.get("listen", loopback(8080)),
            cold_wait: section.within("cold_wait", seconds(3), seconds(0)..=seconds(60)),
            ops_listen: section.get("ops_listen", loopback(9090)),
            workers: section.within("workers", 0, 0..=1024) as usize,
            drain: section.within("drain", seconds(25), seconds(0)..=seconds(3600)),
            lame_duck: section.within("lame_duck", seconds(0), seconds(0)..=seconds(300)),
            keep_alive: section.within("keep_alive", seconds(75), seconds(1)..=seconds(3600)),
            trusted_proxies: read_networks(section, "trusted_proxies"),
            max_streams_per_caller: section.within("max_streams_per_caller", 64, 1..=100_000)
                as usize,
            max_body: section.within("max_body", 64 << 10, 1024..=64 << 20) as usize,
            runbook_base: section.get("runbook_base", String::new()),
            tls: read_tls(section),
        };
        let base = &server.runbook_base;
        let is_address = |scheme| base.starts_with(scheme) && base.ends_with('/');
        if !base.is_empty() && !is_address("https://") && !is_address("http://") {
            let message = "must be empty, or an http:// or https:// address that ends with '/'";
            section.refuse("runbook_base", message);
        }
        if server.listen == server.ops_listen && server.listen.port() != 0 {
            let message = "must differ from server.listen";
            section.refuse("ops_listen", message);
        }
        server
    }
}

fn read_networks(section: &mut Section<'_>, key: &'static str) -> Vec<IpNet> {
    let networks = section.each::<Network>(key);
    networks.into_iter().map(|(_, Network(net))| net).collect()
}

/// A network, or one address.
struct Network(IpNet);

impl Setting for Network {
    const FORM: &'static str = r#"a network without bits behind its prefix, such as "10.0.0.0/8" or "fd00::/8", or an IP address"#;

    fn read(value: &Value) -> Option<Self> {
        let text = text(value)?;
        let one = |_| text.parse::<IpAddr>().map(IpNet::from);
        let net = text.parse::<IpNet>().or_else(one).ok()?;
        (net.trunc() == net).then_some(Self(net))
    }
}

/// Written empty, a file is as if left out.
fn read_tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let cert = read_certificates(section, "tls_cert_file");
    let key = read_private_key(section, "tls_key_file");
    let client_ca = read_certificates(section, "tls_client_ca_file");
    if client_ca.is_some() && cert.is_none() && section.is_sound("tls_cert_file") {
        section.refuse("tls_client_ca_file", "has no effect without tls_cert_file");
    }
    match (cert, key) {
        (Some(cert), Some(key)) => {
            if section.is_sound("tls_cert_file") && section.is_sound("tls_key_file") {
                check_pair(section, "tls_cert_file", &cert, "tls_key_file", &key);
            }
            return Some(TlsFiles {
                cert,
                key,
                client_ca,
            });
        }
        (Some(_), None) if section.is_sound("tls_key_file") => {
            section.refuse("tls_key_file", "is missing while tls_cert_file is there");
        }
        (None, Some(_)) if section.is_sound("tls_cert_file") => {
            section.refuse("tls_cert_file", "is missing while tls_key_file is there");
        }
        _ => {}
    }
    None
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
