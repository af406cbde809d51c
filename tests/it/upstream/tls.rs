//! TLS: a server that cannot prove who it is gets nothing, and `ca_file` says whom to believe.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use token_broker::adapters::wechat::UpstreamSettings;
use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Secret;
use token_broker::ports::{Checked, Fetched, Upstream};

use super::wire_server::{Step, TOKEN, WireServer, client, credential, ok, settings, token_body};
use crate::support::timed::timed;

/// A server's side of TLS for a host, and a file with the certificate that vouches for it.
pub(crate) fn self_signed(host: &str) -> (TlsAcceptor, NamedTempFile) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([host.to_owned()]).expect("a certificate");
    let ca_file = NamedTempFile::new().expect("a file");
    std::fs::write(ca_file.path(), cert.pem()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a usable certificate");
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(server)), ca_file)
}

fn answer() -> [Step; 2] {
    [Step::Read, Step::Send(ok(&token_body()))]
}

async fn not_sent(server: &WireServer, settings: &UpstreamSettings) -> String {
    let client = client(settings);
    let fetched = client.fetch(&credential(Mode::Token), false).await;
    let checked = client
        .check(&credential(Mode::Token), &Secret::new(TOKEN))
        .await;
    assert!(server.requests().is_empty());
    match (fetched, checked) {
        (Fetched::NotSent(reason), Checked::Away(same)) if reason == same => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_no_authority_vouches_for_is_sent_nothing() {
    timed(async || {
        let (tls, _) = self_signed("localhost");
        let server = WireServer::start_tls(tls, answer()).await;
        let settings = settings(&format!("https://localhost:{}", server.address.port()));
        assert_eq!(
            not_sent(&server, &settings).await,
            "no TLS connection: no trusted authority signed the certificate (upstream.ca_file says which are trusted)"
        );
    });
}

#[test]
fn a_server_that_ca_file_vouches_for_is_asked() {
    timed(async || {
        let (tls, ca_file) = self_signed("localhost");
        let server = WireServer::start_tls(tls, answer()).await;
        let mut settings = settings(&format!("https://localhost:{}", server.address.port()));
        settings.ca_file = Some(ca_file.path().to_owned());

        let fetched = client(&settings)
            .fetch(&credential(Mode::Token), false)
            .await;

        assert!(matches!(fetched, Fetched::Granted { .. }), "{fetched:?}");
        assert!(server.requests()[0].contains(" HTTP/1.1\r\n"));
    });
}

#[test]
fn a_server_with_the_certificate_of_another_host_is_sent_nothing() {
    timed(async || {
        let (tls, ca_file) = self_signed("api.weixin.qq.com");
        let server = WireServer::start_tls(tls, answer()).await;
        let mut settings = settings(&format!("https://localhost:{}", server.address.port()));
        settings.ca_file = Some(ca_file.path().to_owned());
        assert_eq!(
            not_sent(&server, &settings).await,
            "no TLS connection: the certificate is for another host"
        );
    });
}

#[test]
fn a_connection_cut_after_the_handshake_is_ambiguous() {
    timed(async || {
        let (tls, ca_file) = self_signed("localhost");
        for steps in [vec![], vec![Step::Read]] {
            let server = WireServer::start_tls(tls.clone(), steps).await;
            let mut settings = settings(&format!("https://localhost:{}", server.address.port()));
            settings.ca_file = Some(ca_file.path().to_owned());
            let fetched = client(&settings)
                .fetch(&credential(Mode::Token), false)
                .await;
            assert!(matches!(fetched, Fetched::Ambiguous(_)), "{fetched:?}");
        }
    });
}
