//! Sealed grants where they are kept: what lies there, who may read it, and what becomes of what nobody can.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::{ReadableTable as _, TableDefinition};
use token_broker::adapters::embedded::EmbeddedStore;
use token_broker::adapters::redis::RedisStore;
use token_broker::adapters::sealed::Seals;
use token_broker::domain::credential::Mode;
use token_broker::domain::earlier::{EarlierToken, EarlierTokens};
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{
    Attempt, Begun, Commit, Committed, Judge, PutBack, PutBackAnswer,
};
use token_broker::domain::state::{Memory, Verdict};
use token_broker::ports::{SealRefusal, SealWatch, Signal, Store, StoreError, Subject};
use token_broker::sealing::{Sealing, SealingKey};

use super::equivalence::World;
use super::everywhere::patient;
use super::sample::{
    ORIGIN, begin, fixed, grant, permit, redis_store, refresh, secs, stored_grant, subject,
};
use super::signals::Listener;
use crate::support::redis::RedisServer;

/// Two keys with their ids.
pub(super) const K1: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const K2: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

#[derive(Default)]
struct Refusals(Mutex<Vec<SealRefusal>>);

impl Refusals {
    fn take(&self) -> Vec<SealRefusal> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl SealWatch for Refusals {
    fn opened(&self, _key: Option<&str>) {}

    fn refused(&self, why: SealRefusal) {
        self.0.lock().unwrap().push(why);
    }
}

pub(super) fn seals(keys: &[&str], sealing: Sealing) -> Arc<Seals> {
    sealed_and_watched(keys, sealing, Arc::new(()))
}

fn sealed_and_watched(keys: &[&str], sealing: Sealing, watch: Arc<dyn SealWatch>) -> Arc<Seals> {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| SealingKey::parse(key).unwrap())
        .collect();
    Arc::new(Seals::new("test", &keys, sealing, watch))
}

fn grant_key(of: &Subject) -> String {
    format!(
        "test:{{{}}}:access_token:{}:grant",
        of.credential.app, of.credential.mode
    )
}

/// One field of the stored grant.
fn field(server: &RedisServer, of: &Subject, name: &str) -> String {
    let reply = server.command(&["HGET", &grant_key(of), name]);
    reply.lines().nth(1).unwrap_or_default().to_owned()
}

fn with_keys(server: &RedisServer, keys: &[&str], sealing: Sealing) -> RedisStore {
    redis_store(server).sealed_by(seals(keys, sealing))
}

async fn read(store: &dyn Store, of: &Subject) -> Result<Option<Grant>, StoreError> {
    let record = store.read(&[of]).await?.pop().unwrap();
    record.map(|record| record.answer.grant)
}

#[tokio::test]
async fn what_lies_in_redis_is_sealed_and_each_replica_with_the_key_reads_it() {
    let server = RedisServer::start();
    let (old, new) = (
        with_keys(&server, &[K1, K2], Sealing::On),
        with_keys(&server, &[K2, K1], Sealing::Required),
    );
    let of = subject(Mode::Token);

    let grant = refresh(&old, &of, 1).await;

    let lies_there = server.command(&["HGETALL", &grant_key(&of)]);
    assert!(!lies_there.contains(grant.value.expose()), "{lies_there}");
    assert!(field(&server, &of, "sealed").starts_with("1.k1."));
    assert_eq!(stored_grant(&new, &of).await, Some(grant.clone()));
    let fresh = new.begin(&of, &begin(2)).await.unwrap().answer.begun;
    assert_eq!(fresh, Begun::Fresh(grant.clone()), "no fetch");
    // What a replica puts back is sealed by its own first key.
    server.command(&["DEL", &grant_key(&of)]);
    let put_back = PutBack {
        grant: grant.clone(),
        earlier: EarlierTokens::default(),
        memory: Memory {
            version: grant.version,
            ..Memory::default()
        },
    };
    let answer = new.put_back(&of, &put_back).await.unwrap().answer;
    assert_eq!(answer, PutBackAnswer::Stored);
    assert!(field(&server, &of, "sealed").starts_with("1.k2."));
    assert_eq!(stored_grant(&old, &of).await, Some(grant));
}

/// Refreshes until the list of earlier tokens holds the first one.
async fn replaced(store: &dyn Store, of: &Subject) -> Grant {
    let first = refresh(store, of, 1).await;
    let dead = Judge {
        version: first.version,
        verdict: Verdict::Refused,
        reported: false,
    };
    store.judge(of, &dead).await.unwrap();
    let permit = permit(store, of, 2).await;
    let version = Version::fetched_under(permit.epoch);
    let commit = Commit {
        attempt: Attempt {
            epoch: permit.epoch,
            nonce: Nonce(2),
        },
        grant: grant(version, 2, permit.begun_at, secs(7200)),
    };
    store.commit(of, &commit).await.unwrap();
    first
}

