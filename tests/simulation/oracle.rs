//! The oracle: callers of every replica, and what they must never see.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_broker::broker::{Broker, Refusal, Served};
use token_broker::domain::epoch::Version;
use token_broker::domain::replica::View;
use token_broker::domain::time::Moment;
use token_broker::refresher::ReportVerdict;
use token_broker::snapshot::SlotId;

use super::history::Setup;
use super::replica::{COLD_WAIT, Node};
use super::store::{Link, SharedStore};
use super::upstream::WeChat;
use super::world::{World, lock};

/// A refusal is not blamed on a replica that could not have known better for so long.
const SETTLED: Duration = Duration::from_secs(10);

/// What callers of a replica must find in this history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// For how long a dead token may be served, at most, counted from its death or from the end of
    /// `blind`.
    pub(crate) dead_for: Duration,
    /// Until when whoever could find the death is kept from it.
    pub(crate) blind_until: Duration,
    /// Whether refusals are looked into.
    pub(crate) refusals: bool,
    /// Every replica must serve a live token: nothing was wrong for long.
    pub(crate) must_serve: bool,
}

/// What callers do beside reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callers {
    /// The longest time between two requests, and the same once whatever happened has shown itself.
    pub(crate) every: Duration,
    pub(crate) idle: Duration,
    /// How often a request that got a dead token reports it.
    pub(crate) reports: f64,
    /// How often a good token is reported, or a new one is forced.
    pub(crate) nuisance: f64,
}

/// What one replica has told.
#[derive(Clone, Debug, Default)]
struct Told {
    process: u64,
    version: Version,
    value: String,
    /// Since when nothing kept it from its work: it ran, and the store was there.
    able: bool,
    able_since: Duration,
    runs: bool,
    running_since: Duration,
    /// Since when it could hear of this version's death: it stood still, or was away from the store, until then,
    /// and knew of no such version, or of one that was over by its own clocks.
    heard_since: Duration,
    /// What it holds was over by its own clocks when it was asked last: nothing was left to be checked.
    over: bool,
    /// How long nobody had called before the call under way, or nothing had happened.
    pause: Duration,
}

/// Figures of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The longest that a dead token was served.
    pub(crate) dead_for: Duration,
    /// Answers with a token, and refusals.
    pub(crate) served: u64,
    pub(crate) refused: u64,
    /// Reports that callers made.
    pub(crate) reports: u64,
    /// Over all replicas, the time for which a caller would have got a dead token, or none.
    pub(crate) dead_time: Duration,
    pub(crate) refused_time: Duration,
}

/// Watches a history.
pub(crate) struct Oracle {
    pub(crate) world: Arc<World>,
    store: Arc<SharedStore>,
    wechat: Arc<WeChat>,
    promise: Mutex<Promise>,
    callers: Mutex<Callers>,
    told: Vec<Mutex<Told>>,
    figures: Mutex<Figures>,
}

impl Oracle {
    pub(crate) fn new(
        world: &Arc<World>,
        store: &Arc<SharedStore>,
        wechat: &Arc<WeChat>,
        setup: &Setup,
    ) -> Arc<Self> {
        let every = Duration::from_secs(20);
        Arc::new(Self {
            world: Arc::clone(world),
            store: Arc::clone(store),
            wechat: Arc::clone(wechat),
            promise: Mutex::new(Promise {
                dead_for: Duration::ZERO,
                blind_until: Duration::ZERO,
                refusals: true,
                must_serve: false,
            }),
            callers: Mutex::new(Callers {
                every,
                idle: setup.idle.max(every),
                reports: 0.5,
                nuisance: 0.0,
            }),
            told: (0..setup.replicas).map(|_| Mutex::default()).collect(),
            figures: Mutex::default(),
        })
    }

    pub(crate) fn promise(&self, change: impl FnOnce(&mut Promise)) {
        change(&mut lock(&self.promise));
    }

    pub(crate) fn callers(&self, change: impl FnOnce(&mut Callers)) {
        change(&mut lock(&self.callers));
    }

    pub(crate) fn figures(&self) -> Figures {
        *lock(&self.figures)
    }

