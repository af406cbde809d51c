//! How others keep a token, for comparison: the four ways that one finds in the field, each with the care
//! that a good team takes, on the same machines, under the same faults, before the same WeChat.
//!
//! All of them cache the token in the store with a time to live a little below its life, have no second
//! copy in memory, and replace a token that a caller reports as refused, unless another worker has done so
//! already. They differ in what keeps two workers from fetching at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::ports::{Fetched, Upstream};

use super::machine::Gate;
use super::store::SharedStore;
use super::upstream::{UpstreamLink, WeChat};
use super::world::{World, lock};

/// The token is dropped so long before its end.
const MARGIN: Duration = Duration::from_secs(200);

/// For how long a lock is held at most, and how often its loser looks again, and for how long.
const LOCK: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a worker waits for the store.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// What keeps two workers from fetching at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing. With the store away, each worker fetches for itself.
    NoLock,
    /// `SET lock NX PX`, deleted afterwards, whoever holds it by then.
    SetNx,
    /// The same with an owner's mark, on a majority of servers, so that no single one loses it; what is left
    /// of its time is looked at before the write.
    Redlock,
    /// A row of a database that loses nothing, locked for as long as the transaction lives.
    DatabaseRow,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::NoLock, Self::SetNx, Self::Redlock, Self::DatabaseRow];
}

/// What they share.
#[derive(Clone, Debug, Default)]
struct Shared {
    token: Option<(String, Duration)>,
    lock: Option<(u64, Duration)>,
    /// What a server that takes over has.
    standby: Option<(String, Duration)>,
}

/// One worker.
pub(crate) struct Worker {
    number: usize,
    way: Way,
    world: Arc<World>,
    links: Arc<SharedStore>,
    shared: Arc<Mutex<Shared>>,
    upstream: UpstreamLink,
    credential: Credential,
    pub(crate) gate: Arc<Gate>,
}

/// The workers of a fleet, and what can happen to their store.
pub(crate) struct Fleet {
    pub(crate) workers: Vec<Arc<Worker>>,
    shared: Arc<Mutex<Shared>>,
    way: Way,
}

impl Fleet {
    pub(crate) fn new(
        way: Way,
        replicas: usize,
        world: &Arc<World>,
        links: &Arc<SharedStore>,
        wechat: &Arc<WeChat>,
    ) -> Option<Self> {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let app = AppId::parse("wx1").ok()?;
        let worker = |number| {
            let gate = Arc::new(Gate::default());
            Arc::new(Worker {
                number,
                way,
                world: Arc::clone(world),
                links: Arc::clone(links),
                shared: Arc::clone(&shared),
                upstream: UpstreamLink {
                    replica: number,
                    wechat: Arc::clone(wechat),
                    gate: Arc::clone(&gate),
                },
                credential: Credential::access_token(app.clone(), Mode::Token),
                gate,
            })
        };
        Some(Self {
            workers: (0..replicas).map(worker).collect(),
            shared,
            way,
        })
    }

    /// The store loses everything, or the token alone. A database does not, and a majority keeps its locks.
    pub(crate) fn flush(&self) {
        let mut shared = lock(&self.shared);
        match self.way {
            Way::DatabaseRow => {}
            Way::Redlock => shared.token = None,
            Way::NoLock | Way::SetNx => *shared = Shared::default(),
        }
    }

    /// Another server takes over that lacks the latest writes.
    pub(crate) fn fail_over(&self) {
        let mut shared = lock(&self.shared);
        match self.way {
            Way::DatabaseRow => {}
            Way::Redlock => shared.token = shared.standby.clone(),
            Way::NoLock | Way::SetNx => {
                shared.token = shared.standby.clone();
                shared.lock = None;
            }
        }
    }
}

