//! The Redis store against a real server: what lies there, and what happens when the server is away,
//! refuses, has lost its data or holds somebody else's.

use std::time::{Duration, Instant};

use token_broker::adapters::redis::{RedisSettings, RedisStore, ServerClock, SettingsError};
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::Nonce;
use token_broker::domain::protocol::{Attempt, Begun, SetPause};
use token_broker::domain::secret::Fingerprint;
use token_broker::ports::{Store as _, StoreError, Subject};

use super::sample::{
    begin, is_away, permit, redis_store, refresh, secs, settings, stored_grant, subject,
};
use crate::support::redis::{RedisOptions, RedisServer};
use crate::support::timed::timed;

fn state_key(of: &Subject) -> String {
    format!(
        "test:{{{}}}:access_token:{}:state",
        of.credential.app, of.credential.mode
    )
}

fn grant_key(of: &Subject) -> String {
    state_key(of).replace(":state", ":grant")
}

#[test]
fn a_refresh_leaves_a_grant_that_ends_a_little_before_its_life_and_a_state_that_stays() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let of = subject(Mode::Token);

        let grant = refresh(&store, &of, 1).await;

        assert_eq!(stored_grant(&store, &of).await, Some(grant));
        let left = server.command(&["PTTL", &grant_key(&of)]);
        let left: u64 = left.trim_matches([':', '\r', '\n']).parse().unwrap();
        assert!((7_138_000..=7_140_000).contains(&left), "{left}");
        assert_eq!(server.command(&["PTTL", &state_key(&of)]), ":-1\r\n");
        let text = server.command(&["HGETALL", &state_key(&of)]);
        assert!(
            text.contains("committed_nonce") && !text.contains("e+"),
            "{text}"
        );
    });
}

#[test]
fn a_paused_server_costs_no_more_than_the_bounds_and_is_used_again_afterwards() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let of = subject(Mode::Token);
        refresh(&store, &of, 1).await;

        server.pause();
        for _ in 0..3 {
            let asked_at = Instant::now();
            let answer = store.begin(&of, &begin(2)).await;
            assert!(is_away(&answer), "{answer:?}");
            assert!(asked_at.elapsed() < Duration::from_millis(2200));
        }
        server.resume();

        let answer = store.begin(&of, &begin(3)).await.unwrap().answer.begun;
        assert!(matches!(answer, Begun::Fresh(_)), "{answer:?}");
    });
}

#[test]
fn a_server_that_is_not_there_is_away_and_one_that_comes_back_is_used() {
    timed(async || {
        let mut server = RedisServer::start_with(RedisOptions {
            append_only: true,
            ..RedisOptions::default()
        });
        let store = redis_store(&server);
        let of = subject(Mode::Token);
        let grant = refresh(&store, &of, 1).await;

        server.kill();
        assert!(is_away(&store.begin(&of, &begin(2)).await));
        server.restart();

        assert_eq!(stored_grant(&store, &of).await, Some(grant));
    });
}

