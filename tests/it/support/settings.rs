//! A configuration for tests: WeChat's proportions with lives of seconds, and one place to change them.

use std::fmt::Write as _;
use std::time::Duration;

use token_broker::key::CallerKey;

/// The caller's key of all tests, made of zeros so that nobody takes it for a real one.
pub(crate) const KEY: &str =
    "tbk_tests_0000000000000000000000000000000000000000000000000000000000000000";

/// What a broker under test is configured with; written out as the TOML that people write.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) ops_listen: String,
    pub(crate) store: StoreUnderTest,
    /// More lines of `[store]`.
    pub(crate) store_lines: Vec<String>,
    pub(crate) upstream: String,
    /// More lines of `[upstream]`.
    pub(crate) upstream_lines: Vec<String>,
    pub(crate) apps: Vec<AppUnderTest>,
    pub(crate) refresh: Vec<(&'static str, String)>,
    pub(crate) server: Vec<(&'static str, String)>,
    /// Lines of `[gateway]` as they are written.
    pub(crate) gateway: String,
    /// Lines of `[traces]` as they are written.
    pub(crate) traces: String,
    pub(crate) timeout: Duration,
    /// How long Redis may take to connect, and to answer.
    pub(crate) store_timeout: Duration,
    pub(crate) callers: String,
    pub(crate) log_level: String,
    /// Which apps have series of their own.
    pub(crate) series: &'static str,
}

/// Where the broker keeps its records.
#[derive(Clone, Debug)]
pub(crate) enum StoreUnderTest {
    /// `redis://…` and a namespace.
    Redis { url: String, namespace: String },
    /// A file.
    Embedded { path: std::path::PathBuf },
}

/// One app of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct AppUnderTest {
    pub(crate) appid: String,
    pub(crate) secret: String,
    pub(crate) mode: &'static str,
    pub(crate) daily_limit: u32,
    pub(crate) tickets: &'static [&'static str],
    pub(crate) jssdk_hosts: &'static [&'static str],
}

impl AppUnderTest {
    pub(crate) fn new(appid: &str) -> Self {
        Self {
            appid: appid.to_owned(),
            secret: format!("secret-of-{appid}"),
            mode: "token",
            daily_limit: 2000,
            tickets: &[],
            jssdk_hosts: &[],
        }
    }

    pub(crate) fn with_tickets(appid: &str) -> Self {
        Self {
            tickets: &["jsapi", "wx_card"],
            ..Self::new(appid)
        }
    }

    pub(crate) fn stable(appid: &str) -> Self {
        Self {
            mode: "stable",
            ..Self::new(appid)
        }
    }
}

/// The hash of [`KEY`] as the configuration wants it.
pub(crate) fn key_hash() -> String {
    let key = CallerKey::parse(KEY).expect("a key of the right form");
    format!("sha256:{}", key.hash())
}

/// How long a simulated token lives in tests.
pub(crate) const LIFE: Duration = Duration::from_secs(8);
/// How long the one before is still accepted.
pub(crate) const OVERLAP: Duration = Duration::from_secs(3);

impl Settings {
    /// Lives of 8 s with an overlap of 3 s; everything else in proportion.
    pub(crate) fn new(upstream: &str, store: StoreUnderTest) -> Self {
        let refresh = [
            ("lease", "1s"),
            ("reconcile", "300ms"),
            ("watch", "500ms"),
            ("close_watch", "150ms"),
            ("overlap", "3s"),
            ("caller_cache", "100ms"),
            ("min_spacing", "3100ms"),
            ("backoff_min", "50ms"),
            ("backoff_max", "400ms"),
        ];
        Self {
            listen: "127.0.0.1:0".to_owned(),
            ops_listen: "127.0.0.1:0".to_owned(),
            store,
            store_lines: Vec::new(),
            upstream: upstream.to_owned(),
            upstream_lines: Vec::new(),
            apps: vec![AppUnderTest::new("wx0000000000000001")],
            refresh: refresh.map(|(key, value)| (key, value.to_owned())).to_vec(),
            server: vec![("workers", "1".to_owned())],
            gateway: String::new(),
            traces: String::new(),
            timeout: Duration::from_millis(400),
            store_timeout: Duration::from_millis(200),
            callers: format!(
                "[[callers]]\nid = \"tests\"\nkeys = [\"{}\"]\n\
                 allow = [{{ appids = [\"*\"], verbs = [\"read\", \"call\", \"refresh\", \"admin\"] }}]\n",
                key_hash()
            ),
            log_level: "info".to_owned(),
            series: "all",
        }
    }

