//! `[store]`: where the replicas keep what they share.

use std::path::PathBuf;
use std::time::Duration;

use config::Value;

use super::redis::{GivenUrl, RedisTls, RedisUrl};
use super::sealing::SealingConfig;
use super::section::Section;
use super::setting::{Setting, text};

const DEFAULT_PATH: &str = "data/token-broker.redb";
const DEFAULT_NAMESPACE: &str = "token-broker";
const MAX_NAMESPACE: usize = 64;

/// `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// `kind`, `"embedded"` or `"redis"`, with what belongs to it. Default `embedded`.
    pub backend: Backend,
    /// `namespace`, what every key begins with. Default `token-broker`.
    pub namespace: String,
    /// `encryption_keys` and `sealing`: how grants are sealed.
    pub sealing: SealingConfig,
}

/// Which store, and what only that one needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Backend {
    /// A file of one process.
    Embedded {
        /// `path`, the file. Default `data/token-broker.redb`, from the working directory.
        path: PathBuf,
    },
    /// A Redis that all replicas share.
    Redis {
        /// `url`, in one of the forms of [`crate::redis_url`]. No default.
        url: RedisUrl,
        /// Whom to trust and what to show where the URL asks for TLS.
        tls: RedisTls,
        /// `connect_timeout`, duration. Default `2s`.
        connect_timeout: Duration,
        /// `reply_timeout`, duration: how long one answer may take. Default `1s`.
        reply_timeout: Duration,
        /// `pool_size`, connections to one server. Default 8.
        pool_size: usize,
    },
}

impl Backend {
    /// The word for it, as in `kind`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded { .. } => "embedded",
            Self::Redis { .. } => "redis",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Embedded,
    Redis,
}

impl StoreConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let kind = section.get("kind", Kind::Embedded);
        let url = GivenUrl::read(section);
        let tls = RedisTls::read(section);
        let path: PathBuf = section.get("path", DEFAULT_PATH.into());
        let namespace = read_namespace(section);
        let sealing = SealingConfig::read(section);
        let seconds = Duration::from_secs;
        let timeouts = Duration::from_millis(1)..=seconds(60);
        let connect_timeout = section.within("connect_timeout", seconds(2), timeouts.clone());
        let reply_timeout = section.within("reply_timeout", seconds(1), timeouts);
        let pool_size = section.within("pool_size", 8, 1..=1024);

        let changed_redis = [
            ("url", url.is_given()),
            ("connect_timeout", connect_timeout != seconds(2)),
            ("reply_timeout", reply_timeout != seconds(1)),
            ("pool_size", pool_size != 8),
            ("ca_file", tls.ca_file.is_some()),
            ("client_cert_file", tls.client_cert_file.is_some()),
            ("client_key_file", tls.client_key_file.is_some()),
        ];
        let changed_embedded = [("path", path.as_os_str() != DEFAULT_PATH)];
        let backend = match kind {
            Kind::Embedded => {
                refuse_without_effect(section, &changed_redis, "redis");
                Backend::Embedded { path }
            }
            Kind::Redis => {
                refuse_without_effect(section, &changed_embedded, "embedded");
                if matches!(url, GivenUrl::Absent) {
                    section.refuse("url", r#"is missing; store.kind = "redis" needs it"#);
                }
                tls.check(section, &url);
                Backend::Redis {
                    url: url.into_url(),
                    tls,
                    connect_timeout,
                    reply_timeout,
                    pool_size: pool_size as usize,
                }
            }
        };
        Self {
            backend,
            namespace,
            sealing,
        }
    }

    /// How long one call may take before the store counts as away.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        match &self.backend {
            Backend::Embedded { .. } => Duration::ZERO,
            Backend::Redis {
                connect_timeout,
                reply_timeout,
                ..
            } => *connect_timeout + *reply_timeout,
        }
    }
}

fn read_namespace(section: &mut Section<'_>) -> String {
    let namespace: String = section.get("namespace", DEFAULT_NAMESPACE.to_owned());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if namespace.is_empty() || namespace.len() > MAX_NAMESPACE || !namespace.bytes().all(allowed) {
        let message = "must have 1 to 64 characters: letters, digits, '_', '.' and '-'";
        section.refuse("namespace", message);
    }
    namespace
}

fn refuse_without_effect(section: &Section<'_>, changed: &[(&str, bool)], needed: &str) {
    for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
        section.refuse(
            key,
            format!("has no effect unless store.kind = \"{needed}\""),
        );
    }
}

impl Setting for Kind {
    const FORM: &'static str = r#""embedded" or "redis""#;

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "embedded" => Some(Self::Embedded),
            "redis" => Some(Self::Redis),
            _ => None,
        }
    }
}