    /// Calls one replica for as long as the history lasts.
    pub(crate) async fn call(self: Arc<Self>, node: Arc<Node>) {
        loop {
            let pause = self.rest().await;
            let nuisance = lock(&self.callers).nuisance;
            let (waits, nuisance, forces) = self
                .world
                .dice(|dice| (dice.chance(0.05), dice.chance(nuisance), dice.chance(0.3)));
            lock(&self.told[node.number]).pause = pause;
            self.follow(&node);
            let Some((broker, id, process)) = node.broker() else {
                continue;
            };
            let at_once = broker.at_once(id).filter(|_| !waits);
            if nuisance {
                self.annoy(&node, broker, id, forces);
            } else if let Some(served) = at_once {
                self.judge(&node, process, &broker, id, Ok(served));
            } else {
                let (oracle, asked) = (Arc::clone(&self), Arc::clone(&node));
                node.serve(async move {
                    let since = oracle.world.now();
                    let answer = broker.token(id).await;
                    // Who waited out that the process stood still has gone, and is refused by what was known before.
                    let waited = oracle.world.now() - since;
                    if answer.is_ok() || waited < COLD_WAIT + SETTLED {
                        oracle.judge(&asked, process, &broker, id, answer);
                    }
                });
            }
        }
    }

    /// Waits until it is time for the next request. Answers for how long, at most, the replica has answered
    /// otherwise than the request before found: callers who rest are roused by whatever happens.
    async fn rest(&self) -> Duration {
        let callers = *lock(&self.callers);
        if self.world.is_calm() {
            let pause = self.world.pause(callers.idle, false);
            let slept = tokio::time::timeout(pause, self.world.stirred()).await;
            if slept.is_err() {
                return pause;
            }
        }
        let pause = self.world.pause(callers.every, true);
        tokio::time::sleep(pause).await;
        pause
    }

    /// Keeps up with what a replica may be blamed for.
    fn follow(&self, node: &Node) {
        let now = self.world.now();
        let mut told = lock(&self.told[node.number]);
        let process = node.process();
        if process != told.process {
            *told = Told {
                process,
                pause: told.pause,
                running_since: now,
                able_since: now,
                ..Told::default()
            };
        }
        let runs = !node.gate.is_stopped();
        let able = runs && self.store.link(node.number) == Link::Up;
        // Since when, at the latest: it may have come to be so a moment ago.
        if !(std::mem::replace(&mut told.runs, runs) && runs) {
            told.running_since = now;
        }
        if !(std::mem::replace(&mut told.able, able) && able) {
            told.able_since = now;
        }
    }

    fn annoy(self: &Arc<Self>, node: &Arc<Node>, broker: Broker, id: SlotId, forces: bool) {
        let world = Arc::clone(&self.world);
        let number = node.number;
        node.serve(async move {
            if forces {
                let end = broker.refresh(id).await.map(|served| served.grant.version);
                world.log(format_args!("r{number} forced refresh {end:?}"));
            } else if let Some(served) = broker.at_once(id) {
                let reported = broker.report(id, served.grant.digest).await;
                world.log(format_args!("r{number} report {:?}", reported.verdict));
            }
        });
    }

    fn judge(
        self: &Arc<Self>,
        node: &Arc<Node>,
        process: u64,
        broker: &Broker,
        id: SlotId,
        answer: Result<Served, Refusal>,
    ) {
        match answer {
            Ok(served) => self.judge_served(node, process, broker, id, &served),
            Err(refusal) => self.judge_refusal(node, &broker.view(id), broker.now(), refusal),
        }
    }

    fn judge_served(
        self: &Arc<Self>,
        node: &Arc<Node>,
        process: u64,
        broker: &Broker,
        id: SlotId,
        served: &Served,
    ) {
        let (now, number) = (self.world.now(), node.number);
        let value = served.grant.value.expose();
        let version = served.grant.version;
        lock(&self.figures).served += 1;
        let heard_since = {
            let mut told = lock(&self.told[number]);
            if told.process == process {
                if version < told.version {
                    self.world.violation(format_args!(
                        "r{number} went backwards from {} to {version}",
                        told.version
                    ));
                }
                if std::mem::take(&mut told.over) || version != told.version {
                    told.heard_since = told.able_since;
                }
                told.version = version;
                value.clone_into(&mut told.value);
            }
            told.heard_since
        };
        let Some(dies_at) = self.wechat.dies_at(value) else {
            self.world
                .violation(format_args!("r{number} serves what was never issued"));
            return;
        };
        let promise = *lock(&self.promise);
        if served.expires_in < Duration::from_secs(1) {
            self.world
                .violation(format_args!("r{number} says expires_in 0"));
        }
        if now < dies_at {
            return;
        }
        let from = dies_at.max(promise.blind_until).max(heard_since);
        let dead_for = now - from.min(now);
        let unvouched = !broker.view(id).is_vouched(broker.now());
        self.world.log(format_args!(
            "r{number} serves dead {value}, dead since {dies_at:?}, unvouched {unvouched}"
        ));
        let mut figures = lock(&self.figures);
        figures.dead_for = figures.dead_for.max(dead_for);
        if self.wechat.answers() {
            figures.dead_time += lock(&self.told[number]).pause;
        }
        drop(figures);
        if dead_for > promise.dead_for && !unvouched || promise.must_serve {
            self.world.violation(format_args!(
                "r{number} serves {value}, {:.1} s after its death ({:.1} s are allowed)",
                dead_for.as_secs_f64(),
                promise.dead_for.as_secs_f64()
            ));
        }
        let reports = lock(&self.callers).reports;
        if self.world.dice(|dice| dice.chance(reports)) {
            lock(&self.figures).reports += 1;
            let (broker, digest) = (broker.clone(), served.grant.digest);
            let (this, node_of) = (Arc::clone(self), Arc::clone(node));
            // Half of them are calls of the broker's own.
            let own = self.world.dice(|dice| dice.chance(0.5));
            node.serve(async move {
                let reported = if own {
                    broker.saw_refused(id, digest).await
                } else {
                    broker.report(id, digest).await
                };
                this.judge_report(&node_of, own, reported.verdict);
            });
        }
    }

