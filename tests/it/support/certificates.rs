//! An authority for one test, a server's certificate for loopback and a client's, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// Files in a directory of their own.
pub(crate) struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes everything anew.
    pub(crate) fn make() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        name(&mut authority, "authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let write = |name: &str, text: String| {
            std::fs::write(directory.path().join(name), text).expect("a written file");
        };
        write("ca.pem", authority.pem());
        for (role, host) in [("server", "127.0.0.1"), ("client", "broker")] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
            name(&mut params, role);
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            write(&format!("{role}.pem"), certificate.pem());
            write(&format!("{role}.key"), key.serialize_pem());
        }
        Self { directory }
    }

    /// Whom both sides trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The client's certificate and key.
    pub(crate) fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client.key"))
    }

    /// How a Redis is told to speak TLS on `port`, and to ask clients for a certificate.
    pub(crate) fn server_lines(&self, port: u16) -> Vec<String> {
        let line = |key: &str, name: &str| format!("{key} {}", self.path(name).display());
        vec![
            format!("tls-port {port}"),
            line("tls-ca-cert-file", "ca.pem"),
            line("tls-cert-file", "server.pem"),
            line("tls-key-file", "server.key"),
            "tls-auth-clients yes".to_owned(),
        ]
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.directory.path(), name)
    }
}

/// Without a name of its own, a certificate passes for one that signed itself.
fn name(params: &mut CertificateParams, name: &str) {
    params.distinguished_name.push(DnType::CommonName, name);
}
