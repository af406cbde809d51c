//! What `[store]` says of a Redis: its URL, and the files that TLS needs.

use std::fmt;
use std::path::PathBuf;

use super::pem::{check_pair, read_certificates, read_private_key};
use super::section::Section;
use crate::domain::secret::Secret;
use crate::redis_url::RedisTarget;

/// The URL of a Redis, checked. It may hold a password.
#[derive(Clone, PartialEq)]
pub struct RedisUrl(Secret);

/// Whom to trust and what to show, where a connection to Redis is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// `ca_file`, path of a PEM file: the authorities trusted. Default none: the system's.
    pub ca_file: Option<PathBuf>,
    /// `client_cert_file`, path of a PEM file: our certificate and those between it and the authority.
    /// Default none.
    pub client_cert_file: Option<PathBuf>,
    /// `client_key_file`, path of a PEM file: the key of our certificate. Default none.
    pub client_key_file: Option<PathBuf>,
}

/// What `store.url` says. An empty one is as good as none.
pub(super) enum GivenUrl {
    Absent,
    Refused,
    Usable { url: RedisUrl, tls: bool },
}

impl GivenUrl {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let Some(url) = section.optional::<Secret>("url") else {
            return Self::Absent;
        };
        if url.expose().is_empty() {
            return Self::Absent;
        }
        match RedisTarget::parse(url.expose()) {
            Ok(target) => Self::Usable {
                url: RedisUrl(url),
                tls: target.tls,
            },
            Err(error) => {
                section.refuse("url", error.to_string());
                Self::Refused
            }
        }
    }

    pub(super) const fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    pub(super) fn into_url(self) -> RedisUrl {
        match self {
            Self::Usable { url, .. } => url,
            // An error is noted, and nothing that is read here will be used.
            Self::Absent | Self::Refused => RedisUrl(Secret::new("")),
        }
    }
}

impl RedisTls {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            ca_file: read_certificates(section, "ca_file"),
            client_cert_file: read_certificates(section, "client_cert_file"),
            client_key_file: read_private_key(section, "client_key_file"),
        }
    }

    /// Refuses files that would not be used: whoever names them believes that they are.
    pub(super) fn check(&self, section: &Section<'_>, url: &GivenUrl) {
        let files = [
            ("ca_file", &self.ca_file),
            ("client_cert_file", &self.client_cert_file),
            ("client_key_file", &self.client_key_file),
        ];
        if matches!(url, GivenUrl::Usable { tls: false, .. }) {
            for (key, _) in files.iter().filter(|(_, file)| file.is_some()) {
                section.refuse(key, "has no effect unless store.url begins with rediss");
            }
        }
        match (&self.client_cert_file, &self.client_key_file) {
            (Some(_), None) => {
                section.refuse("client_key_file", "is missing beside client_cert_file");
            }
            (None, Some(_)) => {
                section.refuse("client_cert_file", "is missing beside client_key_file");
            }
            (Some(cert), Some(key))
                if section.is_sound("client_cert_file") && section.is_sound("client_key_file") =>
            {
                check_pair(section, "client_cert_file", cert, "client_key_file", key);
            }
            _ => {}
        }
    }
}

impl RedisUrl {
    /// The URL with its password: for connecting only.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[censored]")
    }
}
