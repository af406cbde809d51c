//! Examples that the tests of the stores share.

mod protocol;

pub(super) use protocol::{ORIGIN, begin, grant, rules, secs};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use token_broker::adapters::redis::{RedisSettings, RedisStore, ServerClock, TlsFiles};
use token_broker::domain::app_id::AppId;
use token_broker::domain::credential::{Credential, Mode};
use token_broker::domain::epoch::{Nonce, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::{Attempt, Begun, Commit, Permit};
use token_broker::domain::secret::Secret;
use token_broker::ports::{BegunIn, Stamped, Store, StoreError, Subject};

use crate::support::redis::RedisServer;

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
