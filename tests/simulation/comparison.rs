//! The broker beside how others do it: the same years, the same faults, the same WeChat; what callers got and
//! what it cost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use super::baseline::{Fleet, Way, Worker};
use super::clock::paused_runtime;
use super::fault::Fault;
use super::history::{DAY, HOUR, MINUTE, Setup};
use super::plan::{LASTS, Plan, Severity};
use super::store::{Link, SharedStore};
use super::upstream::{WeChat, Weather};
use super::world::{World, from_environment, lock};
use super::years::say;

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    lasted: Duration,
    /// Time in which a caller of a replica that runs would have got a dead token, or none; over all replicas.
    dead: Duration,
    none: Duration,
    fetches: u64,
    most_in_a_day: usize,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.lasted += other.lasted;
        self.dead += other.dead;
        self.none += other.none;
        self.fetches += other.fetches;
        self.most_in_a_day = self.most_in_a_day.max(other.most_in_a_day);
    }

    /// A year's share, of one replica.
    fn line(&self, name: &str, replicas: usize) -> String {
        let years = self.lasted.as_secs_f64() / (365.0 * DAY.as_secs_f64());
        let replicas = u32::try_from(replicas).map_or(1.0, f64::from);
        let seconds = |time: Duration| time.as_secs_f64() / years / replicas;
        format!(
            "{name:<12} dead {:>9.0} s, none {:>9.0} s, {:>8.0} fetches a year, at most {} in a day ({years:.2} years)",
            seconds(self.dead),
            seconds(self.none),
            self.fetches as f64 / years,
            self.most_in_a_day
        )
    }
}

/// A fleet of another kind under way.
struct Others {
    world: Arc<World>,
    store: Arc<SharedStore>,
    wechat: Arc<WeChat>,
    fleet: Fleet,
    figures: Arc<Mutex<Figures>>,
}

impl Others {
    /// Calls one worker as the oracle calls the broker's replicas.
    fn call(&self, worker: &Arc<Worker>, callers: &mut JoinSet<()>) {
        let (world, wechat) = (Arc::clone(&self.world), Arc::clone(&self.wechat));
        let (worker, figures) = (Arc::clone(worker), Arc::clone(&self.figures));
        callers.spawn(async move {
            loop {
                let (pause, reports) = world.dice(|dice| {
                    let pause = dice.between(Duration::from_millis(1), 20 * MINUTE / 60);
                    (pause, dice.chance(0.5))
                });
                tokio::time::sleep(pause).await;
                worker.gate.passed().await;
                let Some(token) = worker.token().await else {
                    lock(&figures).none += pause;
                    continue;
                };
                let now = world.now();
                if wechat.answers() && wechat.dies_at(&token).is_some_and(|at| now >= at) {
                    lock(&figures).dead += pause;
                    if reports {
                        worker.report(&token).await;
                    }
                }
            }
        });
    }

    async fn strike(&self, fault: Fault) {
        let sleep = tokio::time::sleep;
        let reached = async |stage| {
            let reached = self.world.reached(stage);
            tokio::time::timeout(90 * MINUTE, reached).await.ok()
        };
        let stop = async |worker: usize, time: Duration| {
            self.fleet.workers[worker].gate.stop();
            sleep(time).await;
            self.fleet.workers[worker].gate.go_on();
        };
        match fault {
            // A worker keeps nothing, so that a crash is a stop of which it knows nothing afterwards.
            Fault::Crash(worker) => stop(worker, MINUTE / 6).await,
            Fault::Stop(worker, time) => stop(worker, time).await,
            Fault::CrashAt(stage) => {
                if let Some(worker) = reached(stage).await {
                    stop(worker, MINUTE / 6).await;
                }
            }
            Fault::StopAt(stage, time) => {
                if let Some(worker) = reached(stage).await {
                    stop(worker, time).await;
                }
            }
            Fault::Link(worker, link, time) => {
                self.store.set_link(worker, link);
                sleep(time).await;
                self.store.set_link(worker, Link::Up);
            }
            Fault::AllLinks(link, time) => {
                self.store.set_all_links(link);
                sleep(time).await;
                self.store.set_all_links(Link::Up);
            }
            Fault::Weather(weather, time) => {
                self.wechat.set_weather(weather);
                sleep(time).await;
                self.wechat.set_weather(Weather::Fair);
            }
            Fault::Flush | Fault::Evict => self.fleet.flush(),
            Fault::FailOver(..) => self.fleet.fail_over(),
            Fault::Foreign => self.wechat.foreign_fetch(),
            // They hear no signals, ask for no confirmation, force nothing, and read no wall clock.
            Fault::SignalsLost(..)
            | Fault::Unconfirmed(_)
            | Fault::Nuisance(_)
            | Fault::WallStep(..) => {}
        }
    }

