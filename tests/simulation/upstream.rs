//! WeChat in a simulated history: who issued which token when, and until when each is accepted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::secret::Secret;
use token_broker::domain::upstream_error::UpstreamError;
use token_broker::fingerprint::digest_of;
use token_broker::ports::{Checked, Fetched, Upstream};
use tokio::sync::oneshot;

use super::machine::Gate;
use super::world::{Stage, World, lock, pass};

pub(crate) const LIFE: Duration = Duration::from_secs(7200);
pub(crate) const OVERLAP: Duration = Duration::from_secs(300);
/// How long a replica waits for an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// By then the token before is dead, and whoever serves it has done so for longer than it may.
const SEEN_DEAD: Duration = Duration::from_secs(OVERLAP.as_secs() + 300);

/// What happens to fetches. Checks fail alike where nothing answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All is well.
    Fair,
    /// No connection.
    Down,
    /// No answer; what was asked happened or not, by chance.
    Hangs,
    /// Fetches happen and their answers are lost.
    LosesReplies,
    /// Answers take up to a little less than the replica waits.
    Late,
    /// What was asked happens up to so long after it was sent: long after the replica gave up.
    Lingers(Duration),
    /// Fetches are answered with this error.
    Errs(i64),
    /// Fetches happen and are answered with something that is no token.
    Garbles,
}

/// One issued token.
#[derive(Clone, Debug)]
struct Issued {
    value: String,
    dies_at: Duration,
}

/// WeChat.
pub(crate) struct WeChat {
    world: Arc<World>,
    mode: Mode,
    inner: Mutex<Inner>,
}

struct Inner {
    weather: Weather,
    issued: Vec<Issued>,
    /// Which of these each replica's process got last.
    given: HashMap<usize, usize>,
    /// When each fetch of the broker's arrived, for a day.
    fetches: VecDeque<Duration>,
    forced: VecDeque<Duration>,
    most_in_a_day: usize,
    all_fetches: u64,
    checks: u64,
}

impl WeChat {
    pub(crate) fn new(world: Arc<World>, mode: Mode) -> Arc<Self> {
        Arc::new(Self {
            world,
            mode,
            inner: Mutex::new(Inner {
                weather: Weather::Fair,
                issued: Vec::new(),
                given: HashMap::new(),
                fetches: VecDeque::new(),
                forced: VecDeque::new(),
                most_in_a_day: 0,
                all_fetches: 0,
                checks: 0,
            }),
        })
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.world.log(format_args!("upstream {weather:?}"));
        lock(&self.inner).weather = weather;
    }

    fn weather(&self) -> Weather {
        lock(&self.inner).weather
    }

    /// When a token dies or died, in true time.
    pub(crate) fn dies_at(&self, value: &str) -> Option<Duration> {
        let inner = lock(&self.inner);
        let issued = inner
            .issued
            .iter()
            .rev()
            .find(|issued| issued.value == value);
        issued.map(|issued| issued.dies_at)
    }

    /// Whether anybody gets an answer: while nobody does, a dead token is as good as any.
    pub(crate) fn answers(&self) -> bool {
        !matches!(self.weather(), Weather::Down | Weather::Hangs)
    }

    /// Whether this is the latest token, or the one before while the latest may be on its way.
    pub(crate) fn is_latest(&self, value: &str) -> bool {
        let now = self.world.now();
        let inner = lock(&self.inner);
        let mut latest = inner.issued.iter().rev();
        let Some(last) = latest.next() else {
            return false;
        };
        let is_on_its_way = now + LIFE < last.dies_at + TIMEOUT;
        last.value == value || is_on_its_way && latest.next().is_some_and(|it| it.value == value)
    }

    /// A replica's process has got this token.
    fn gave(&self, replica: usize, value: &str) {
        let mut inner = lock(&self.inner);
        let position = inner.issued.iter().rposition(|it| it.value == value);
        inner.given.extend(position.map(|last| (replica, last)));
    }

    /// A replica's process is a new one, which has got nothing yet.
    pub(crate) fn forget(&self, replica: usize) {
        lock(&self.inner).given.remove(&replica);
    }

    /// Whether a replica's process has itself got a later token than this one: to one before it does not go back.
    pub(crate) fn has_given_later(&self, replica: usize, than: &str) -> bool {
        let inner = lock(&self.inner);
        let position = inner.issued.iter().rposition(|it| it.value == than);
        inner.given.get(&replica).copied() > position
    }

