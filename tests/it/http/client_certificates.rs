//! Client certificates on the API's listener: a name that a caller has, verified once a connection, in place of a
//! key.
#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use token_broker::config::TlsFiles;
use token_broker::http::{Certificate, Leaving, Limits, serve_api};

use super::rig::{Rig, key};

const HOST: &str = "broker.test";
/// The names of two callers of the rig.
const READER: &str = "spiffe://tests/reader";
const REFRESHER: &str = "refresher.tests";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// A certificate and its key, as PEM.
fn issue(by: &Authority, name: &str) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    let name = Ia5String::try_from(name).expect("plain text");
    params
        .subject_alt_names
        .push(if name.as_str().contains("://") {
            SanType::URI(name)
        } else {
            SanType::DnsName(name)
        });
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// A listener and whom it trusts.
struct Listener {
    ours: Authority,
    files: TlsFiles,
    certificate: Certificate,
    address: SocketAddr,
}

impl Listener {
    fn start(rig: &Rig, directory: &Path, clients: &Authority) -> Self {
        let ours = authority("ours");
        let (cert, key) = issue(&ours, HOST);
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let files = TlsFiles {
            cert: file("cert.pem", &cert),
            key: file("key.pem", &key),
            client_ca: Some(file("clients.pem", &clients.pem())),
        };
        let certificate = Certificate::load(files.clone()).expect("usable files");
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
            Some(&certificate),
            Leaving::default(),
        );
        actix_web::rt::spawn(server.expect("a server"));
        Self {
            ours,
            files,
            certificate,
            address,
        }
    }

    /// A client that shows this certificate, if any.
    fn client(&self, shows: Option<(String, String)>) -> reqwest::Client {
        let trusted = reqwest::Certificate::from_pem(self.ours.pem().as_bytes());
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .resolve(HOST, self.address)
            .tls_certs_only([trusted.expect("a certificate")]);
        let client = match shows {
            Some((cert, key)) => client.identity(
                reqwest::Identity::from_pem((cert + &key).as_bytes()).expect("an identity"),
            ),
            None => client,
        };
        client.build().expect("a client")
    }

    /// Status and code of an answer; `None` where there is no connection.
    async fn ask(
        &self,
        client: &reqwest::Client,
        method: &str,
        path: &str,
        key: Option<String>,
    ) -> Option<(u16, String)> {
        let url = format!("https://{HOST}:{}{path}", self.address.port());
        let mut request = client.request(method.parse().expect("a method"), url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.unwrap_or_default();
        Some((status, body["code"].as_str().unwrap_or_default().to_owned()))
    }

    async fn read(&self, client: &reqwest::Client, key: Option<String>) -> Option<(u16, String)> {
        self.ask(client, "GET", "/token/wx-served", key).await
    }
}

fn refused(code: &str) -> Option<(u16, String)> {
    Some((401, code.to_owned()))
}

fn served() -> Option<(u16, String)> {
    Some((200, String::new()))
}

#[actix_web::test]
async fn a_caller_is_known_by_the_uri_or_the_host_of_its_certificate() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().expect("a directory");
    let clients = authority("clients");
    let listener = Listener::start(rig.serve(), directory.path(), &clients);

    let reader = listener.client(Some(issue(&clients, READER)));
    assert_eq!(listener.read(&reader, None).await, served());
    assert_eq!(
        listener.read(&reader, None).await,
        served(),
        "on the same connection"
    );
    let forbidden = listener
        .ask(&reader, "POST", "/token/wx-served/refresh", None)
        .await;
    assert_eq!(
        forbidden.map(|(status, _)| status),
        Some(403),
        "its rights are the caller's"
    );

    let refresher = listener.client(Some(issue(&clients, "Refresher.tests")));
    let forbidden = listener.read(&refresher, None).await;
    assert_eq!(
        forbidden.map(|(status, _)| status),
        Some(403),
        "{REFRESHER} is another caller"
    );
}

#[actix_web::test]
async fn a_key_goes_before_a_certificate_and_who_has_neither_is_refused() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().expect("a directory");
    let clients = authority("clients");
    let listener = Listener::start(rig.serve(), directory.path(), &clients);

    let bare = listener.client(None);
    assert_eq!(listener.read(&bare, None).await, refused("key_missing"));
    assert_eq!(listener.read(&bare, Some(key("reader"))).await, served());

    let nobody = listener.client(Some(issue(&clients, "spiffe://tests/nobody")));
    assert_eq!(listener.read(&nobody, None).await, refused("key_missing"));
    assert_eq!(listener.read(&nobody, Some(key("reader"))).await, served());

    let reader = listener.client(Some(issue(&clients, READER)));
    let wrong = key("reader").replace("tbk_reader_", "tbk_nobody_");
    assert_eq!(
        listener.read(&reader, Some(wrong)).await,
        refused("key_wrong")
    );

    let stranger = listener.client(Some(issue(&authority("others"), READER)));
    assert_eq!(
        listener.read(&stranger, None).await,
        None,
        "no connection at all"
    );
}

#[actix_web::test]
async fn other_authorities_hold_from_the_next_connection_on() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().expect("a directory");
    let (old, new) = (authority("old"), authority("new"));
    let listener = Listener::start(rig.serve(), directory.path(), &old);
    let early = listener.client(Some(issue(&old, READER)));
    assert_eq!(listener.read(&early, None).await, served());

    let file = listener.files.client_ca.as_ref().expect("a file");
    std::fs::write(file, "nonsense").expect("written");
    let told = listener
        .certificate
        .reload()
        .expect_err("a refusal")
        .to_string();
    assert!(
        told.starts_with("server.tls_client_ca_file = ")
            && told.ends_with("an authority in PEM form"),
        "{told}"
    );
    assert_eq!(
        listener
            .read(&listener.client(Some(issue(&old, READER))), None)
            .await,
        served()
    );

    std::fs::write(file, new.pem()).expect("written");
    assert!(listener.certificate.reload().expect("new ones"));

    assert_eq!(
        listener.read(&early, None).await,
        served(),
        "its connection is open"
    );
    let late = listener.client(Some(issue(&old, READER)));
    assert_eq!(listener.read(&late, None).await, None);
    let renewed = listener.client(Some(issue(&new, READER)));
    assert_eq!(listener.read(&renewed, None).await, served());
}
