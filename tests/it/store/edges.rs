//! Places to which no history comes: records that are damaged, of another fleet, or lost by half; a renewal that was
//! overtaken; a right that is missing. Scripts and readers must judge them alike, down to the words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::Connection;
use token_broker::adapters::redis::RedisStore;
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::{Epoch, Nonce, Version};
use token_broker::domain::protocol::{Attempt, Begun, Claim, Commit, Committed, Failure, Record};
use token_broker::domain::time::Timestamp;
use token_broker::domain::upstream_error::ErrorClass;
use token_broker::ports::{Store, StoreError, Subject};
use token_broker::sealing::Sealing;

use super::equivalence::World;
use super::everywhere::patient;
use super::sample::{ORIGIN, begin, fixed, grant, permit, refresh, secs, stored_grant, subject};
use super::seals::{K1, seals};
use super::way::Way;
use crate::support::places::heavy;
use crate::support::redis::RedisServer;

/// What may stand in a field by accident: for some it is right, for others it must be refused.
const TEXTS: [&str; 36] = [
    "",
    "0",
    "1",
    "2",
    "-1",
    "+1",
    "1.5",
    "1e3",
    "0x10",
    " 1",
    "x",
    "yes",
    "busy",
    "refused",
    "two words",
    "caf\u{e9}",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "0000000000000001",
    "00000000000000001",
    "99999999999999999",
    "1:1",
    "1:0",
    "1:1,",
    "1:1,2:3",
    "1:1;2:3",
    "1:4294967296",
    "9007199254740992:1",
    "00000000000000001:1",
    "00000000000000aa",
    "+0000000000000aa",
    "000000000000000g",
    "+00000000000000000000000000000aa",
    "00000000000000000000000000000000000000000000000000000000000000zz",
];

const VERSION: u64 = 1_699_999_000_000_000;

/// A state in which everything is there.
fn whole_state(now: u64) -> Vec<(&'static str, String)> {
    let (nonce, secret) = (format!("{:032x}", 7), format!("{:016x}", 1));
    [
        ("format", "1".to_owned()),
        ("origin", ORIGIN.to_string()),
        ("epoch", (VERSION + 9).to_string()),
        ("version", VERSION.to_string()),
        ("lease_nonce", nonce.clone()),
        ("lease_epoch", (VERSION + 9).to_string()),
        ("lease_until", (now + 9).to_string()),
        ("intent_epoch", (VERSION + 9).to_string()),
        ("intent_begun_at", (now - 9).to_string()),
        ("intent_last_fetch_before", (now - 99).to_string()),
        ("intent_issuer_before", VERSION.to_string()),
        ("intent_forced", "0".to_owned()),
        ("suspect", VERSION.to_string()),
        ("dead_version", "5".to_owned()),
        ("dead_epoch", "6".to_owned()),
        ("dead_reported", "1".to_owned()),
        ("last_fetch", (now - 9).to_string()),
        ("issuer", VERSION.to_string()),
        ("budget", now.to_string()),
        ("forced_budget", now.to_string()),
        ("force", "0".to_owned()),
        ("used", "472000:1,472222:2".to_owned()),
        ("failures", "3".to_owned()),
        ("cooldown_class", "unclear".to_owned()),
        ("cooldown_until", (now + 99).to_string()),
        ("cooldown_secret", secret),
        ("paused", "0".to_owned()),
        ("pause_changed_at", "4".to_owned()),
        ("close_watch_until", now.to_string()),
        ("check_version", VERSION.to_string()),
        ("check_claimed_at", (now - 99).to_string()),
        ("check_verdict", "accepted".to_owned()),
        ("committed_epoch", VERSION.to_string()),
        ("committed_nonce", nonce),
        (
            "earlier",
            format!("{}:{}:{}", "1".repeat(64), now, now + 99),
        ),
    ]
    .into()
}

fn whole_grant(now: u64) -> Vec<(&'static str, String)> {
    [
        ("format", "1".to_owned()),
        ("version", VERSION.to_string()),
        ("value", "token-1".to_owned()),
        ("digest", "01".repeat(32)),
        ("issued_at", (now - 1_000_000_000).to_string()),
        ("expires_at", (now + 6_200_000_000).to_string()),
    ]
    .into()
}

/// Stores at a time that stands, and a way past them.
pub(super) struct Edges {
    now: Arc<AtomicU64>,
    store: RedisStore,
    sealed: RedisStore,
    raw: Connection,
}

