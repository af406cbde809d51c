//! Examples that the tests of the stores share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use token_broker::adapters::redis::{RedisSettings, RedisStore, ServerClock, TlsFiles};
use token_broker::domain::app_id::AppId;
use token_broker::domain::budget::Budget;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Attempt, Begin, Begun, Commit, Permit, Reason};
use token_broker::domain::rules::Rules;
use token_broker::domain::secret::{Digest, Fingerprint, Secret};
use token_broker::domain::state::Memory;
use token_broker::domain::time::Timestamp;
use token_broker::ports::{BegunIn, Stamped, Store, StoreError, Subject};

use crate::support::redis::RedisServer;

pub(super) const ORIGIN: Fingerprint = Fingerprint::new(0x0a11);

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Rules with the proportions of the default configuration and a budget that a test can spend.
pub(super) fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: secs(360),
        lease: secs(20),
        reconcile: secs(30),
        watch: secs(60),
        close_watch: secs(15),
        overlap: secs(300),
        timeout: secs(5),
        backoff: (secs(1), secs(60)),
        budget: Budget {
            interval: secs(900),
            burst: 4,
            reserve: 1,
            window: secs(24 * 3600),
        },
        forced_budget: Budget {
            interval: secs(30),
            burst: 2,
            reserve: 0,
            window: secs(24 * 3600),
        },
    }
}

/// A credential that no other test uses.
pub(super) fn subject(mode: Mode) -> Subject {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let app = format!("wx{:06}", NEXT.fetch_add(1, Ordering::SeqCst));
    Subject {
        credential: Credential::access_token(AppId::parse(&app).unwrap(), mode),
        rules: rules(mode).into(),
    }
}

pub(super) fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        url: Secret::new(url),
        tls: TlsFiles::default(),
        namespace: "test".to_owned(),
        connect_timeout: secs(1),
        reply_timeout: Duration::from_millis(400),
        pool_size: 4,
        origin: ORIGIN,
        clock: ServerClock::Server,
    }
}

pub(super) fn redis_store(server: &RedisServer) -> RedisStore {
    RedisStore::new(&settings(&server.url())).unwrap()
}

/// A store whose time stands where the test puts it.
pub(super) fn fixed(settings: &RedisSettings, at: &Arc<AtomicU64>) -> RedisStore {
    RedisStore::new(&RedisSettings {
        clock: ServerClock::Fixed(Arc::clone(at)),
        ..settings.clone()
    })
    .unwrap()
}

pub(super) fn begin(nonce: u128) -> Begin {
    Begin {
        reason: Reason::Missing,
        nonce: Nonce(nonce),
        memory: Memory::default(),
        secret: Fingerprint::new(1),
    }
}

pub(super) fn grant(version: Version, token: u8, issued_at: Timestamp, life: Duration) -> Grant {
    Grant {
        version,
        value: Secret::new(format!("token-{token}")),
        digest: Digest::new([token; 32]),
        issued_at,
        expires_at: issued_at + life,
    }
}

pub(super) async fn permit(store: &dyn Store, of: &Subject, nonce: u128) -> Permit {
    match store.begin(of, &begin(nonce)).await.unwrap().answer.begun {
        Begun::Granted(permit) => permit,
        other => panic!("not granted: {other:?}"),
    }
}

/// Begins and commits: what a refresh leaves in the store.
pub(super) async fn refresh(store: &dyn Store, of: &Subject, nonce: u128) -> Grant {
    let permit = permit(store, of, nonce).await;
    let version = Version::fetched_under(permit.epoch);
    let grant = grant(version, 1, permit.begun_at, secs(7200));
    let commit = Commit {
        attempt: Attempt {
            epoch: permit.epoch,
            nonce: Nonce(nonce),
        },
        grant: grant.clone(),
    };
    store.commit(of, &commit).await.unwrap();
    grant
}

pub(super) async fn stored_grant(store: &dyn Store, of: &Subject) -> Option<Grant> {
    let mut records = store.read(&[of]).await.unwrap();
    records.pop().unwrap().unwrap().answer.grant
}

pub(super) fn is_away(answer: &Result<Stamped<BegunIn>, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Away(_)))
}
