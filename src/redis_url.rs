//! The URL of a Redis: a server, the Sentinels that know one, or a cluster. Configuration and adapter read
//! it alike, and nothing that is said about one ever quotes it, because it may hold a password.
//!
//! | form | means |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server |
//! | `redis+sentinel://[user:password@]host[:port],…/<master>[/db][?sentinel_user=…&sentinel_password=…]` | the master that these Sentinels name |
//! | `redis+cluster://[user:password@]host[:port],…` | a cluster, found through any of these nodes |
//!
//! `rediss` in front means TLS, to the Sentinels too. What has a meaning in a URL is percent-encoded in
//! names and passwords.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::domain::secret::Secret;

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const NO_URL: &str = "must be a URL, redis://host:port/db";
const SCHEME: &str = "must begin with redis://, redis+sentinel:// or redis+cluster://, or for TLS with \
                      rediss in place of redis";
const HOST: &str = "must name a host";
const EXTRAS: &str = "must have no query and no fragment";
const SERVER: &str = "must have the form redis://[user:password@]host[:port][/db]";
const SENTINEL: &str = "must have the form redis+sentinel://[user:password@]host[:port],host[:port]\
                        /<master>[/db][?sentinel_user=...&sentinel_password=...]";
const CLUSTER: &str = "must have the form redis+cluster://[user:password@]host[:port],host[:port]";

/// Why a text is not such a URL: completes "the URL …", and never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RedisUrlError(pub &'static str);

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisTarget {
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Where the server is.
    pub place: Place,
    /// Who we are to it.
    pub login: Login,
    /// Which of its databases; a cluster has one.
    pub database: u16,
}

/// Where the server is, or who knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here.
    Server(Address),
    /// Sentinels know.
    Sentinel {
        /// Any of them may be asked.
        sentinels: Vec<Address>,
        /// What they call the master.
        master: String,
        /// Who we are to them.
        login: Login,
    },
    /// The nodes of a cluster know.
    Cluster(Vec<Address>),
}

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Name of an ACL user; without one it is `default`.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

/// Host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl RedisTarget {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Says which form is expected.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError(NO_URL))?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(RedisUrlError(SCHEME)),
        };
        let form = match kind {
            "" => SERVER,
            "sentinel" => SENTINEL,
            "cluster" => CLUSTER,
            _ => return Err(RedisUrlError(SCHEME)),
        };
        // `#insecure` would turn the check of the server's certificate off elsewhere.
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') || query.contains('#') || (kind != "sentinel" && !query.is_empty()) {
            return Err(RedisUrlError(EXTRAS));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (read_login(login, form)?, hosts),
            None => (Login::default(), authority),
        };
        if hosts.is_empty() || hosts.starts_with(':') {
            return Err(RedisUrlError(HOST));
        }
        let default_port = match kind {
            "sentinel" => SENTINEL_PORT,
            _ => SERVER_PORT,
        };
        let addresses: Option<Vec<_>> = hosts
            .split(',')
            .map(|host| Address::parse(host, default_port))
            .collect();
        let addresses = addresses.ok_or(RedisUrlError(form))?;
        let (master, path) = match kind {
            "sentinel" => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        let database = match path {
            "" => 0,
            path => path.parse().map_err(|_| RedisUrlError(form))?,
        };
        let place = match (kind, &addresses[..]) {
            ("sentinel", _) if !master.is_empty() => Place::Sentinel {
                master: decoded(master, form)?,
                login: read_sentinel_login(query)?,
                sentinels: addresses,
            },
            ("cluster", _) if database == 0 => Place::Cluster(addresses),
            ("", [one]) => Place::Server(one.clone()),
            _ => return Err(RedisUrlError(form)),
        };
        Ok(Self {
            tls,
            place,
            login,
            database,
        })
    }
}