async fn earlier(store: &dyn Store, of: &Subject) -> Vec<EarlierToken> {
    let record = store.read(&[of]).await.unwrap().pop().unwrap();
    record.unwrap().answer.state.earlier.iter().collect()
}

#[tokio::test]
async fn nobody_who_can_write_to_redis_slips_an_earlier_token_in() {
    let server = RedisServer::start();
    let plain = redis_store(&server);
    let (on, required) = (
        with_keys(&server, &[K1], Sealing::On),
        with_keys(&server, &[K1], Sealing::Required),
    );
    let (of, other) = (subject(Mode::Token), subject(Mode::Token));
    let state = |of: &Subject| grant_key(of).replace(":grant", ":state");
    let text = |of: &Subject| {
        let reply = server.command(&["HGET", &state(of), "earlier"]);
        reply.lines().nth(1).unwrap_or_default().to_owned()
    };
    let put = |of: &Subject, text: &str| {
        server.command(&["HSET", &state(of), "earlier", text]);
    };

    let first = EarlierToken::from(&replaced(&required, &of).await);
    assert_eq!(earlier(&required, &of).await, [first]);
    let sealed = text(&of);
    assert!(sealed.starts_with("1.k1."), "{sealed}");
    assert!(!sealed.contains(&first.digest.to_string()));
    // Who has no key, or another one, knows of none, and is kept from nothing.
    assert_eq!(
        earlier(&with_keys(&server, &[K2], Sealing::Off), &other).await,
        []
    );

    let in_the_clear = EarlierToken::from(&replaced(&plain, &other).await);
    let clear = text(&other);
    assert_eq!(earlier(&on, &other).await, [in_the_clear], "from before");
    put(&of, &clear);
    assert_eq!(earlier(&required, &of).await, [], "in the clear");
    put(&other, &sealed);
    assert_eq!(earlier(&on, &other).await, [], "another app's");
    let mut changed = sealed.clone();
    changed.replace_range(60..61, if &sealed[60..61] == "x" { "y" } else { "x" });
    for damaged in [changed.as_str(), "1.k1", "x", ",", "::", &clear[..70]] {
        put(&of, damaged);
        assert_eq!(earlier(&on, &of).await, [], "{damaged}");
        assert!(stored_grant(&on, &of).await.is_some(), "the app is served");
    }
}

#[tokio::test]
async fn sealing_is_switched_on_and_off_with_a_grant_in_place() {
    let server = RedisServer::start();
    let plain = redis_store(&server);
    let (on, off) = (
        with_keys(&server, &[K1], Sealing::On),
        with_keys(&server, &[K1], Sealing::Off),
    );
    let (of, other) = (subject(Mode::Token), subject(Mode::Token));
    let in_the_clear = refresh(&plain, &of, 1).await;
    assert_eq!(stored_grant(&on, &of).await, Some(in_the_clear));
    let sealed = refresh(&on, &other, 2).await;
    assert_eq!(stored_grant(&off, &other).await, Some(sealed));

    // The next commit of each writes over what the other way left.
    for (store, name, gone) in [(&on, "sealed", "value"), (&off, "value", "sealed")] {
        server.command(&["HSET", &grant_key(&of), "expires_at", "1800000000"]);
        server.command(&["DEL", &grant_key(&of)]);
        let grant = refresh(store, &of, 3).await;
        assert_ne!(field(&server, &of, name), "");
        assert_eq!(field(&server, &of, gone), "");
        assert_eq!(stored_grant(store, &of).await, Some(grant));
    }
}

