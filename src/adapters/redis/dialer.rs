//! Connecting to one server: address, login and TLS put together, the wait bounded.

use std::path::Path;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::settings::{RedisSettings, SettingsError, TlsFiles};
use crate::redis_url::{Address, Login, RedisTarget};

/// Knows how to connect to any of the servers. It holds the password, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Dialer {
    login: RedisConnectionInfo,
    /// An address whose host and port do not matter: the crate shows what it makes of certificates in no
    /// other way.
    template: ConnectionAddr,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
}

impl Dialer {
    /// # Errors
    /// Files that cannot be used.
    pub(super) fn new(
        settings: &RedisSettings,
        target: &RedisTarget,
    ) -> Result<Self, SettingsError> {
        let template = if target.tls {
            read_tls(&settings.tls)?
        } else {
            ConnectionAddr::Tcp(String::new(), 0)
        };
        Ok(Self {
            login: login(&target.login).set_db(target.database.into()),
            template,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(settings.connect_timeout))
                .set_response_timeout(Some(settings.reply_timeout)),
            connect_timeout: settings.connect_timeout,
        })
    }

    /// The same for servers that know us by another login, and have no databases.
    pub(super) fn logged_in_as(&self, other: &Login) -> Self {
        Self {
            login: login(other),
            ..self.clone()
        }
    }

    /// A connection for questions and answers.
    pub(super) async fn connect(&self, to: &Address) -> RedisResult<MultiplexedConnection> {
        self.client(to)?
            .get_multiplexed_async_connection_with_config(&self.config)
            .await
    }

    /// A connection for listening.
    pub(super) async fn listen(&self, to: &Address) -> RedisResult<PubSub> {
        let client = self.client(to)?;
        match tokio::time::timeout(self.connect_timeout, client.get_async_pubsub()).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    fn client(&self, to: &Address) -> RedisResult<Client> {
        let Address { host, port } = to.clone();
        let address = match self.template.clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let to: ConnectionInfo = address.into_connection_info()?;
        let to = to
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Client::open(to)
    }
}

/// Without `CLIENT SETINFO`, which a server before 7.2 does not know and an ACL need not allow.
fn login(login: &Login) -> RedisConnectionInfo {
    let mut to = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(user) = &login.user {
        to = to.set_username(user);
    }
    if let Some(password) = &login.password {
        to = to.set_password(password.expose());
    }
    to
}

/// An address with what the crate makes of the files.
fn read_tls(files: &TlsFiles) -> Result<ConnectionAddr, SettingsError> {
    let client_tls = match &files.client {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read_certificates("store.client_cert_file", certificate)?,
            client_key: read("store.client_key_file", key)?,
        }),
        None => None,
    };
    let root_cert = match &files.ca {
        Some(path) => Some(read_certificates("store.ca_file", path)?),
        None => None,
    };
    let certificates = TlsCertificates {
        client_tls,
        root_cert,
    };
    let nowhere = ConnectionAddr::TcpTls {
        host: String::new(),
        port: 0,
        insecure: false,
        tls_params: None,
    };
    let client = Client::build_with_tls(nowhere, certificates).map_err(|_| SettingsError::Pem)?;
    Ok(client.get_connection_info().addr().clone())
}

/// The crate takes a file without any for one that trusts nobody.
fn read_certificates(key: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    let pem = read(key, path)?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(pem),
        _ => Err(SettingsError::Pem),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|error| SettingsError::File {
        key,
        kind: error.kind(),
    })
}