    /// Sets one key of `[refresh]`.
    pub(crate) fn refresh(mut self, key: &'static str, value: &str) -> Self {
        self.refresh.retain(|(other, _)| *other != key);
        self.refresh.push((key, value.to_owned()));
        self
    }

    /// Sets one key of `[server]`, a duration as it is written.
    pub(crate) fn server(mut self, key: &'static str, value: &str) -> Self {
        self.server.retain(|(other, _)| *other != key);
        self.server.push((key, value.to_owned()));
        self
    }

    /// Sets which apps have series of their own.
    pub(crate) fn metrics(self, series: &'static str) -> Self {
        Self { series, ..self }
    }

    /// Replaces the apps.
    pub(crate) fn apps(mut self, apps: Vec<AppUnderTest>) -> Self {
        self.apps = apps;
        self
    }

    /// The file as people write it.
    pub(crate) fn to_toml(&self) -> String {
        let mut toml = String::new();
        let _ = writeln!(
            toml,
            "[server]\nlisten = {:?}\nops_listen = {:?}",
            self.listen, self.ops_listen
        );
        for (key, value) in &self.server {
            let quoted = value.parse::<i64>().is_err();
            let _ = if quoted {
                writeln!(toml, "{key} = {value:?}")
            } else {
                writeln!(toml, "{key} = {value}")
            };
        }
        match &self.store {
            StoreUnderTest::Redis { url, namespace } => {
                let patience = self.store_timeout.as_millis();
                let _ = writeln!(
                    toml,
                    "[store]\nkind = \"redis\"\nurl = {url:?}\nnamespace = {namespace:?}\n\
                     connect_timeout = \"{patience}ms\"\nreply_timeout = \"{patience}ms\""
                );
            }
            StoreUnderTest::Embedded { path } => {
                let _ = writeln!(
                    toml,
                    "[store]\nkind = \"embedded\"\npath = {:?}",
                    path.display().to_string()
                );
            }
        }
        for line in &self.store_lines {
            let _ = writeln!(toml, "{line}");
        }
        let timeout = self.timeout.as_millis();
        let _ = writeln!(
            toml,
            "[upstream]\nbase_url = {:?}\ntimeout = \"{timeout}ms\"",
            self.upstream
        );
        for line in &self.upstream_lines {
            let _ = writeln!(toml, "{line}");
        }
        let _ = writeln!(toml, "[refresh]");
        for (key, value) in &self.refresh {
            let quoted = value.parse::<f64>().is_err();
            let _ = if quoted {
                writeln!(toml, "{key} = {value:?}")
            } else {
                writeln!(toml, "{key} = {value}")
            };
        }
        let _ = writeln!(toml, "[gateway]\n{}", self.gateway);
        let _ = writeln!(toml, "[traces]\n{}", self.traces);
        let _ = writeln!(
            toml,
            "[log]\nlevel = {:?}\nformat = \"json\"\n[metrics]\napps = {:?}",
            self.log_level, self.series
        );
        for app in &self.apps {
            let _ = writeln!(
                toml,
                "[[apps]]\nappid = {:?}\nsecret = {:?}\nmode = {:?}\ndaily_limit = {}\n\
                 tickets = {:?}\njssdk_hosts = {:?}",
                app.appid, app.secret, app.mode, app.daily_limit, app.tickets, app.jssdk_hosts
            );
        }
        toml + &self.callers
    }
}