#[tokio::test]
async fn a_changed_grant_is_refused_counted_and_gone_and_everybody_is_told() {
    let server = RedisServer::start();
    let refusals = Arc::new(Refusals::default());
    let watch: Arc<dyn SealWatch> = Arc::<Refusals>::clone(&refusals);
    let store = redis_store(&server).sealed_by(sealed_and_watched(&[K1], Sealing::On, watch));
    let mut listener = Listener::to(store.signals());
    let of = subject(Mode::Token);
    let grant = refresh(&store, &of, 1).await;
    let whole = field(&server, &of, "sealed");
    let flip = |at: usize| {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1;
        String::from_utf8(bytes).unwrap()
    };
    let expires = field(&server, &of, "expires_at");
    let later = (expires.parse::<u64>().unwrap() + 1_000_000).to_string();
    let damages = [
        ("sealed", flip(whole.len() - 40)),
        ("sealed", flip(3)),
        ("sealed", whole[..whole.len() / 2].to_owned()),
        ("sealed", String::new()),
        ("expires_at", later),
        ("expires_at", "soon".to_owned()),
        ("version", (grant.version.0 + 1).to_string()),
        ("digest", "00".repeat(32)),
    ];
    for (name, damage) in damages {
        server.command(&["HSET", &grant_key(&of), name, &damage]);

        assert_eq!(read(&store, &of).await, Ok(None), "{name} {damage}");

        assert_eq!(
            refusals.take(),
            [SealRefusal::Damaged],
            "{name}, counted once"
        );
        assert_eq!(server.command(&["EXISTS", &grant_key(&of)]), ":0\r\n");
        let look = Signal::Changed(of.credential.clone(), Version(0));
        assert!(listener.hears(&look, secs(3)).await);
        // Whoever holds it puts it back, and nobody has to fetch.
        let put_back = PutBack {
            grant: grant.clone(),
            earlier: EarlierTokens::default(),
            memory: Memory::default(),
        };
        store.put_back(&of, &put_back).await.unwrap();
        let version = format!("\r\n{}\r\n", grant.version);
        assert!(
            server
                .command(&["HGET", &grant_key(&of), "version"])
                .contains(&version)
        );
    }
    // `begin` meets one as well: it is taken away, and the lease is given as if there were none.
    server.command(&["HSET", &grant_key(&of), "sealed", &flip(whole.len() - 40)]);
    server.command(&[
        "HDEL",
        &grant_key(&of).replace(":grant", ":state"),
        "suspect",
    ]);
    let begun = store.begin(&of, &begin(2)).await.unwrap().answer.begun;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn a_grant_from_before_the_latest_commit_is_refused() {
    let server = RedisServer::start();
    let refusals = Arc::new(Refusals::default());
    let watch: Arc<dyn SealWatch> = Arc::<Refusals>::clone(&refusals);
    let store = redis_store(&server).sealed_by(sealed_and_watched(&[K1], Sealing::On, watch));
    let of = subject(Mode::Token);
    refresh(&store, &of, 1).await;
    let names = ["version", "sealed", "digest", "issued_at", "expires_at"];
    let old = names.map(|name| (name, field(&server, &of, name)));
    server.command(&["DEL", &grant_key(&of)]);
    let new = refresh(&store, &of, 2).await;
    assert_eq!(stored_grant(&store, &of).await, Some(new));

    for (name, value) in &old {
        server.command(&["HSET", &grant_key(&of), name, value]);
    }

    assert_eq!(read(&store, &of).await, Ok(None));
    assert_eq!(refusals.take(), [SealRefusal::Replayed]);
}

#[tokio::test]
async fn a_grant_under_an_unknown_key_is_left_until_nobody_has_replaced_it_in_time() {
    let server = RedisServer::start();
    let now = World::beginning();
    let at = |keys: &[&str], watch: Arc<dyn SealWatch>| {
        fixed(&patient(&server.url()), &now).sealed_by(sealed_and_watched(keys, Sealing::On, watch))
    };
    let has_both = at(&[K2, K1], Arc::new(()));
    let refusals = Arc::new(Refusals::default());
    let lacks_k2 = at(&[K1], Arc::<Refusals>::clone(&refusals));
    let of = subject(Mode::Token);
    let grant = refresh(&has_both, &of, 1).await;

    let refused = read(&lacks_k2, &of).await.unwrap_err().to_string();
    assert!(
        refused.contains("the key \"k2\", which store.encryption_keys lacks"),
        "{refused}"
    );
    let begun = lacks_k2.begin(&of, &begin(2)).await;
    assert!(matches!(begun, Err(StoreError::Unreadable(_))), "{begun:?}");
    assert_eq!(refusals.take(), [SealRefusal::UnknownKey; 2]);
    assert_eq!(stored_grant(&has_both, &of).await, Some(grant.clone()));

    // Half of its life, the others' jitter, and a lease: who has the key had its turn.
    let overdue = Duration::from_secs(3600 + 360 + 20);
    now.store(
        (grant.issued_at + overdue).as_micros() - 1,
        Ordering::SeqCst,
    );
    assert!(read(&lacks_k2, &of).await.is_err());
    now.fetch_add(1, Ordering::SeqCst);
    assert_eq!(read(&lacks_k2, &of).await, Ok(None));
    let newer = refresh(&lacks_k2, &of, 3).await;
    assert_eq!(
        stored_grant(&has_both, &of).await,
        Some(newer),
        "what it seals is for all"
    );
}

#[tokio::test]
async fn a_stable_token_that_comes_back_is_sealed_for_its_later_expiry() {
    let server = RedisServer::start();
    let now = World::beginning();
    let store = fixed(&patient(&server.url()), &now).sealed_by(seals(&[K1], Sealing::On));
    let of = subject(Mode::Stable);
    let first = refresh(&store, &of, 1).await;
    now.fetch_add(7000 * 1_000_000, Ordering::SeqCst);

    let permit = permit(&store, &of, 2).await;
    let again = grant(
        Version::fetched_under(permit.epoch),
        1,
        permit.begun_at,
        secs(205),
    );
    let commit = Commit {
        attempt: Attempt {
            epoch: permit.epoch,
            nonce: Nonce(2),
        },
        grant: again.clone(),
    };
    let committed = store.commit(&of, &commit).await.unwrap().answer;

    assert_eq!(
        committed,
        Committed::Stored {
            version: first.version,
            expires_at: again.expires_at,
        }
    );
    let stored = stored_grant(&store, &of).await.unwrap();
    assert_eq!(stored.version, first.version);
    assert_eq!(stored.expires_at, again.expires_at);
}

#[tokio::test]
async fn the_embedded_file_is_sealed_and_a_damaged_grant_in_it_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let open = |keys: &[&str], sealing| {
        EmbeddedStore::open(&path, ORIGIN)
            .unwrap()
            .sealed_by(seals(keys, sealing))
    };
    let of = subject(Mode::Token);
    let plain = open(&[], Sealing::On);
    let grant = refresh(&plain, &of, 1).await;
    drop(plain);

    let store = open(&[K1], Sealing::On);
    assert_eq!(stored_grant(&store, &of).await, Some(grant.clone()));
    // Any change of the record seals it.
    store.set_pause(&of, &paused(true)).await.unwrap();
    drop(store);
    let json = change_json(&path, &of, |json| json);
    assert!(!json.contains(grant.value.expose()), "{json}");

    let stranger = open(&[K2], Sealing::On);
    assert!(matches!(
        read(&stranger, &of).await,
        Err(StoreError::Unreadable(_))
    ));
    let refused = stranger.set_pause(&of, &paused(false)).await;
    assert!(matches!(refused, Err(StoreError::Unreadable(_))));
    drop(stranger);
    let both = open(&[K2, K1], Sealing::On);
    assert_eq!(stored_grant(&both, &of).await, Some(grant));
    drop(both);

    change_json(&path, &of, |json| {
        let at = json.find("1.k1.").unwrap() + 100;
        let (before, after) = json.split_at(at);
        format!(
            "{before}{}",
            after.replacen(['A', 'B', 'C', 'D', 'E', 'F', 'G'], "z", 1)
        )
    });
    let store = open(&[K1], Sealing::On);
    assert_eq!(read(&store, &of).await, Ok(None));
    store.set_pause(&of, &paused(false)).await.unwrap();
    let begun = store.begin(&of, &begin(2)).await.unwrap().answer.begun;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

fn paused(paused: bool) -> token_broker::domain::protocol::SetPause {
    token_broker::domain::protocol::SetPause { paused }
}

/// Changes what the file holds of a record, and answers what it held.
fn change_json(path: &Path, of: &Subject, change: impl FnOnce(String) -> String) -> String {
    const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
    let key = of.credential.to_string();
    let database = redb::Database::open(path).unwrap();
    let writing = database.begin_write().unwrap();
    let json = {
        let mut records = writing.open_table(RECORDS).unwrap();
        let json = records.get(key.as_str()).unwrap().unwrap().value().to_vec();
        let json = String::from_utf8(json).unwrap();
        let changed = change(json.clone());
        records.insert(key.as_str(), changed.as_bytes()).unwrap();
        json
    };
    writing.commit().unwrap();
    json
}

#[tokio::test]
async fn without_a_key_a_sealed_grant_is_no_token() {
    let server = RedisServer::start();
    let of = subject(Mode::Token);
    refresh(&with_keys(&server, &[K1], Sealing::On), &of, 1).await;

    let plain = redis_store(&server);

    assert!(matches!(
        read(&plain, &of).await,
        Err(StoreError::Unreadable(_))
    ));
    let required = with_keys(&server, &[K2], Sealing::Required);
    let other = subject(Mode::Token);
    refresh(&plain, &other, 1).await;
    assert_eq!(read(&required, &other).await, Ok(None), "refused, and gone");
}
