//! One replica: the real write and read flows on a machine that crashes, stops and starts again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_broker::app_secrets::AppSecrets;
use token_broker::broker::Broker;
use token_broker::domain::credential::Credential;
use token_broker::domain::replica::Replica;
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::Secret;
use token_broker::follower::{Follower, NAP};
use token_broker::metrics::Metrics;
use token_broker::ports::{Chance, Clock, Subject};
use token_broker::refresher::Refresher;
use token_broker::scheduler::Scheduler;
use token_broker::snapshot::{SlotId, snapshot};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::machine::{Gate, MachineClock, WorldChance};
use super::store::SharedStore;
use super::store_link::StoreLink;
use super::upstream::{UpstreamLink, WeChat};
use super::world::{World, lock};

/// How long a request may wait for a first grant.
pub(crate) const COLD_WAIT: Duration = Duration::from_secs(3);

/// A machine and the broker's process on it, while there is one.
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) clock: Arc<MachineClock>,
    pub(crate) gate: Arc<Gate>,
    /// The follower's sleep: where a machine was suspended, the rest of it is still slept afterwards.
    sleep: Arc<Gate>,
    world: Arc<World>,
    store: Arc<SharedStore>,
    wechat: Arc<WeChat>,
    subject: Subject,
    nap: Duration,
    /// Nobody reads them, and they take longer to make than everything else that starts with a process.
    metrics: Arc<Metrics>,
    process: Mutex<Option<Process>>,
}

struct Process {
    broker: Broker,
    id: SlotId,
    /// Its loops and the requests it is answering: gone when this is dropped.
    tasks: JoinSet<()>,
    starts: u64,
}

impl Node {
    pub(crate) fn new(
        number: usize,
        world: &Arc<World>,
        store: &Arc<SharedStore>,
        wechat: &Arc<WeChat>,
        credential: Credential,
        rules: Rules,
        nap: Duration,
    ) -> Arc<Self> {
        let shift = |dice: &mut super::world::Dice, most: u64| {
            i64::try_from(dice.below(2 * most)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
        };
        // Machines were booted at different times; their wall clocks are a few seconds apart.
        let (boot, wall) = world.dice(|dice| (shift(dice, 90_000_000), shift(dice, 3000)));
        Arc::new(Self {
            number,
            clock: Arc::new(MachineClock::new(Arc::clone(world), boot, wall)),
            gate: Arc::new(Gate::default()),
            sleep: Arc::new(Gate::default()),
            world: Arc::clone(world),
            store: Arc::clone(store),
            wechat: Arc::clone(wechat),
            subject: Subject {
                credential,
                rules: Arc::new(rules),
            },
            nap,
            metrics: Arc::default(),
            process: Mutex::new(None),
        })
    }

    /// Starts a process with an empty memory, as `app` does it.
    pub(crate) fn start(&self) {
        self.crash();
        let chance = Arc::new(WorldChance(Arc::clone(&self.world)));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let app = self.subject.credential.app.clone();
        let (publisher, reader, changes) = snapshot(Arc::clone(&clock));
        self.wechat.forget(self.number);
        publisher.configure(vec![self.subject.clone()], |subject| {
            Replica::new(Arc::clone(&subject.rules), true, chance.unit())
                .in_phase(subject.credential.phase())
        });
        let refresher = Arc::new(Refresher {
            store: Arc::new(StoreLink {
                replica: self.number,
                store: Arc::clone(&self.store),
                gate: Arc::clone(&self.gate),
            }),
            upstream: Arc::new(UpstreamLink {
                replica: self.number,
                wechat: Arc::clone(&self.wechat),
                gate: Arc::clone(&self.gate),
            }),
            clock: Arc::clone(&clock),
            chance,
            publisher,
            metrics: Arc::clone(&self.metrics),
            recheck: Arc::new(Notify::new()),
            secrets: Arc::new(AppSecrets::new([(app.clone(), Secret::new("s"))])),
        });
        let (scheduler, desk) = Scheduler::new(Arc::clone(&refresher), changes, 64);
        let mut scheduler = scheduler.napping(self.nap);
        let broker = Broker::new(reader, desk, clock, COLD_WAIT);
        let Some(id) = broker.find(app.as_str()) else {
            self.world.violation(format_args!("the app is not found"));
            return;
        };
        let channel = mpsc::channel(4096);
        self.store.subscribe(self.number, channel.0.clone());
        let mut follower = Follower::new(refresher, channel).napping(self.nap.max(NAP));
        let mut tasks = JoinSet::new();
        let (gate, sleep) = (Arc::clone(&self.gate), Arc::clone(&self.sleep));
        tasks.spawn(async move {
            let stop = CancellationToken::new();
            gate.guard(sleep.guard(follower.run(&stop))).await;
        });
        let gate = Arc::clone(&self.gate);
        tasks.spawn(async move {
            gate.guard(scheduler.run(&CancellationToken::new())).await;
        });
        self.gate.go_on();
        self.world.log(format_args!("r{} starts", self.number));
        *lock(&self.process) = Some(Process {
            broker,
            id,
            tasks,
            starts: self.world.dice(super::world::Dice::roll),
        });
    }

    /// Ends the process where it stands. What it sent is under way.
    pub(crate) fn crash(&self) {
        if lock(&self.process).take().is_some() {
            self.world.log(format_args!("r{} crashes", self.number));
        }
    }

    /// Stops the process; time goes on.
    pub(crate) fn stop(&self) {
        self.world.log(format_args!("r{} is stopped", self.number));
        self.gate.stop();
    }

    /// Lets the process go on.
    pub(crate) fn go_on(&self) {
        self.world.log(format_args!("r{} goes on", self.number));
        self.gate.go_on();
    }

    /// The machine wakes after it was suspended: timers go on where they stood, so that the follower
    /// sleeps on for half a minute.
    pub(crate) async fn wake(&self) {
        self.sleep.stop();
        self.go_on();
        tokio::time::sleep(Duration::from_secs(30)).await;
        self.sleep.go_on();
    }

    /// The broker, the app in it, and which process it is; where one is running.
    pub(crate) fn broker(&self) -> Option<(Broker, SlotId, u64)> {
        if self.gate.is_stopped() {
            return None;
        }
        lock(&self.process)
            .as_ref()
            .map(|process| (process.broker.clone(), process.id, process.starts))
    }

    /// Which process it is, also one that is stopped; 0 where there is none.
    pub(crate) fn process(&self) -> u64 {
        lock(&self.process)
            .as_ref()
            .map_or(0, |process| process.starts)
    }

    /// Has the process answer a request.
    pub(crate) fn serve(&self, request: impl Future<Output = ()> + Send + 'static) {
        let gate = Arc::clone(&self.gate);
        if let Some(process) = lock(&self.process).as_mut() {
            while process.tasks.try_join_next().is_some() {}
            process
                .tasks
                .spawn(async move { gate.guard(request).await });
        }
    }
}