    /// What was said of a report that a dead token was refused.
    fn judge_report(&self, node: &Node, own: bool, verdict: ReportVerdict) {
        let number = node.number;
        let whose = if own { "own" } else { "told" };
        self.world.log(format_args!(
            "r{number} {whose} report of a dead token: {verdict:?}"
        ));
        if own && verdict == ReportVerdict::StillValid {
            self.world.violation(format_args!(
                "r{number} saw a dead token refused, and says that WeChat accepts it"
            ));
        }
    }

    fn judge_refusal(&self, node: &Node, view: &View, moment: Moment, refusal: Refusal) {
        let (now, number) = (self.world.now(), node.number);
        let pause = lock(&self.told[number]).pause;
        {
            let mut figures = lock(&self.figures);
            figures.refused += 1;
            figures.refused_time += pause;
        }
        self.world
            .log(format_args!("r{number} refuses {refusal:?}"));
        let promise = *lock(&self.promise);
        if promise.must_serve {
            self.world.violation(format_args!(
                "r{number} refuses, and nothing is wrong: {refusal:?}"
            ));
        }
        // Its wall clock was set forward: until the store is read again, or WeChat has answered a check, the token
        // may have expired, or the machine may have slept.
        let slept = !view.may_answer(moment) && moment.boot < view.answer_until.boot;
        let over = view.grant.is_some() && view.servable(moment).is_none();
        lock(&self.told[number]).over = over;
        let stepped = over || view.grant.is_some() && slept;
        if !promise.refusals || stepped {
            return;
        }
        let told = lock(&self.told[number]).clone();
        let alive = |value: &str| {
            let dies_at = self.wechat.dies_at(value);
            dies_at.is_some_and(|at| at > now + Duration::from_secs(70))
        };
        // Below what it knows to have been published it must not go, whether that lives or not.
        let outdone = view
            .reading
            .as_ref()
            .is_some_and(|reading| reading.record.state.version > told.version)
            || self.wechat.has_given_later_in_vain(number, &told.value);
        if alive(&told.value) && !outdone && now > told.running_since + SETTLED {
            self.world.violation(format_args!(
                "r{number} refuses although it had the living {}: {refusal:?}",
                told.value
            ));
        }
        let record = self.store.record();
        let floor = told.version.max(self.store.given_to(number));
        let stored = record.servable().filter(|grant| {
            let value = grant.value.expose();
            grant.version >= floor && !self.wechat.has_given_later(number, value) && alive(value)
        });
        if stored.is_some()
            && now > told.able_since.max(self.store.granted_at()) + SETTLED + COLD_WAIT
        {
            self.world.violation(format_args!(
                "r{number} refuses although the store has a living token: {refusal:?}"
            ));
        }
    }

    /// Every replica that runs serves the latest token, alive.
    pub(crate) fn all_agree(&self, nodes: &[Arc<Node>]) {
        for node in nodes {
            let Some((broker, id, _)) = node.broker() else {
                continue;
            };
            let number = node.number;
            match broker.at_once(id) {
                None => self
                    .world
                    .violation(format_args!("r{number} serves nothing in the end")),
                Some(served) if !self.wechat.is_latest(served.grant.value.expose()) => {
                    self.world.violation(format_args!(
                        "r{number} does not serve the latest token in the end"
                    ));
                }
                Some(_) => {}
            }
        }
    }
}
