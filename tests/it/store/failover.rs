//! A server dies or hands over while calls go on: the store answers again within a bound, no epoch is handed
//! out twice, and what is read is what was written. How long it took is told with `--nocapture`.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, block_in_place};
use tokio_util::sync::CancellationToken;

use token_broker::adapters::redis::{RedisSettings, RedisStore};
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::{Epoch, Nonce};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Attempt, Begun};
use token_broker::ports::{Signal, Store as _, StoreError, Subject};

use super::everywhere::patient;
use super::sample::{begin, refresh, secs, settings, subject};
use super::signals::Listener;
use crate::support::cluster::Cluster;
use crate::support::sentinel::Watched;
use crate::support::timed::timed;

/// How long the store may be away. The servers take 1.5 s to believe in a death, and a second or two to
/// agree on who comes next.
const BOUND: Duration = secs(15);

/// How many credentials are leased and read all the while.
const EACH: usize = 12;

/// Calls that go on.
struct Traffic {
    store: Arc<RedisStore>,
    stop: CancellationToken,
    leasing: JoinHandle<Seen>,
    reading: JoinHandle<Seen>,
}

/// What the calls saw.
struct Seen {
    answered: usize,
    away: usize,
    longest_gap: Duration,
}

struct Watch {
    seen: Seen,
    last: Instant,
}

impl Watch {
    fn start() -> Self {
        Self {
            seen: Seen {
                answered: 0,
                away: 0,
                longest_gap: Duration::ZERO,
            },
            last: Instant::now(),
        }
    }