    async fn lane(&self, plan: &Plan, lane: u64) {
        for blow in plan.blows.iter().filter(|blow| blow.lane == lane) {
            let passed = self.world.now();
            tokio::time::sleep(blow.at.saturating_sub(passed)).await;
            self.strike(blow.fault).await;
        }
    }
}

/// Runs a plan with another kind of fleet.
fn others(way: Way, plan: &Plan) -> Option<Figures> {
    paused_runtime().ok()?.block_on(async {
        let world = World::new(plan.seed, false);
        let replicas = plan.setup.replicas;
        let store = SharedStore::new(Arc::clone(&world), replicas);
        let wechat = WeChat::new(Arc::clone(&world), plan.setup.mode);
        let others = Others {
            fleet: Fleet::new(way, replicas, &world, &store, &wechat)?,
            figures: Arc::default(),
            world,
            store,
            wechat,
        };
        let mut callers = JoinSet::new();
        for worker in &others.fleet.workers {
            others.call(worker, &mut callers);
        }
        let suffers = async {
            tokio::join!(
                others.lane(plan, 0),
                others.lane(plan, 1),
                others.lane(plan, 2)
            )
        };
        let _ = tokio::time::timeout(plan.lasts, suffers).await;
        tokio::time::sleep(plan.lasts.saturating_sub(others.world.now())).await;
        let figures = *lock(&others.figures);
        Some(Figures {
            lasted: others.world.now(),
            fetches: others.wechat.calls().0,
            most_in_a_day: others.wechat.most_in_a_day(),
            ..figures
        })
    })
}

/// Runs it with the broker.
fn ours(plan: &Plan) -> Figures {
    let outcome = plan.clone().silent().run();
    Figures {
        lasted: outcome.lasted,
        dead: outcome.figures.dead_time,
        none: outcome.figures.refused_time,
        fetches: outcome.fetches,
        most_in_a_day: outcome.most_in_a_day,
    }
}

/// Compares over so many histories of `lasts`, and answers ours first, then [`Way::ALL`].
fn compare(severity: Severity, histories: u64, lasts: Duration) -> Vec<Figures> {
    let mut sums = vec![Figures::default(); 1 + Way::ALL.len()];
    for seed in 0..histories {
        let plan = Plan::of(seed, Setup::TOKEN, severity, lasts);
        sums[0].add(ours(&plan));
        for (sum, way) in sums[1..].iter_mut().zip(Way::ALL) {
            sum.add(others(way, &plan).unwrap_or_default());
        }
    }
    sums
}

/// The table of `docs/reliability.md`: `SIMULATION_COMPARE` histories of three days for each severity.
#[test]
fn the_broker_beside_how_others_do_it() {
    let Some(histories) = from_environment("SIMULATION_COMPARE") else {
        return;
    };
    for severity in Severity::ALL {
        say(format_args!("{severity:?}"));
        let sums = compare(severity, histories, LASTS);
        say(format_args!("{}", sums[0].line("ours", 3)));
        for (sum, way) in sums[1..].iter().zip(Way::ALL) {
            say(format_args!("{}", sum.line(&format!("{way:?}"), 3)));
        }
    }
}

/// The baselines are what they are called: without faults each of them works, and a crash of the store shows
/// what they rest on.
#[test]
fn every_way_works_while_nothing_goes_wrong() {
    let calm = Plan {
        blows: Vec::new(),
        ..Plan::of(1, Setup::TOKEN, Severity::Benign, 5 * HOUR)
    };
    for way in [Way::SetNx, Way::Redlock, Way::DatabaseRow] {
        let figures = others(way, &calm).unwrap_or_default();
        assert_eq!(figures.dead, Duration::ZERO, "{way:?}");
        assert!((3..=4).contains(&figures.fetches), "{way:?}: {figures:?}");
    }
}
