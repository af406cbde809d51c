//! Client certificates: who is at the other end of a connection, found out once, when it is made; and the
//! authorities that vouch for it, which are read again when their file changes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

/// The names in the certificate that a client has shown and that was verified: URIs first, then DNS names in
/// lower case.
#[derive(Clone, Debug)]
pub(super) struct ShownNames(Arc<[String]>);

impl ShownNames {
    /// What a new connection has shown; nothing where it showed no certificate.
    pub(super) fn by(session: &ServerConnection) -> Option<Self> {
        let certificate = session.peer_certificates()?.first()?;
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        let uris = certificate.valid_uri_names().map(str::to_owned);
        let hosts = certificate.valid_dns_names().map(str::to_ascii_lowercase);
        Some(Self(uris.chain(hosts).collect()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Asks each client for a certificate, lets those without one in, and goes by the authorities of the moment.
#[derive(Debug)]
pub(super) struct Authorities {
    current: ArcSwap<Arc<dyn ClientCertVerifier>>,
}

impl Authorities {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self {
            current: ArcSwap::from_pointee(verifier),
        }
    }

    /// Goes by these from the next handshake on.
    pub(super) fn replace(&self, verifier: Arc<dyn ClientCertVerifier>) {
        self.current.store(Arc::new(verifier));
    }

    /// What verifies that one of these signed a client's certificate; `None` where that is no authority.
    pub(super) fn verifier(
        authorities: Vec<CertificateDer<'static>>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).ok()?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .ok()
    }
}

impl ClientCertVerifier for Authorities {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None are named, since they may change: a client sends the certificate that it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.current
            .load()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current
            .load()
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current
            .load()
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().supported_verify_schemes()
    }
}