    /// Whether it got such a one, and something else has ended that since.
    pub(crate) fn has_given_later_in_vain(&self, replica: usize, than: &str) -> bool {
        let inner = lock(&self.inner);
        let given = inner.given.get(&replica).map(|last| &inner.issued[*last]);
        let is_dead = given.is_some_and(|given| given.dies_at <= self.world.now());
        drop(inner);
        is_dead && self.has_given_later(replica, than)
    }

    /// The most fetches that any 24 hours saw.
    pub(crate) fn most_in_a_day(&self) -> usize {
        lock(&self.inner).most_in_a_day
    }

    /// All fetches and checks that arrived.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let inner = lock(&self.inner);
        (inner.all_fetches, inner.checks)
    }

    /// Somebody else fetches with the app's secret.
    pub(crate) fn foreign_fetch(&self) {
        let fetched = self.issue(self.mode == Mode::Stable);
        self.world.log(format_args!("FOREIGN fetch {}", fetched.0));
    }

    fn arrived(&self, force: bool) {
        let now = self.world.now();
        let mut inner = lock(&self.inner);
        inner.all_fetches += 1;
        inner.fetches.push_back(now);
        while inner.fetches.front().is_some_and(|at| *at + DAY <= now) {
            inner.fetches.pop_front();
        }
        inner.most_in_a_day = inner.most_in_a_day.max(inner.fetches.len());
        if !force {
            return;
        }
        let last = inner.forced.back().copied();
        inner.forced.push_back(now);
        inner.forced.retain(|at| *at + DAY > now);
        if inner.forced.len() > 20 || last.is_some_and(|at| now < at + Duration::from_secs(30)) {
            drop(inner);
            self.world.violation(format_args!("forced too often"));
        }
    }

    /// Issues a token by the rules of the mode: its value and what is left of its life.
    fn issue(&self, force: bool) -> (String, Duration) {
        let now = self.world.now();
        let mut inner = lock(&self.inner);
        let fresh = Issued {
            value: format!("token-{}", inner.issued.len() + 1),
            dies_at: now + LIFE,
        };
        let (last, before) = match inner.issued.as_mut_slice() {
            [before @ .., last] => (Some(last), before),
            [] => (None, [].as_mut_slice()),
        };
        match (self.mode, last) {
            (Mode::Token, last) => {
                for old in before {
                    old.dies_at = old.dies_at.min(now);
                }
                if let Some(last) = last {
                    last.dies_at = last.dies_at.min(now + OVERLAP);
                }
            }
            (Mode::Stable, Some(last)) if force => last.dies_at = last.dies_at.min(now),
            (Mode::Stable, Some(last)) if last.dies_at > now + OVERLAP => {
                return (last.value.clone(), last.dies_at - now);
            }
            (Mode::Stable, _) => {}
        }
        let issued = (fresh.value.clone(), LIFE);
        inner.issued.push(fresh);
        drop(inner);
        self.world.stir(SEEN_DEAD);
        issued
    }

    /// A fetch arrives and issues a token.
    fn granted(&self, force: bool) -> Fetched {
        let (value, life) = self.issue(force);
        Fetched::Granted {
            digest: digest_of(&value),
            value: Secret::new(value),
            life,
        }
    }

    fn accepts(&self, value: &str) -> bool {
        self.dies_at(value).is_some_and(|at| self.world.now() < at)
    }
}

fn error(code: i64) -> UpstreamError {
    UpstreamError {
        code,
        message: String::from("as told"),
        rid: None,
        ip: None,
    }
}

/// One replica's way to WeChat.
pub(crate) struct UpstreamLink {
    pub(crate) replica: usize,
    pub(crate) wechat: Arc<WeChat>,
    pub(crate) gate: Arc<Gate>,
}

