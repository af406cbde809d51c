//! TLS on the API's listener.
#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use token_broker::config::TlsFiles;
use token_broker::http::{Certificate, Leaving, Limits, serve_api};

use super::rig::{Rig, key};

const HOST: &str = "broker.test";

/// Writes a new certificate with its key, and returns it as PEM.
fn issue(files: &TlsFiles) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    std::fs::write(&files.cert, cert.pem()).expect("written");
    std::fs::write(&files.key, signing_key.serialize_pem()).expect("written");
    cert.pem()
}

fn files(directory: &Path) -> TlsFiles {
    TlsFiles {
        cert: directory.join("cert.pem"),
        key: directory.join("key.pem"),
        client_ca: None,
    }
}

fn serve(rig: &Rig, certificate: &Certificate) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits {
        workers: 1,
        ..Limits::default()
    };
    let server = serve_api(
        listener,
        rig.api_state(),
        &limits,
        Some(certificate),
        Leaving::default(),
    );
    actix_web::rt::spawn(server.expect("a server"));
    address
}

/// A client that believes this certificate alone.
fn client(address: SocketAddr, trusted: &str) -> reqwest::Client {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .resolve(HOST, address)
        .tls_certs_only([trusted]);
    client.build().expect("a client")
}

async fn ask(client: &reqwest::Client, address: SocketAddr) -> Option<u16> {
    let url = format!("https://{HOST}:{}/token/wx-served", address.port());
    let answer = client.get(url).bearer_auth(key("reader")).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

#[actix_web::test]
async fn a_renewed_certificate_is_served_and_open_connections_go_on() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().expect("a directory");
    let files = files(directory.path());
    let first = issue(&files);
    let certificate = Certificate::load(files.clone()).expect("a certificate");
    let address = serve(rig.serve(), &certificate);
    let early = client(address, &first);
    assert_eq!(ask(&early, address).await, Some(200));
    assert!(!certificate.reload().expect("nothing new"));

    let second = issue(&files);
    assert!(certificate.reload().expect("a new one"));

    assert_eq!(ask(&client(address, &second), address).await, Some(200));
    assert_eq!(
        ask(&early, address).await,
        Some(200),
        "its connection is open"
    );
    assert_eq!(ask(&client(address, &first), address).await, None);
}

#[actix_web::test]
async fn a_bad_renewal_is_refused_and_the_old_certificate_stays_until_a_good_one_comes() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().expect("a directory");
    let files = files(directory.path());
    let first = issue(&files);
    let certificate = Certificate::load(files.clone()).expect("a certificate");
    let address = serve(rig.serve(), &certificate);

    std::fs::write(&files.cert, "nonsense").expect("written");
    let refused = certificate.reload().expect_err("a refusal").to_string();
    assert!(refused.starts_with("server.tls_cert_file = "), "{refused}");
    assert!(
        refused.ends_with("holds no certificate in PEM form"),
        "{refused}"
    );
    assert_eq!(ask(&client(address, &first), address).await, Some(200));

    let second = issue(&files);
    assert!(certificate.reload().expect("a new one"));
    assert_eq!(ask(&client(address, &second), address).await, Some(200));
}

#[test]
fn what_cannot_be_used_is_told_with_its_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = files(directory.path());
    let told = || {
        let error = Certificate::load(files.clone()).expect_err("a refusal");
        error.to_string()
    };
    assert!(
        told().ends_with("cert.pem: cannot be read: entity not found"),
        "{}",
        told()
    );
    issue(&files);
    let other = files_of_another();
    std::fs::write(&files.key, &other).expect("written");
    assert!(
        told().starts_with(
            "server.tls_key_file: does not fit the certificate of server.tls_cert_file"
        ),
        "{}",
        told()
    );
    std::fs::write(&files.key, "canary").expect("written");
    assert!(told().starts_with("server.tls_key_file = "), "{}", told());
    assert!(!told().contains("canary"));
}

fn files_of_another() -> String {
    let other = generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    other.signing_key.serialize_pem()
}