impl Edges {
    /// On the Redis to which this way leads.
    pub(super) fn on(way: &Way) -> Self {
        let now = World::beginning();
        let plain = || fixed(&patient(&way.url()), &now);
        Self {
            store: plain(),
            sealed: plain().sealed_by(seals(&[K1], Sealing::On)),
            raw: redis::Client::open(way.url())
                .and_then(|client| client.get_connection())
                .unwrap(),
            now,
        }
    }

    /// Goes to all of them, and says when one is over.
    pub(super) async fn visit(&mut self, way: &Way, mut over: impl FnMut()) {
        let now = self.now.load(Ordering::SeqCst);
        self.judged_alike(&whole_state(now), &whole_grant(now))
            .await;
        for (field, _) in whole_state(now) {
            for text in TEXTS.map(Some).into_iter().chain([None]) {
                let damaged = damaged(whole_state(now), field, text);
                self.judged_alike(&damaged, &whole_grant(now)).await;
            }
            over();
        }
        for (field, _) in whole_grant(now) {
            for text in TEXTS.map(Some).into_iter().chain([None]) {
                let damaged = damaged(whole_grant(now), field, text);
                self.judged_alike(&whole_state(now), &damaged).await;
            }
            over();
        }
        let mut twice = whole_grant(now);
        twice.push(("sealed", "1.k1.sealed".to_owned()));
        self.judged_alike(&whole_state(now), &twice).await;
        self.counts_at_their_end().await;
        self.lost_by_half().await;
        self.no_hash().await;
        self.without_a_right().await;
        over();
        self.overtaken_renewals(way).await;
        over();
    }

    /// What the reader refuses, the script refuses with the same words; of the rest it makes what the protocol does.
    async fn judged_alike(&mut self, state: &[(&str, String)], grant: &[(&str, String)]) {
        let of = subject(Mode::Token);
        for (key, fields) in [(state_key(&of), state), (grant_key(&of), grant)] {
            self.ask(redis::cmd("HSET").arg(key).arg(fields));
        }
        let claim = Claim {
            version: Version(VERSION),
            every: secs(60),
        };
        let now = Timestamp::from_micros(self.now.load(Ordering::SeqCst));

        let read = self.look_at(&of).await;
        let claimed = self.store.claim_check(&of, &claim).await;
        let read_after = self.look_at(&of).await;

        let claimed = claimed.map(|stamped| stamped.answer);
        let mut expected = read.clone();
        let answer = expected
            .as_mut()
            .map(|record| record.claim_check(&claim, now))
            .map_err(|error| error.clone());
        assert_eq!(claimed, answer, "{state:?} {grant:?}");
        assert_eq!(read_after, expected, "{state:?} {grant:?}");
    }

    /// A count stays at its end, and what holds it can be read.
    async fn counts_at_their_end(&mut self) {
        let now = self.now.load(Ordering::SeqCst);
        let at = Timestamp::from_micros(now);
        let of = subject(Mode::Token);
        let most = Some("4294967295");
        let mut state = damaged(whole_state(now), "failures", most);
        state.retain(|(field, _)| *field != "used");
        let part = now / (24 * 3600 * 1_000_000 / 24);
        state.push(("used", format!("{part}:4294967295")));
        self.ask(redis::cmd("HSET").arg(state_key(&of)).arg(&state));
        let mut expected = self.look_at(&of).await.unwrap();
        let attempt = Attempt {
            epoch: Epoch(VERSION + 9),
            nonce: Nonce(7),
        };
        let failure = Failure {
            attempt,
            class: ErrorClass::Busy,
            cooldown: secs(0),
            secret: begin(2).secret,
        };

        self.store.fail(&of, &failure).await.unwrap();
        expected.fail(&failure, &of.rules, at);
        assert_eq!(self.look_at(&of).await.as_ref(), Ok(&expected));

        let begin = begin(2);
        let begun = self.store.begin(&of, &begin).await.unwrap().answer.begun;
        assert_eq!(begun, expected.begin(&begin, &of.rules, at));
        assert!(matches!(begun, Begun::Granted(permit) if permit.failures == u32::MAX));
        assert_eq!(self.look_at(&of).await, Ok(expected));
    }