    fn saw<T>(&mut self, answer: Result<T, StoreError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.seen.answered += 1;
                self.seen.longest_gap = self.seen.longest_gap.max(self.last.elapsed());
                self.last = Instant::now();
                Some(answer)
            }
            Err(StoreError::Away(_)) => {
                self.seen.away += 1;
                None
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// With the time-outs of a broker that notices soon.
fn brisk(url: &str) -> RedisSettings {
    RedisSettings {
        connect_timeout: secs(1),
        reply_timeout: secs(1),
        ..settings(url)
    }
}

impl Traffic {
    /// Stores grants to be read, and lets the calls begin.
    async fn start(url: &str) -> Self {
        let store = RedisStore::new(&patient(url)).unwrap();
        let mut held = Vec::new();
        for _ in 0..EACH {
            let of = subject(Mode::Token);
            let grant = refresh(&store, &of, 1).await;
            held.push((of, grant));
        }
        // Every grant is on a second machine once a later lease is confirmed.
        for _ in 0..EACH {
            let of = subject(Mode::Token);
            let answer = store.begin(&of, &begin(1)).await.unwrap().answer;
            assert!(answer.confirmed, "{answer:?}");
        }
        let store = Arc::new(RedisStore::new(&brisk(url)).unwrap());
        let stop = CancellationToken::new();
        Self {
            leasing: tokio::spawn(lease(Arc::clone(&store), stop.clone())),
            reading: tokio::spawn(read(Arc::clone(&store), held, stop.clone())),
            store,
            stop,
        }
    }

    /// Hears what the store that makes the calls has heard.
    fn listener(&self) -> Listener {
        Listener::to(self.store.signals())
    }

    /// Lets the calls go on for a while, ends them, and judges what they saw.
    async fn end(self, what: &str, begun: Instant) {
        tokio::time::sleep(secs(2)).await;
        self.stop.cancel();
        for (calls, task) in [("leases", self.leasing), ("reads", self.reading)] {
            let seen = task.await.expect("the calls saw nothing wrong");
            let (gap, took) = (seen.longest_gap, begun.elapsed());
            let _ = writeln!(
                std::io::stderr(),
                "{what}: {calls} stood still for {gap:.1?} of {took:.1?}; {} answered, {} away",
                seen.answered,
                seen.away
            );
            assert!(seen.answered > 20 && gap < BOUND, "{what}: {calls} {gap:?}");
        }
    }
}

/// Takes leases and gives them back, one credential after the other.
async fn lease(store: Arc<RedisStore>, stop: CancellationToken) -> Seen {
    let subjects: Vec<_> = (0..EACH).map(|_| short_lease()).collect();
    let mut handed_out: Vec<HashSet<Epoch>> = vec![HashSet::new(); EACH];
    let mut watch = Watch::start();
    for nonce in 1.. {
        let index = nonce as usize % EACH;
        let answer = store.begin(&subjects[index], &begin(nonce)).await;
        if let Some(answer) = watch.saw(answer)
            && let Begun::Granted(permit) = answer.answer.begun
        {
            let is_new = handed_out[index].insert(permit.epoch);
            assert!(is_new, "{:?} was handed out twice", permit.epoch);
            let attempt = Attempt {
                epoch: permit.epoch,
                nonce: Nonce(nonce),
            };
            let _ = store.release(&subjects[index], &attempt).await;
        }
        if stop.is_cancelled() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.seen
}

/// One whose lease is over soon when its release was lost, and whose budget outlives the test.
fn short_lease() -> Subject {
    let mut of = subject(Mode::Token);
    let rules = Arc::make_mut(&mut of.rules);
    rules.lease = Duration::from_millis(500);
    rules.budget.burst = 10_000;
    of
}

/// Reads grants that do not change.
async fn read(
    store: Arc<RedisStore>,
    held: Vec<(Subject, Grant)>,
    stop: CancellationToken,
) -> Seen {
    let of: Vec<_> = held.iter().map(|(of, _)| of).collect();
    let mut watch = Watch::start();
    while !stop.is_cancelled() {
        let whole = store.read(&of).await.and_then(|records| {
            let mut grants = Vec::new();
            for record in records {
                grants.push(record?.answer.grant);
            }
            Ok(grants)
        });
        if let Some(grants) = watch.saw(whole) {
            let expected: Vec<_> = held.iter().map(|(_, grant)| Some(grant.clone())).collect();
            assert_eq!(grants, expected);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.seen
}

/// Waits until the listener says that what it hears may have a gap.
async fn tells_of_a_gap(listener: &mut Listener) {
    assert!(listener.hears(&Signal::Reconnected, BOUND).await);
}

#[test]
fn a_master_under_sentinels_is_killed() {
    timed(async || {
        let mut watched = Watched::start();
        let traffic = Traffic::start(&watched.url()).await;
        let mut listener = traffic.listener();
        tokio::time::sleep(secs(1)).await;

        let begun = Instant::now();
        let port = watched.master().port();
        watched.master().kill();
        block_in_place(|| watched.wait_for_takeover(port));

        tells_of_a_gap(&mut listener).await;
        traffic.end("killed under Sentinels", begun).await;
    });
}

#[test]
fn a_master_under_sentinels_hands_over() {
    timed(async || {
        let mut watched = Watched::start();
        let traffic = Traffic::start(&watched.url()).await;
        let mut listener = traffic.listener();
        tokio::time::sleep(secs(1)).await;

        let begun = Instant::now();
        block_in_place(|| watched.hand_over());

        tells_of_a_gap(&mut listener).await;
        traffic.end("handed over under Sentinels", begun).await;
    });
}

#[test]
fn a_master_of_a_cluster_is_killed_and_another_hands_over() {
    timed(async || {
        let mut cluster = Cluster::start();
        let traffic = Traffic::start(&cluster.url()).await;
        let mut listener = traffic.listener();
        tokio::time::sleep(secs(1)).await;

        let begun = Instant::now();
        cluster.fail_over(1);
        block_in_place(|| cluster.wait_for_takeover(1));
        tells_of_a_gap(&mut listener).await;
        traffic.end("handed over in a cluster", begun).await;

        let traffic = Traffic::start(&cluster.url()).await;
        let mut listener = traffic.listener();
        tokio::time::sleep(secs(1)).await;
        let begun = Instant::now();
        cluster.master(2).kill();
        block_in_place(|| cluster.wait_for_takeover(2));
        tells_of_a_gap(&mut listener).await;
        traffic.end("killed in a cluster", begun).await;
    });
}

#[test]
fn slots_move_through_a_cluster_while_calls_go_on() {
    timed(async || {
        let cluster = Cluster::start();
        let store = RedisStore::new(&patient(&cluster.url())).unwrap();
        let of = subject(Mode::Token);
        let grant = refresh(&store, &of, 1).await;
        let traffic = Traffic::start(&cluster.url()).await;
        let begun = Instant::now();

        let key = format!("{{{}}}", of.credential.app);
        let (mut at, slot) = cluster.slot_of(&key);
        for _ in 0..12 {
            let next = (at + 1) % cluster.masters().len();
            block_in_place(|| cluster.move_slot(slot, at, next));
            at = next;
            let answer = store.begin(&of, &begin(2)).await.unwrap().answer.begun;
            assert_eq!(answer, Begun::Fresh(grant.clone()));
        }

        traffic.end("a slot moved twelve times", begun).await;
    });
}
