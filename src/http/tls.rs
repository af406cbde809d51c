//! TLS of the API's listener: a certificate, and the authorities of clients' certificates, that are read again
//! when their files change, so that a renewed one holds from the next handshake on and no connection is
//! dropped.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::shown::Authorities;

use crate::config::TlsFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

const CERT: &str = "server.tls_cert_file";
const KEY: &str = "server.tls_key_file";
const CLIENT_CA: &str = "server.tls_client_ca_file";

/// Why the files cannot be used. Never shows what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key} = {}: cannot be read: {kind}", path.display())]
    Unreadable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// A file holds something else.
    #[error("{key} = {}: holds no {expected} in PEM form", path.display())]
    Unusable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The two do not belong together, or the key is of no known kind.
    #[error("{KEY}: does not fit the certificate of {CERT}: {0}")]
    Mismatch(rustls::Error),
}

/// The certificate in use, and where it comes from. Clones share it.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    /// Who vouches for clients, where they may show a certificate.
    authorities: Option<Arc<Authorities>>,
    /// Of all files as they were then.
    in_use: Mutex<[u8; 32]>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Says which key of the configuration names a file that cannot be used, and why.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        Ok(Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(contents.certified(&files)?),
            authorities: contents
                .verifier(&files)?
                .map(Authorities::new)
                .map(Arc::new),
            in_use: Mutex::new(contents.digest()),
            files,
        })))
    }

    /// Reads the files again; whether any is new. Where one cannot be used, all stay as they are.
    ///
    /// # Errors
    /// The files cannot be used as they are now.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.0.files)?;
        let digest = contents.digest();
        let mut in_use = self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_use == digest {
            return Ok(false);
        }
        let certified = contents.certified(&self.0.files)?;
        let verifier = contents.verifier(&self.0.files)?;
        self.0.current.store(Arc::new(certified));
        if let (Some(authorities), Some(verifier)) = (&self.0.authorities, verifier) {
            authorities.replace(verifier);
        }
        *in_use = digest;
        Ok(true)
    }

    /// Looks at the files every few seconds until told to stop. Files that are replaced one after the
    /// other do not fit together for a moment: what is wrong is said only once another look finds the same.
    pub async fn watch(self, stop: CancellationToken) {
        let (mut wrong, mut said) = (None, false);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let certificate = self.clone();
            let look = tokio::task::spawn_blocking(move || certificate.reload()).await;
            let error = match look {
                Ok(Ok(renewed)) => {
                    if renewed {
                        info!("the files of TLS have changed; new connections go by them");
                    }
                    (wrong, said) = (None, false);
                    continue;
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => continue,
            };
            if wrong != error {
                (wrong, said) = (error, false);
            } else if !said {
                warn!(
                    error,
                    "the certificate's files cannot be used; the one in use is kept"
                );
                said = true;
            }
        }
    }

    pub(super) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let resolver = Arc::new(Resolver(Arc::clone(&self.0)));
        let Some(authorities) = &self.0.authorities else {
            return Ok(builder.with_no_client_auth().with_cert_resolver(resolver));
        };
        let verifier = Arc::clone(authorities);
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(resolver);
        // A resumed session would go by what was verified when it began.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// Answers each handshake with the certificate of that moment.
#[derive(Debug)]
struct Resolver(Arc<Shared>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The files as they are.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read(CERT, &files.cert)?,
            key: read(KEY, &files.key)?,
            client_ca: files
                .client_ca
                .as_deref()
                .map(|path| read(CLIENT_CA, path))
                .transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(&self.cert));
        digest.update(Sha256::digest(&self.key));
        digest.update(Sha256::digest(
            self.client_ca.as_deref().unwrap_or_default(),
        ));
        digest.finalize().into()
    }

    fn certified(&self, files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
        let chain =
            certificates(&self.cert).ok_or_else(|| unusable(CERT, &files.cert, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| unusable(KEY, &files.key, "private key"))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Mismatch)
    }

    fn verifier(&self, files: &TlsFiles) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some((pem, path)) = self.client_ca.as_deref().zip(files.client_ca.as_deref()) else {
            return Ok(None);
        };
        certificates(pem)
            .and_then(Authorities::verifier)
            .map(Some)
            .ok_or_else(|| unusable(CLIENT_CA, path, "certificate of an authority"))
    }
}

fn unusable(key: &'static str, path: &Path, expected: &'static str) -> TlsError {
    TlsError::Unusable {
        key,
        path: path.to_owned(),
        expected,
    }
}

/// All of a file; `None` where there is none, or one that is none.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty())
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        kind: error.kind(),
    })
}
