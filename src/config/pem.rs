//! Files of certificates and keys: looked into when the configuration is read, so that a wrong one is told by its
//! key before anything starts. What is in them is never shown.

use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::section::Section;

/// The path of a file of certificates, which is looked into.
pub(super) fn read_certificates(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let is_certificate = |pem: &[u8]| {
        let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
        certificates.peek().is_some() && certificates.all(|one| one.is_ok())
    };
    read_pem(section, key, "certificate", is_certificate)
}

/// The path of a file of a private key, which is looked into.
pub(super) fn read_private_key(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let is_key = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
    read_pem(section, key, "private key", is_key)
}

/// Notes where a certificate and a key, each sound by itself, do not belong together.
pub(super) fn check_pair(
    section: &Section<'_>,
    cert_key: &'static str,
    cert: &Path,
    key_key: &'static str,
    key: &Path,
) {
    let read = || {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).ok()?.collect();
        Some((chain.ok()?, PrivateKeyDer::from_pem_file(key).ok()?))
    };
    let Some((chain, key)) = read() else {
        return;
    };
    if CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).is_err() {
        section.refuse(
            key_key,
            format!("is not the key of the certificate in {cert_key}"),
        );
    }
}

/// Written empty, a file is as if left out.
fn read_pem(
    section: &mut Section<'_>,
    key: &'static str,
    what: &str,
    is_what: impl Fn(&[u8]) -> bool,
) -> Option<PathBuf> {
    let path: PathBuf = section.optional(key)?;
    if path.as_os_str().is_empty() {
        return None;
    }
    match std::fs::read(Path::new(&path)) {
        Err(error) => section.refuse(key, format!("cannot be read: {}", error.kind())),
        Ok(pem) if !is_what(&pem) => section.refuse(key, format!("holds no {what} in PEM")),
        Ok(_) => {}
    }
    Some(path)
}
