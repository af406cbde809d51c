//! The composition root: configuration → a broker that runs. Adapters meet the core only here.

mod outside;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::adapters::chance::SystemChance;
use crate::adapters::clock::SystemClock;
use crate::adapters::embedded::OpenError;
use crate::adapters::redis::{RedisSignals, SettingsError};
use crate::adapters::wechat::SetupError;
use crate::app_secrets::AppSecrets;
use crate::broker::Broker;
use crate::calls::Calls;
use crate::config::Config;
use crate::follower::Follower;
use crate::http::{
    ApiState, Callers, Certificate, Leaving, Limits, OpsState, PageSettings, Pages, Readiness,
    StatusPage, TlsError, serve_api, serve_ops,
};
use crate::metrics::Metrics;
use crate::ports::{Chance, Clock, SecretSource, Signal};
use crate::refresher::Refresher;
use crate::reload::{Reload, Running, Source, Standing};
use crate::roster::Roster;
use crate::scheduler::Scheduler;
use crate::service_manager::ServiceManager;
use crate::snapshot::{Reader, snapshot};
use crate::supervision::supervise;

/// How many signals of the store may wait to be followed.
const SIGNALS: usize = 4096;

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be used.
    #[error("{key} = {address} cannot be listened on: {source}")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The embedded store's file cannot be used.
    #[error("store.path: {0}")]
    Embedded(#[from] OpenError),
    /// The settings for Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] SettingsError),
    /// The settings for WeChat cannot be used.
    #[error(transparent)]
    Upstream(#[from] SetupError),
    /// `upstream.base_url` or one of `upstream.fallback_urls` is not a URL.
    #[error("upstream.base_url or upstream.fallback_urls: not a URL: {0}")]
    BaseUrl(#[from] url::ParseError),
    /// The certificate of the API cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A server did not start.
    #[error("the HTTP server did not start: {0}")]
    Server(#[from] std::io::Error),
}

/// A broker, built and listening, not yet running.
pub struct Application {
    api: (TcpListener, SocketAddr),
    ops: (TcpListener, SocketAddr),
    certificate: Option<Certificate>,
    source: Option<Source>,
    manager: ServiceManager,
    config: Config,
    core: Core,
}

/// The two flows and what they share.
struct Core {
    broker: Broker,
    calls: Calls,
    reader: Reader,
    refresher: Arc<Refresher>,
    roster: Roster,
    scheduler: Scheduler,
    follower: Follower,
    signals: Option<(RedisSignals, mpsc::Sender<Signal>)>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Application {
    /// Builds everything and binds both listeners. Nothing is asked of Redis or WeChat yet.
    ///
    /// # Errors
    /// Says which part cannot be built, and which key of the configuration it comes from.
    pub fn build(config: Config) -> Result<Self, StartError> {
        let tls = config.server.tls.clone();
        let certificate = tls.map(Certificate::load).transpose()?;
        let core = Core::build(&config)?;
        let api = bind("server.listen", config.server.listen)?;
        let ops = bind("server.ops_listen", config.server.ops_listen)?;
        Ok(Self {
            api,
            ops,
            certificate,
            source: None,
            manager: ServiceManager::default(),
            config,
            core,
        })
    }

    /// Has changes of the configuration taken over while it runs.
    #[must_use]
    pub fn reloading(self, source: Source) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// Has the service manager told how it is.
    #[must_use]
    pub fn telling(self, manager: ServiceManager) -> Self {
        Self { manager, ..self }
    }

    /// Where the API listens.
    #[must_use]
    pub const fn api_address(&self) -> SocketAddr {
        self.api.1
    }

    /// Where metrics, probes and the status page are.
    #[must_use]
    pub const fn ops_address(&self) -> SocketAddr {
        self.ops.1
    }

    /// What is measured of it.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.core.metrics)
    }

    /// What requests are answered from, for tests that look inside.
    #[must_use]
    pub fn broker(&self) -> Broker {
        self.core.broker.clone()
    }

    /// Runs until `stop` resolves, then: not ready, requests drain, refreshes under way are finished.
    ///
    /// # Errors
    /// A server that cannot start.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self {
            api,
            ops,
            certificate,
            source,
            manager,
            config,
            core,
        } = self;
        let (api_address, ops_address) = (api.1, ops.1);
        let stopping = CancellationToken::new();
        let limits = Limits::from(&config.server);
        let readiness = Readiness::new(
            core.reader.clone(),
            Arc::clone(&core.clock),
            stopping.clone(),
        );
        let store = Arc::clone(&core.refresher.store);
        let upstream = Arc::clone(&core.refresher.upstream);
        let readiness = readiness.explained_by(
            Arc::new(move || store.complaint()),
            Arc::new(move || upstream.complaint()),
        );
        let page = StatusPage::new(
            PageSettings {
                store: config.store.backend.name(),
                runbook_base: config.server.runbook_base.clone(),
            },
            core.reader,
            Arc::clone(&core.clock),
            Arc::clone(&core.metrics),
            readiness.clone(),
        );
        let state = OpsState::new(Arc::clone(&core.metrics), readiness);
        let ops = serve_ops(ops.0, state, page, &limits)?;
        let callers = Callers::new(config.callers.clone());
        let callers = Arc::new(ArcSwap::from_pointee(callers));
        let standing = Arc::new(ArcSwap::from_pointee(Standing {
            since: core.clock.now().wall,
            ..Standing::default()
        }));
        let closing = CancellationToken::new();
        let pages = Arc::new(ArcSwap::from_pointee(Pages::of(&config.apps)));
        let state = ApiState::new(
            core.calls,
            Arc::clone(&callers),
            core.metrics.http(),
            config.log.access_sample,
            &limits,
            &config.gateway,
            closing.clone(),
        )
        .signing(Arc::clone(&pages))
        .behind(config.server.trusted_proxies.clone())
        .telling(Arc::clone(&standing));
        let leaving = Leaving::default();
        let api = serve_api(api.0, state, &limits, certificate.as_ref(), leaving.clone())?;
        let (api_handle, ops_handle) = (api.handle(), ops.handle());
        let (api, ops) = (tokio::spawn(api), tokio::spawn(ops));
        let loops = CancellationToken::new();
        let mut tasks = start_loops(
            core.scheduler,
            core.follower,
            core.signals,
            &core.refresher,
            &loops,
        );
        tasks.extend(certificate.map(|certificate| tokio::spawn(certificate.watch(loops.clone()))));
        tasks.extend(source.map(|source| {
            let running = Running {
                callers,
                pages,
                roster: core.roster,
                refresher: core.refresher,
                standing,
                metrics: core.metrics.reload(),
                clock: core.clock,
            };
            let reload = Reload::new(source, config.clone(), running).telling(manager.clone());
            tokio::spawn(reload.run(loops.clone()))
        }));
        info!(
            version = env!("CARGO_PKG_VERSION"), listen = %api_address, ops_listen = %ops_address,
            apps = config.apps.len(), "started"
        );
        manager.ready(&format!(
            "serving {} apps on {api_address}",
            config.apps.len()
        ));
        let feeding = manager.clone().feed(core.metrics, loops.clone());
        let feeding = tokio::spawn(feeding);

        stop.await;
        info!("stopping: not ready any more; requests and refreshes under way are finished");
        manager.stopping();
        stopping.cancel();
        leaving.begin();
        tokio::time::sleep(config.server.lame_duck).await;
        // Streams would go on for ever.
        closing.cancel();
        // Requests first: some of them wait for what the loops bring.
        api_handle.stop(true).await;
        loops.cancel();
        for task in tasks {
            if tokio::time::timeout(config.server.drain, task)
                .await
                .is_err()
            {
                warn!("a refresh did not end in time; another replica repairs what it left");
            }
        }
        ops_handle.stop(true).await;
        for server in [api, ops] {
            if let Ok(ended) = server.await {
                ended?;
            }
        }
        feeding.abort();
        info!("stopped");
        Ok(())
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        key,
        address,
        source,
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Core {
    fn build(config: &Config) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        let metrics = Arc::new(Metrics::of_apps(config.metrics.apps));
        let secrets = Arc::new(AppSecrets::default());

        let (store, signals) = outside::store(config, &metrics)?;
        let secret_source = Arc::clone(&secrets) as Arc<dyn SecretSource>;
        let upstream = outside::upstream(config, &metrics, secret_source)?;

        let (publisher, reader, changes) = snapshot(Arc::clone(&clock));
        let roster = Roster {
            publisher: publisher.clone(),
            secrets: Arc::clone(&secrets),
            metrics: Arc::clone(&metrics),
            chance: Arc::clone(&chance),
            shared: store.is_shared(),
        };
        roster.take_over(config);
        let refresher = Arc::new(Refresher {
            store,
            upstream: upstream.clone(),
            clock: Arc::clone(&clock),
            chance,
            publisher,
            metrics: Arc::clone(&metrics),
            recheck: Arc::new(Notify::new()),
            secrets,
        });
        metrics.watch(reader.clone(), Arc::clone(&clock));
        let (scheduler, desk) = Scheduler::new(
            Arc::clone(&refresher),
            changes,
            config.upstream.side_by_side as usize,
        );
        let broker = Broker::new(
            reader.clone(),
            desk,
            Arc::clone(&clock),
            config.server.cold_wait,
        );
        let channel = mpsc::channel(SIGNALS);
        let to_follower = channel.0.clone();
        let follower = Follower::new(Arc::clone(&refresher), channel);
        let signals = signals.map(|signals| (signals, to_follower));
        Ok(Self {
            calls: Calls::new(
                broker.clone(),
                upstream,
                (&config.gateway).into(),
                metrics.calls(),
            ),
            broker,
            reader,
            refresher,
            roster,
            scheduler,
            follower,
            signals,
            metrics,
            clock,
        })
    }
}

/// Starts the loops of the write flow.
fn start_loops(
    scheduler: Scheduler,
    follower: Follower,
    signals: Option<(RedisSignals, mpsc::Sender<Signal>)>,
    refresher: &Arc<Refresher>,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let metrics = || Arc::clone(&refresher.metrics);
    let mut tasks = vec![
        supervise("follower", follower, metrics(), stop.clone()),
        supervise("scheduler", scheduler, metrics(), stop.clone()),
    ];
    if let Some((signals, to)) = signals {
        let stop = stop.clone();
        tasks.push(tokio::spawn(async move { signals.run(to, stop).await }));
    }
    tasks
}
