//! Every kind of Redis that replicas may share, from one list: the core's scenarios run against any of them.

use super::certificates::Certificates;
use super::cluster::Cluster;
use super::redis::{ACL, RedisOptions, RedisServer, free_port};
use super::sentinel::Watched;
use super::settings::StoreUnderTest;

/// The variable that chooses a kind by its word.
const CHOICE: &str = "TEST_STORE";

/// What the ACL users are allowed.
const NAMESPACE: &str = "test";

/// A kind of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One server, in the clear.
    Standalone,
    /// One server by TLS, which asks for a certificate, and an ACL user with the least rights.
    Tls,
    /// A master and two replicas that three Sentinels watch.
    Sentinel,
    /// Three masters with a replica each.
    Cluster,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Standalone, Self::Tls, Self::Sentinel, Self::Cluster];

    /// The word for it in [`CHOICE`].
    const fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Tls => "tls",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }

    /// The one that the environment chooses: one server in the clear, unless told otherwise.
    pub(crate) fn chosen() -> Self {
        let Ok(word) = std::env::var(CHOICE) else {
            return Self::Standalone;
        };
        let mut kinds = Self::ALL.into_iter();
        kinds
            .find(|kind| kind.as_str() == word)
            .unwrap_or_else(|| panic!("{CHOICE}={word} is no kind of store"))
    }
}

/// Servers of one kind, killed when the test ends.
pub(crate) enum SharedStore {
    Standalone(RedisServer),
    Tls {
        server: RedisServer,
        port: u16,
        certificates: Certificates,
    },
    Sentinel(Watched),
    Cluster(Cluster),
}

impl SharedStore {
    /// Starts all that belongs to it.
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Standalone => Self::Standalone(RedisServer::start()),
            Kind::Tls => {
                let (certificates, port) = (Certificates::make(), free_port());
                let mut lines = certificates.server_lines(port);
                lines.push(format!("user broker on >p%w {ACL}"));
                let options = RedisOptions {
                    lines,
                    ..RedisOptions::default()
                };
                Self::Tls {
                    server: RedisServer::start_with(options),
                    port,
                    certificates,
                }
            }
            Kind::Sentinel => Self::Sentinel(Watched::start()),
            Kind::Cluster => Self::Cluster(Cluster::start()),
        }
    }

    /// What a broker is configured with.
    pub(crate) fn settings(&self) -> StoreUnderTest {
        let url = match self {
            Self::Standalone(server) => server.url(),
            Self::Tls { port, .. } => format!("rediss://broker:p%25w@127.0.0.1:{port}/1"),
            Self::Sentinel(watched) => watched.url(),
            Self::Cluster(cluster) => cluster.url(),
        };
        StoreUnderTest::Redis {
            url,
            namespace: NAMESPACE.to_owned(),
        }
    }

    /// What else belongs to `[store]`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self::Tls { certificates, .. } = self else {
            return Vec::new();
        };
        let (cert, key) = certificates.client();
        let files = [
            ("ca_file", certificates.ca()),
            ("client_cert_file", cert),
            ("client_key_file", key),
        ];
        files
            .map(|(name, path)| format!("{name} = {:?}", path.display().to_string()))
            .to_vec()
    }

    /// Forgets all data.
    pub(crate) fn flush(&self) {
        match self {
            Self::Standalone(server) | Self::Tls { server, .. } => server.flush(),
            Self::Sentinel(watched) => watched.flush(),
            Self::Cluster(cluster) => cluster.masters().iter().for_each(RedisServer::flush),
        }
    }

    /// The process, where there is one alone: for tests that end it.
    pub(crate) fn server(&mut self) -> &mut RedisServer {
        match self {
            Self::Standalone(server) | Self::Tls { server, .. } => server,
            Self::Sentinel(_) | Self::Cluster(_) => panic!("there are several servers"),
        }
    }

    pub(crate) fn watched(&mut self) -> &mut Watched {
        match self {
            Self::Sentinel(watched) => watched,
            _ => panic!("nobody watches it"),
        }
    }

    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        match self {
            Self::Cluster(cluster) => cluster,
            _ => panic!("it is no cluster"),
        }
    }
}
