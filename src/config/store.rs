//! `[store]`: where the replicas keep what they share.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use redis::IntoConnectionInfo as _;
use url::Url;

use super::section::Section;
use super::setting::{Setting, text};
use crate::domain::secret::Secret;

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
        /// `url`, `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS. No default.
        url: RedisUrl,
        /// `connect_timeout`, duration. Default `2s`.
        connect_timeout: Duration,
        /// `reply_timeout`, duration: how long one answer may take. Default `1s`.
        reply_timeout: Duration,
        /// `pool_size`, connections. Default 8.
        pool_size: usize,
    },
}

/// The URL of a Redis, checked. It may hold a password.
#[derive(Clone, PartialEq)]
pub struct RedisUrl(Secret);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Embedded,
    Redis,
}

impl StoreConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let kind = section.get("kind", Kind::Embedded);
        let url = read_url(section);
        let path: PathBuf = section.get("path", DEFAULT_PATH.into());
        let namespace = read_namespace(section);
        // Judged in `unavailable`.
        section.each::<Secret>("encryption_keys");
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
                Backend::Redis {
                    url: url.into_url(),
                    connect_timeout,
                    reply_timeout,
                    pool_size: pool_size as usize,
                }
            }
        };
        Self { backend, namespace }
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

/// What `store.url` says. An empty one is as good as none.
enum GivenUrl {
    Absent,
    Refused,
    Usable(RedisUrl),
}

impl GivenUrl {
    fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    fn into_url(self) -> RedisUrl {
        match self {
            Self::Usable(url) => url,
            // An error is noted, and nothing that is read here will be used.
            Self::Absent | Self::Refused => RedisUrl(Secret::new("")),
        }
    }
}

fn read_url(section: &mut Section<'_>) -> GivenUrl {
    let Some(url) = section.optional::<Secret>("url") else {
        return GivenUrl::Absent;
    };
    if url.expose().is_empty() {
        return GivenUrl::Absent;
    }
    // One that is told as unavailable is not judged again.
    if section.is_sound("url") {
        if let Err(message) = check_url(url.expose()) {
            section.refuse("url", message);
            return GivenUrl::Refused;
        }
        return GivenUrl::Usable(RedisUrl(url));
    }
    GivenUrl::Refused
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL, redis://host:port/db")?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("must begin with redis:// or, for TLS, with rediss://");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("must name a host");
    }
    // `#insecure` would turn the check of the server's certificate off.
    if url.fragment().is_some() || url.query().is_some() {
        return Err("must have no query and no fragment");
    }
    if text.into_connection_info().is_err() {
        return Err("must have the form redis://[user:password@]host[:port][/db]");
    }
    Ok(())
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