#[test]
fn a_wrong_password_is_a_refusal_that_does_not_tell_it() {
    timed(async || {
        let server = RedisServer::start_with(RedisOptions {
            password: Some("right-horse".to_owned()),
            ..RedisOptions::default()
        });
        let of = subject(Mode::Token);
        refresh(&redis_store(&server), &of, 1).await;

        for login in [":wrong-horse@", "someone:wrong-horse@", ""] {
            let url = format!("redis://{login}127.0.0.1:{}", server.port());
            let store = RedisStore::new(&settings(&url)).unwrap();
            let error = store.begin(&of, &begin(2)).await.unwrap_err();
            assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
            let shown = format!("{error} {error:?} {store:?} {:?}", store.signals());
            assert!(!shown.contains("horse"), "{shown}");
        }
    });
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_the_url() {
    timed(async || {
        let good = settings("redis://:canary@localhost");
        let refusal = |settings: RedisSettings| RedisStore::new(&settings).unwrap_err();
        for url in ["canary", "http://u:canary@h", "redis://:canary@h:port"] {
            let error = refusal(settings(url));
            assert!(matches!(error, SettingsError::Url(_)), "{error:?}");
            assert!(!error.to_string().contains("canary"));
        }
        for namespace in ["", "a b", "a{b", "*"] {
            let namespace = namespace.to_owned();
            let error = refusal(RedisSettings {
                namespace,
                ..good.clone()
            });
            assert_eq!(error, SettingsError::Namespace);
        }
        let no_pool = RedisSettings {
            pool_size: 0,
            ..good.clone()
        };
        assert_eq!(refusal(no_pool), SettingsError::Zero);
        assert!(!format!("{good:?}").contains("canary"));
    });
}

#[test]
fn tls_to_a_server_that_does_not_speak_it_is_away() {
    timed(async || {
        let server = RedisServer::start();
        let url = server.url().replace("redis://", "rediss://");
        let store = RedisStore::new(&settings(&url)).unwrap();
        assert!(is_away(
            &store.begin(&subject(Mode::Token), &begin(1)).await
        ));
    });
}

#[test]
fn a_replica_refuses_changes_and_may_be_read() {
    timed(async || {
        let master = RedisServer::start();
        let replica = RedisServer::start_with(RedisOptions {
            replica_of: Some(master.port()),
            ..RedisOptions::default()
        });
        in_sync(&master, &replica).await;
        let of = subject(Mode::Token);
        let grant = refresh(&redis_store(&master), &of, 1).await;
        in_sync(&master, &replica).await;
        let store = redis_store(&replica);

        let error = store.begin(&of, &begin(2)).await.unwrap_err();

        assert!(
            matches!(&error, StoreError::Refused(why) if why.contains("READONLY")),
            "{error:?}"
        );
        assert_eq!(stored_grant(&store, &of).await, Some(grant));
    });
}

#[test]
fn a_server_without_memory_refuses_and_changes_nothing() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let of = subject(Mode::Token);
        refresh(&store, &of, 1).await;
        let before = server.command(&["HGETALL", &state_key(&of)]);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);

        let pause = store.set_pause(&of, &SetPause { paused: true }).await;

        assert!(
            matches!(&pause, Err(StoreError::Refused(why)) if why.contains("OOM")),
            "{pause:?}"
        );
        assert_eq!(server.command(&["HGETALL", &state_key(&of)]), before);
    });
}

#[test]
fn a_lost_script_and_lost_data_are_no_errors() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let of = subject(Mode::Token);
        let grant = refresh(&store, &of, 1).await;

        server.command(&["SCRIPT", "FLUSH"]);
        let again = store.begin(&of, &begin(2)).await.unwrap().answer.begun;
        assert_eq!(again, Begun::Fresh(grant));
        server.command(&["SCRIPT", "FLUSH"]);
        assert!(stored_grant(&store, &of).await.is_some());

        server.flush();
        let record = store.read(&[&of]).await.unwrap().pop().unwrap().unwrap();
        assert!(record.answer.state.is_empty() && record.answer.grant.is_none());
        permit(&store, &of, 3).await;
    });
}

#[test]
fn the_records_of_another_fleet_are_refused_and_left_alone() {
    timed(async || {
        let server = RedisServer::start();
        let of = subject(Mode::Token);
        refresh(&redis_store(&server), &of, 1).await;
        let before = server.command(&["HGETALL", &state_key(&of)]);
        let other = RedisSettings {
            origin: Fingerprint::new(0xbad),
            ..settings(&server.url())
        };
        let store = RedisStore::new(&other).unwrap();

        let begun = store.begin(&of, &begin(2)).await;
        let read = store.read(&[&of]).await.unwrap().pop().unwrap();

        assert!(matches!(begun, Err(StoreError::Foreign(_))), "{begun:?}");
        assert!(matches!(read, Err(StoreError::Foreign(_))), "{read:?}");
        assert_eq!(server.command(&["HGETALL", &state_key(&of)]), before);
    });
}

#[test]
fn a_record_that_cannot_be_read_is_refused_left_alone_and_harms_no_other() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let healthy = subject(Mode::Token);
        refresh(&store, &healthy, 1).await;
        let damages = [
            ("state", "format", "2"),
            ("state", "epoch", "x"),
            ("state", "epoch", "-1"),
            ("state", "budget", "9007199254740993"),
            ("state", "budget", "1.79e+15"),
            ("state", "lease_nonce", "abc"),
            ("state", "cooldown_class", "busy"),
            ("state", "used", "1:0"),
            ("state", "used", "1:1,"),
            ("state", "failures", "4294967296"),
            ("state", "paused", "yes"),
            ("state", "check_verdict", "maybe"),
            ("grant", "format", "2"),
            ("grant", "digest", "00"),
            ("grant", "value", "two words"),
            ("grant", "expires_at", ""),
        ];
        for (what, field, value) in damages {
            let of = subject(Mode::Token);
            refresh(&store, &of, 1).await;
            let key = if what == "state" {
                state_key(&of)
            } else {
                grant_key(&of)
            };
            server.command(&["HSET", &key, field, value]);
            let before = server.command(&["HGETALL", &key]);

            let begun = store.begin(&of, &begin(2)).await;
            let read = store.read(&[&of, &healthy]).await.unwrap();

            assert!(
                matches!(begun, Err(StoreError::Unreadable(_))),
                "{field}={value} {begun:?}"
            );
            assert!(
                matches!(read[0], Err(StoreError::Unreadable(_))),
                "{field}={value} {read:?}"
            );
            assert!(read[1].is_ok());
            assert_eq!(server.command(&["HGETALL", &key]), before);
        }
        let of = subject(Mode::Token);
        server.command(&["SET", &state_key(&of), "text"]);
        let read = store.read(&[&of, &healthy]).await.unwrap();
        assert!(matches!(read[0], Err(StoreError::Unreadable(_))) && read[1].is_ok());
        let begun = store.begin(&of, &begin(2)).await;
        assert!(matches!(begun, Err(StoreError::Unreadable(_))), "{begun:?}");
    });
}