    /// The state was evicted, or the grant was.
    async fn lost_by_half(&mut self) {
        let now = self.now.load(Ordering::SeqCst);
        for lost in [state_key, grant_key] {
            let of = subject(Mode::Token);
            refresh(&self.store, &of, 1).await;
            self.ask(redis::cmd("DEL").arg(lost(&of)));
            let mut expected = self.look_at(&of).await.unwrap();
            let begin = begin(2);

            let begun = self.store.begin(&of, &begin).await.unwrap().answer.begun;

            let at = Timestamp::from_micros(now);
            assert_eq!(begun, expected.begin(&begin, &of.rules, at));
            assert_eq!(self.look_at(&of).await, Ok(expected));
        }
    }

    /// Somebody else's text lies there.
    async fn no_hash(&mut self) {
        for key in [state_key, grant_key] {
            let of = subject(Mode::Token);
            self.ask(redis::cmd("SET").arg(key(&of)).arg("text"));
            let begun = self.store.begin(&of, &begin(1)).await;
            assert!(matches!(begun, Err(StoreError::Unreadable(_))), "{begun:?}");
            let read = self.look_at(&of).await;
            assert!(matches!(read, Err(StoreError::Unreadable(_))), "{read:?}");
        }
    }

    /// What the server refuses to tell says nothing of the record.
    async fn without_a_right(&mut self) {
        let of = subject(Mode::Token);
        let user = |right: &str| {
            redis::cmd("ACL")
                .arg(&["SETUSER", "default", right])
                .to_owned()
        };
        self.ask(&user("-hgetall"));
        let begun = self.store.begin(&of, &begin(1)).await;
        assert!(matches!(begun, Err(StoreError::Refused(_))), "{begun:?}");
        let read = self.look_at(&of).await;
        assert!(matches!(read, Err(StoreError::Refused(_))), "{read:?}");
        self.ask(&user("+hgetall"));
    }

    /// The same stable token comes back, sealed for what was stored when its holder looked; since then another grant was
    /// stored: the seal would fit nothing, and the stored grant is left with the expiry that it has.
    async fn overtaken_renewals(&mut self, way: &Way) {
        for moved in ["renewed_version", "renewed_issued_at"] {
            let of = subject(Mode::Stable);
            let first = refresh(&self.sealed, &of, 1).await;
            let soon = first.expires_at - secs(200);
            self.now.store(soon.as_micros(), Ordering::SeqCst);
            let permit = permit(&self.sealed, &of, 2).await;
            let version = Version::fetched_under(permit.epoch);
            let commit = Commit {
                attempt: Attempt {
                    epoch: permit.epoch,
                    nonce: Nonce(2),
                },
                grant: grant(version, 1, permit.begun_at, secs(7200)),
            };

            way.amend(moved, "5");
            let committed = self.sealed.commit(&of, &commit).await.unwrap().answer;

            let left = Committed::Stored {
                version: first.version,
                expires_at: first.expires_at,
            };
            assert_eq!(committed, left);
            assert_eq!(stored_grant(&self.sealed, &of).await, Some(first));
        }
    }

    fn ask(&mut self, command: &redis::Cmd) {
        command.exec(&mut self.raw).unwrap();
    }

    async fn look_at(&self, of: &Subject) -> Result<Record, StoreError> {
        let mut read = self.store.read(&[of]).await?;
        read.pop().unwrap().map(|stamped| stamped.answer)
    }
}

fn state_key(of: &Subject) -> String {
    let (app, mode) = (&of.credential.app, of.credential.mode);
    format!("test:{{{app}}}:access_token:{mode}:state")
}

fn grant_key(of: &Subject) -> String {
    state_key(of).replace(":state", ":grant")
}

/// With another text in a field, or without it.
fn damaged(
    mut fields: Vec<(&'static str, String)>,
    field: &str,
    text: Option<&str>,
) -> Vec<(&'static str, String)> {
    match text {
        Some(text) => {
            for (name, value) in &mut fields {
                if *name == field {
                    text.clone_into(value);
                }
            }
        }
        None => fields.retain(|(name, _)| *name != field),
    }
    fields
}

#[tokio::test]
async fn what_no_history_comes_to_is_judged_alike_by_scripts_and_readers() {
    let _heavy = heavy();
    let server = RedisServer::start();
    let way = Way::to(server.port(), None);
    Edges::on(&way).visit(&way, || {}).await;
}