impl Address {
    /// Reads `host`, `host:port` or `[IPv6]:port`.
    #[must_use]
    pub fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, port)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(allowed) {
            return None;
        }
        let port = match port {
            "" => default_port,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        Some(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn read_login(text: &str, form: &'static str) -> Result<Login, RedisUrlError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let named = |text: &str| (!text.is_empty()).then(|| decoded(text, form)).transpose();
    Ok(Login {
        user: named(user)?,
        password: named(password.unwrap_or_default())?.map(Secret::new),
    })
}

fn read_sentinel_login(query: &str) -> Result<Login, RedisUrlError> {
    let mut login = Login::default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let value = |text: &str| decoded(text, SENTINEL);
        match part.split_once('=') {
            Some(("sentinel_user", user)) if login.user.is_none() => {
                login.user = Some(value(user)?);
            }
            Some(("sentinel_password", password)) if login.password.is_none() => {
                login.password = Some(Secret::new(value(password)?));
            }
            _ => return Err(RedisUrlError(SENTINEL)),
        }
    }
    Ok(login)
}

fn decoded(text: &str, form: &'static str) -> Result<String, RedisUrlError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from).map_err(|_| RedisUrlError(form))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address { host, port }
    }

    fn login(user: Option<&str>, password: Option<&str>) -> Login {
        Login {
            user: user.map(str::to_owned),
            password: password.map(Secret::new),
        }
    }

    #[test]
    fn one_server() {
        let url = RedisTarget::parse("redis://h").unwrap();
        assert_eq!(url.place, Place::Server(at("h", 6379)));
        assert_eq!(
            (url.tls, url.login, url.database),
            (false, login(None, None), 0)
        );
        let url = RedisTarget::parse("rediss://u:p%40%3A%2f@[::1]:1/3").unwrap();
        assert_eq!(url.place, Place::Server(at("::1", 1)));
        assert_eq!(url.login, login(Some("u"), Some("p@:/")));
        assert_eq!((url.tls, url.database), (true, 3));
        let url = RedisTarget::parse("redis://:p@h:2/").unwrap();
        assert_eq!(url.login, login(None, Some("p")));
    }

    #[test]
    fn sentinels_with_a_login_of_their_own() {
        let text = "rediss+sentinel://u:p@a,b:1,[::1]:2/main%20one/4?sentinel_user=s&sentinel_password=q%26";
        let url = RedisTarget::parse(text).unwrap();
        let expected = Place::Sentinel {
            sentinels: vec![at("a", 26379), at("b", 1), at("::1", 2)],
            master: "main one".to_owned(),
            login: login(Some("s"), Some("q&")),
        };
        assert_eq!(url.place, expected);
        assert_eq!(url.login, login(Some("u"), Some("p")));
        assert_eq!((url.tls, url.database), (true, 4));
        let url = RedisTarget::parse("redis+sentinel://a/main").unwrap();
        assert_eq!(url.database, 0);
    }

    #[test]
    fn a_cluster_through_several_nodes() {
        let url = RedisTarget::parse("redis+cluster://:p@a:1,b").unwrap();
        assert_eq!(url.place, Place::Cluster(vec![at("a", 1), at("b", 6379)]));
        assert_eq!(url.login, login(None, Some("p")));
        RedisTarget::parse("rediss+cluster://a/0").unwrap();
    }

    #[test]
    fn what_is_none_of_these_is_told_its_form() {
        for (text, expected) in [
            ("canary", NO_URL),
            ("redis:canary", NO_URL),
            ("http://canary", SCHEME),
            ("redis+canary://h", SCHEME),
            ("redis://canary@", HOST),
            ("redis://:1/canary", HOST),
            ("redis+cluster://,", CLUSTER),
            ("redis://h/canary", SERVER),
            ("redis://h:canary", SERVER),
            ("redis://h:65536", SERVER),
            ("redis://canary,canary", SERVER),
            ("redis://can ary", SERVER),
            ("redis://[canary]", SERVER),
            ("redis://h/-1", SERVER),
            ("redis://u:%ff@h", SERVER),
            ("redis://h?canary", EXTRAS),
            ("rediss://h/#insecure", EXTRAS),
            ("redis+cluster://h?canary=1", EXTRAS),
            ("redis+cluster://h/1", CLUSTER),
            ("redis+cluster://h,/0", CLUSTER),
            ("redis+sentinel://h", SENTINEL),
            ("redis+sentinel://h/", SENTINEL),
            ("redis+sentinel://h//0", SENTINEL),
            ("redis+sentinel://h/m/canary", SENTINEL),
            ("redis+sentinel://h/m?canary=1", SENTINEL),
            ("redis+sentinel://h/m?sentinel_password", SENTINEL),
        ] {
            let error = RedisTarget::parse(text).unwrap_err();
            assert_eq!(error, RedisUrlError(expected), "{text}");
        }
    }

    #[test]
    fn no_password_shows() {
        let text = "redis+sentinel://u:canary@h/m?sentinel_password=canary";
        assert!(!format!("{:?}", RedisTarget::parse(text)).contains("canary"));
    }
}
