//! One history: a seed, replicas, a store and WeChat, run from beginning to end.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use token_broker::domain::app_id::AppId;
use token_broker::domain::budget::Budget;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::rules::Rules;
use tokio::task::JoinSet;
use tracing::Level;

use super::clock::paused_runtime;
use super::oracle::{Figures, Oracle};
use super::replica::Node;
use super::store::{Link, SharedStore};
use super::upstream::{OVERLAP, TIMEOUT, WeChat, Weather};
use super::world::{LogLines, World, from_environment};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) replicas: usize,
    pub(crate) daily_limit: u32,
    /// The most fetches that any day may see; the limit, unless all is well.
    pub(crate) most_fetches: usize,
    /// How long a scheduler sleeps at a stretch: the product's second where machines are suspended.
    pub(crate) nap: Duration,
    /// The longest time between two requests to a replica once nothing has happened for long; zero = somebody strikes
    /// without a word, so that nothing is ever taken to be calm.
    pub(crate) idle: Duration,
    /// Whether what happens is written down.
    pub(crate) tells: bool,
}

impl Setup {
    pub(crate) const TOKEN: Self = Self {
        mode: Mode::Token,
        replicas: 3,
        daily_limit: 2000,
        most_fetches: 2000,
        nap: Duration::from_secs(1),
        idle: Duration::ZERO,
        tells: true,
    };
    pub(crate) const STABLE: Self = Self {
        mode: Mode::Stable,
        ..Self::TOKEN
    };
}

/// A history under way.
pub(crate) struct History {
    pub(crate) world: Arc<World>,
    pub(crate) store: Arc<SharedStore>,
    pub(crate) wechat: Arc<WeChat>,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) oracle: Arc<Oracle>,
    /// How many faults are active that keep a death from being found.
    blinding: AtomicU32,
    _callers: JoinSet<()>,
}

/// What came of a history.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) fingerprint: u64,
    pub(crate) figures: Figures,
    pub(crate) fetches: u64,
    pub(crate) checks: u64,
    pub(crate) store_calls: u64,
    pub(crate) lasted: Duration,
    pub(crate) most_in_a_day: usize,
}

/// The configuration's defaults.
fn rules(setup: &Setup) -> Rules {
    let seconds = Duration::from_secs;
    Rules {
        mode: setup.mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: seconds(360),
        lease: seconds(20),
        reconcile: seconds(30),
        watch: seconds(60),
        close_watch: seconds(15),
        overlap: OVERLAP,
        timeout: TIMEOUT,
        backoff: (seconds(1), seconds(60)),
        budget: Budget::for_limit(setup.daily_limit, DAY),
        forced_budget: Budget {
            interval: DAY / 17,
            burst: 1,
            reserve: 0,
            window: DAY,
        },
    }
}

impl History {
    fn new(seed: u64, setup: &Setup) -> Option<Self> {
        let world = World::new(seed, setup.tells);
        if setup.idle.is_zero() {
            world.never_rests();
        }
        let store = SharedStore::new(Arc::clone(&world), setup.replicas);
        let wechat = WeChat::new(Arc::clone(&world), setup.mode);
        let oracle = Oracle::new(&world, &store, &wechat, setup);
        let credential = Credential::access_token(AppId::parse("wx1").ok()?, setup.mode);
        let node = |number| {
            let credential = credential.clone();
            Node::new(
                number,
                &world,
                &store,
                &wechat,
                credential,
                rules(setup),
                setup.nap,
            )
        };
        let nodes: Vec<_> = (0..setup.replicas).map(node).collect();
        let mut callers = JoinSet::new();
        for node in &nodes {
            callers.spawn(Arc::clone(&oracle).call(Arc::clone(node)));
        }
        Some(Self {
            world,
            store,
            wechat,
            nodes,
            oracle,
            blinding: AtomicU32::new(0),
            _callers: callers,
        })
    }

    /// Starts every replica, and waits until each serves.
    pub(crate) async fn begin(&self) {
        self.nodes.iter().for_each(|node| node.start());
        self.elapse(Duration::from_secs(20)).await;
        self.oracle.all_agree(&self.nodes);
    }

    /// Lets time pass, and sees that nothing spins meanwhile.
    pub(crate) async fn elapse(&self, time: Duration) {
        let mut left = time;
        // After the first violation the rest is of no interest.
        while !left.is_zero() && !self.world.is_broken() {
            let part = left.min(5 * MINUTE);
            left -= part;
            let (store, (fetches, checks)) = (self.store.calls(), self.wechat.calls());
            tokio::time::sleep(part).await;
            let replicas = u64::try_from(self.nodes.len()).unwrap_or(1);
            // A second's retry is the fastest that anything does for long.
            let bound = (part.as_secs() * 2 + 120) * replicas;
            let store = self.store.calls() - store;
            let (fetches, checks) = (
                self.wechat.calls().0 - fetches,
                self.wechat.calls().1 - checks,
            );
            if store > bound * 2 || fetches + checks > bound {
                self.world.violation(format_args!(
                    "something spins: {store} calls of the store, {fetches} fetches and {checks} checks in {part:?}"
                ));
            }
        }
    }