impl Worker {
    /// The token for a caller; `None` = there is none to be had.
    pub(crate) async fn token(&self) -> Option<String> {
        self.gate.passed().await;
        match self.stored().await {
            Ok(Some(token)) => Some(token),
            Ok(None) => self.refresh(None).await,
            // A cache that cannot be asked is a cache that is passed by.
            Err(()) if self.way == Way::NoLock => self.fetch().await.map(|(token, _)| token),
            Err(()) => None,
        }
    }

    /// A caller was refused with this token.
    pub(crate) async fn report(&self, refused: &str) {
        if let Ok(stored) = self.stored().await
            && stored.as_deref().is_none_or(|stored| stored == refused)
        {
            let _ = self.refresh(Some(refused)).await;
        }
    }

    async fn stored(&self) -> Result<Option<String>, ()> {
        let now = self.world.now();
        let live = move |shared: &mut Shared| {
            let token = shared.token.clone();
            token
                .filter(|(_, until)| now < *until)
                .map(|(token, _)| token)
        };
        self.ask(live).await
    }

    /// Fetches, where nobody else does, and stores what came.
    async fn refresh(&self, refused: Option<&str>) -> Option<String> {
        let mark = self.world.dice(super::world::Dice::roll);
        let begun = self.world.now();
        if self.way != Way::NoLock {
            loop {
                match self.lock(mark).await {
                    Ok(true) => break,
                    Ok(false) if self.world.now() < begun + PATIENCE => {}
                    Ok(false) | Err(()) => return None,
                }
                tokio::time::sleep(POLL).await;
                self.gate.passed().await;
                // The second look: whoever held the lock has stored one.
                if let Ok(Some(token)) = self.stored().await
                    && Some(token.as_str()) != refused
                {
                    return Some(token);
                }
            }
        }
        let locked = self.world.now();
        let fetched = self.fetch().await;
        let late = self.world.now() > locked + LOCK;
        if let Some((token, life)) = &fetched
            && !(self.way == Way::Redlock && late)
        {
            let until = self.world.now() + life.saturating_sub(MARGIN);
            let token = token.clone();
            let owns = self.way == Way::DatabaseRow;
            let _ = self
                .ask(move |shared| {
                    // A transaction whose connection was given up is rolled back.
                    if owns && shared.lock.is_none_or(|(holder, _)| holder != mark) {
                        return;
                    }
                    shared.standby = shared.token.take();
                    shared.token = Some((token, until));
                })
                .await;
        }
        let any = self.way == Way::SetNx;
        let _ = self
            .ask(move |shared| {
                shared.lock.take_if(|(holder, _)| any || *holder == mark);
            })
            .await;
        fetched.map(|(token, _)| token)
    }

    async fn lock(&self, mark: u64) -> Result<bool, ()> {
        let now = self.world.now();
        let take = move |shared: &mut Shared| {
            if shared.lock.is_some_and(|(_, until)| now < until) {
                return false;
            }
            shared.lock = Some((mark, now + LOCK));
            true
        };
        self.ask(take).await
    }

    async fn fetch(&self) -> Option<(String, Duration)> {
        match self.upstream.fetch(&self.credential, false).await {
            Fetched::Granted { value, life, .. } => Some((value.expose().to_owned(), life)),
            Fetched::Refused(_) | Fetched::NotSent(_) | Fetched::Ambiguous(_) => None,
        }
    }

    /// Has the store do something; it may happen though no answer comes.
    async fn ask<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> Result<T, ()> {
        self.gate.passed().await;
        let fate = self.links.fate(self.number, false).ok_or(())?;
        tokio::time::sleep(fate.there.min(REPLY_TIMEOUT)).await;
        let answer = fate.arrives.then(|| act(&mut lock(&self.shared)));
        let slow = fate.there >= REPLY_TIMEOUT;
        if slow || !fate.arrives || !fate.answered {
            tokio::time::sleep(REPLY_TIMEOUT).await;
            return Err(());
        }
        tokio::time::sleep(fate.back).await;
        self.gate.passed().await;
        answer.ok_or(())
    }
}