#[test]
fn a_lease_is_confirmed_by_a_replica_where_there_is_one() {
    timed(async || {
        let master = RedisServer::start();
        let patient = RedisSettings {
            reply_timeout: secs(2),
            ..settings(&master.url())
        };
        let store = RedisStore::new(&patient).unwrap();
        let alone = store.begin(&subject(Mode::Token), &begin(1)).await.unwrap();
        assert!(alone.answer.confirmed);
        let replica = RedisServer::start_with(RedisOptions {
            replica_of: Some(master.port()),
            ..RedisOptions::default()
        });
        in_sync(&master, &replica).await;
        let followed = store.begin(&subject(Mode::Token), &begin(1)).await.unwrap();
        assert!(followed.answer.confirmed);

        replica.pause();
        let of = subject(Mode::Token);
        let cut_off = store.begin(&of, &begin(1)).await.unwrap();
        let elsewhere = RedisStore::new(&patient).unwrap();
        let asked_again = elsewhere.begin(&of, &begin(1)).await.unwrap();
        assert!(!cut_off.answer.confirmed);
        assert_eq!(asked_again.answer.begun, cut_off.answer.begun);
        assert!(
            !asked_again.answer.confirmed,
            "asked again on another connection, it must not pass for confirmed"
        );
        let release = Attempt {
            epoch: match cut_off.answer.begun {
                Begun::Granted(permit) => permit.epoch,
                other => panic!("{other:?}"),
            },
            nonce: Nonce(1),
        };
        store.release(&of, &release).await.unwrap();

        replica.resume();
        in_sync(&master, &replica).await;
        let followed = store.begin(&of, &begin(2)).await.unwrap();
        assert!(followed.answer.confirmed);
    });
}

#[test]
fn many_records_are_read_in_their_order() {
    timed(async || {
        let server = RedisServer::start();
        let store = redis_store(&server);
        let subjects: Vec<_> = (0..450).map(|_| subject(Mode::Stable)).collect();
        let grant = refresh(&store, &subjects[321], 1).await;

        let of: Vec<_> = subjects.iter().collect();
        let records = store.read(&of).await.unwrap();

        let held: Vec<_> = (0..450)
            .filter(|i| records[*i].as_ref().unwrap().answer.grant.is_some())
            .collect();
        assert_eq!((records.len(), held), (450, vec![321]));
        assert_eq!(records[321].as_ref().unwrap().answer.grant, Some(grant));
    });
}

#[test]
fn the_clock_can_be_set_off_for_a_test() {
    timed(async || {
        let server = RedisServer::start();
        let of = subject(Mode::Token);
        let behind = RedisSettings {
            clock: ServerClock::Offset(-3_600_000_000),
            ..settings(&server.url())
        };
        let now = permit(&redis_store(&server), &of, 1).await.begun_at;
        let behind = RedisStore::new(&behind).unwrap();
        let answer = behind.begin(&of, &begin(2)).await.unwrap();
        let lag = now.since(answer.at);
        assert!(lag > secs(3590) && lag < secs(3610), "{lag:?}");
        // The lease is cut to its own length, not held for an hour and more.
        assert_eq!(
            answer.answer.begun,
            Begun::Busy {
                until: answer.at + secs(20)
            }
        );
    });
}

/// Waits until the replica has all that the master has.
async fn in_sync(master: &RedisServer, replica: &RedisServer) {
    let deadline = Instant::now() + secs(20);
    let probe = format!("{deadline:?}");
    master.command(&["SET", "probe", &probe]);
    let online = || {
        master
            .command(&["INFO", "replication"])
            .contains("state=online")
    };
    while !(online() && replica.command(&["GET", "probe"]).contains(&probe)) {
        assert!(Instant::now() < deadline, "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