    /// A fault begins that keeps deaths from being found.
    pub(crate) fn blind(&self) {
        self.blinding.fetch_add(1, Ordering::Relaxed);
        self.oracle
            .promise(|promise| promise.blind_until = Duration::MAX);
    }

    /// It ends.
    pub(crate) fn sighted(&self) {
        if self.blinding.fetch_sub(1, Ordering::Relaxed) == 1 {
            let now = self.world.now();
            self.oracle.promise(|promise| promise.blind_until = now);
        }
    }

    /// Ends every fault there is.
    pub(crate) fn all_is_well(&self) {
        self.store.set_all_links(Link::Up);
        self.store.lose_signals(0.0);
        self.store.set_unconfirmed(false);
        self.wechat.set_weather(Weather::Fair);
        for node in &self.nodes {
            if node.gate.is_stopped() {
                node.go_on();
            }
            if node.broker().is_none() {
                node.start();
            }
        }
    }

    /// After the last fault: within `bound` all replicas serve the latest token, and from then on nobody sees
    /// a dead token or a refusal.
    pub(crate) async fn recovers_within(&self, bound: Duration) {
        self.world.stir(bound + 30 * MINUTE);
        self.all_is_well();
        self.elapse(bound).await;
        self.oracle.all_agree(&self.nodes);
        self.oracle.promise(|promise| {
            promise.dead_for = Duration::ZERO;
            promise.must_serve = true;
        });
        self.elapse(30 * MINUTE).await;
        self.oracle.all_agree(&self.nodes);
    }
}

/// Runs one history; the same seed and the same script give the same history.
pub(crate) fn run(seed: u64, setup: Setup, script: impl AsyncFnOnce(&History)) -> Outcome {
    let failed = |why: String| Outcome {
        violations: vec![why],
        fingerprint: 0,
        figures: Figures::default(),
        fetches: 0,
        checks: 0,
        store_calls: 0,
        lasted: Duration::ZERO,
        most_in_a_day: 0,
    };
    let runtime = match paused_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(error.to_string()),
    };
    runtime.block_on(async {
        let Some(history) = History::new(seed, &setup) else {
            return failed(String::from("no history"));
        };
        let world = Arc::clone(&history.world);
        let lines = Arc::clone(&world);
        // What calls itself a bug is an error.
        let level = if setup.tells {
            Level::INFO
        } else {
            Level::ERROR
        };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || LogLines(Arc::clone(&lines)))
            .finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        script(&history).await;
        if history.wechat.most_in_a_day() > setup.most_fetches {
            world.violation(format_args!(
                "{} fetches in a day, {} are allowed",
                history.wechat.most_in_a_day(),
                setup.most_fetches
            ));
        }
        let (fetches, checks) = history.wechat.calls();
        Outcome {
            violations: world.violations(),
            fingerprint: world.fingerprint(),
            figures: history.oracle.figures(),
            fetches,
            checks,
            store_calls: history.store.calls(),
            lasted: world.now(),
            most_in_a_day: history.wechat.most_in_a_day(),
        }
    })
}

/// The seeds of a run: `SIMULATION_SEEDS` of them from `SIMULATION_FIRST` on, or the default.
pub(crate) fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = from_environment("SIMULATION_FIRST").unwrap_or(0);
    first..first + from_environment("SIMULATION_SEEDS").unwrap_or(default)
}

/// Runs the history once for each of `seeds`, or for `SIMULATION_SEED` alone, and shows how to repeat one
/// that fails.
pub(crate) fn for_each_seed(
    name: &str,
    seeds: std::ops::Range<u64>,
    setup: Setup,
    script: impl AsyncFn(&History),
) {
    let seeds = from_environment("SIMULATION_SEED").map_or(seeds, |seed| seed..seed + 1);
    for seed in seeds {
        let outcome = run(seed, setup, &script);
        assert!(
            outcome.figures.served > 0,
            "{name} {seed}: nobody was served"
        );
        assert!(
            outcome.violations.is_empty(),
            "{}\n\nto repeat: SIMULATION_SEED={seed} cargo test --test simulation {name}\n",
            outcome.violations.join("\n")
        );
        if std::env::var_os("SIMULATION_REPORT").is_some() {
            // Past the test's captured output, so that it is seen.
            let _ = writeln!(std::io::stderr(), "{name} {seed}: {outcome:?}");
        }
    }
}