impl UpstreamLink {
    /// Sends a request that lives apart from its sender; `None` = no answer in time.
    async fn send<T: Send + 'static>(
        &self,
        there: Duration,
        back: Duration,
        answered: bool,
        stage: Option<(Stage, usize)>,
        act: impl FnOnce(&WeChat) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let wechat = Arc::clone(&self.wechat);
        tokio::spawn(async move {
            tokio::time::sleep(there).await;
            let result = act(&wechat);
            if let Some((stage, replica)) = stage {
                wechat.world.reach(stage, replica).await;
            }
            tokio::time::sleep(back).await;
            if answered {
                let _ = reply.send(result);
            }
        });
        let heard = async {
            match answer.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        };
        let answer = tokio::time::timeout(TIMEOUT, heard).await;
        self.gate.passed().await;
        answer.ok()
    }

    /// How long there, how long back, and whether by chance.
    fn course(&self, weather: Weather) -> (Duration, Duration, bool) {
        self.wechat.world.dice(|dice| {
            let quick = Duration::from_millis(10)..Duration::from_millis(120);
            let there = dice.between(quick.start, quick.end);
            let back = dice.between(quick.start, quick.end);
            let coin = dice.chance(0.5);
            match weather {
                Weather::Late => (
                    there,
                    dice.between(Duration::ZERO, TIMEOUT - quick.end * 2),
                    coin,
                ),
                Weather::Lingers(most) => (dice.between(there, most), back, coin),
                _ => (there, back, coin),
            }
        })
    }
}

#[async_trait]
impl Upstream for UpstreamLink {
    async fn fetch(&self, _: &Credential, force: bool) -> Fetched {
        self.wechat.world.reach(Stage::Sends, self.replica).await;
        self.gate.passed().await;
        let weather = self.wechat.weather();
        let replica = self.replica;
        if weather == Weather::Down {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.gate.passed().await;
            return Fetched::NotSent(String::from("down"));
        }
        let (there, back, coin) = self.course(weather);
        let answered = !matches!(weather, Weather::Hangs | Weather::LosesReplies);
        let act = move |wechat: &WeChat| {
            wechat.arrived(force);
            let fetched = match weather {
                Weather::Errs(code) => Fetched::Refused(error(code)),
                Weather::Hangs if !coin => Fetched::Ambiguous(String::from("nothing happened")),
                _ => wechat.granted(force),
            };
            let value = match &fetched {
                Fetched::Granted { value, .. } => value.expose(),
                _ => "nothing",
            };
            wechat
                .world
                .log(format_args!("r{replica} FETCH {value} force {force}"));
            fetched
        };
        let stage = Some((Stage::Issued, replica));
        let fetched = self.send(there, back, answered, stage, act).await;
        self.wechat.world.reach(Stage::Answered, replica).await;
        self.gate.passed().await;
        match fetched {
            Some(_) if weather == Weather::Garbles => Fetched::Ambiguous(String::from("no token")),
            Some(fetched) => {
                if let Fetched::Granted { value, .. } = &fetched {
                    self.wechat.gave(replica, value.expose());
                }
                fetched
            }
            None => Fetched::Ambiguous(String::from("no answer")),
        }
    }

    async fn fetch_ticket(&self, of: &Credential, _: &Secret) -> Fetched {
        self.fetch(of, false).await
    }

    async fn check(&self, _: &Credential, token: &Secret) -> Checked {
        self.gate.passed().await;
        let weather = self.wechat.weather();
        let replica = self.replica;
        if weather == Weather::Down {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.gate.passed().await;
            return Checked::Away(String::from("down"));
        }
        let (there, back, coin) = self.course(weather);
        let value = token.expose().to_owned();
        let act = move |wechat: &WeChat| {
            lock(&wechat.inner).checks += 1;
            let accepted = wechat.accepts(&value);
            wechat
                .world
                .log(format_args!("r{replica} check {value} {accepted}"));
            if accepted {
                Checked::Accepted
            } else {
                Checked::Refused(error(40001))
            }
        };
        if weather == Weather::Fair {
            // It changes nothing, so that nothing of it outlives whoever asks.
            let (there, back) = if !self.wechat.world.is_calm() {
                (there, back)
            } else if coin {
                (there + back, Duration::ZERO)
            } else {
                (Duration::ZERO, there + back)
            };
            pass(there).await;
            let checked = act(&self.wechat);
            pass(back).await;
            self.gate.passed().await;
            return checked;
        }
        let answered = weather != Weather::Hangs;
        match self.send(there, back, answered, None, act).await {
            Some(_) if weather == Weather::Errs(-1) => Checked::Inconclusive(error(-1)),
            Some(checked) => checked,
            None => Checked::Away(String::from("no answer")),
        }
    }
}
