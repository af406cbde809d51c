//! Who may connect and what is told when one may not: certificates, passwords, rights, versions; and a
//! server that throws records away.

use std::time::{Duration, Instant};

use token_broker::adapters::redis::{RedisSettings, RedisStore, TlsFiles};
use token_broker::domain::credential::Mode;
use token_broker::ports::{Store as _, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::everywhere::patient;
use super::sample::{begin, redis_store, refresh, secs, settings, stored_grant, subject};
use crate::support::certificates::Certificates;
use crate::support::process::Process;
use crate::support::redis::{ACL, RedisOptions, RedisServer, free_port};
use crate::support::settings::{Settings, StoreUnderTest};
use crate::support::timed::timed;

fn encrypted(certificates: &Certificates, port: u16) -> RedisServer {
    RedisServer::start_with(RedisOptions {
        lines: certificates.server_lines(port),
        ..RedisOptions::default()
    })
}

async fn refusal(settings: &RedisSettings) -> StoreError {
    let store = RedisStore::new(settings).unwrap();
    let of = subject(Mode::Token);
    store.begin(&of, &begin(1)).await.unwrap_err()
}

/// Waits until a broker that is configured so complains in these words.
async fn complains(url: &str, words: &str) {
    let store = StoreUnderTest::Redis {
        url: url.to_owned(),
        namespace: "test".to_owned(),
    };
    let process = Process::listening(&Settings::new("http://127.0.0.1:1", store)).await;
    let deadline = Instant::now() + secs(20);
    while Instant::now() < deadline {
        let log = process.log();
        assert!(!log.contains("canary"), "{log}");
        let complaint = |line: &str| line.contains("cannot be used") && line.contains(words);
        let told = process.readiness().await;
        assert!(!told.contains("canary"), "{told}");
        if log.lines().any(complaint) && told.contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "it does not say so: {} {}",
        process.readiness().await,
        process.log()
    );
}

#[test]
fn the_least_acl_of_the_documentation_is_the_one_that_the_tests_go_by() {
    timed(async || {
        let documentation = include_str!("../../../docs/redis.md");
        let rights = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let line = documentation
            .lines()
            .find(|line| line.starts_with("user broker "))
            .expect("an example of an ACL");
        let rights_of_line = rights(&line.replace("token-broker", "test"));
        assert_eq!(rights_of_line[4..], rights(ACL));
    });
}

#[test]
fn a_server_that_no_trusted_authority_signed_is_away_and_the_log_says_what_to_do() {
    timed(async || {
        let certificates = Certificates::make();
        let port = free_port();
        let _server = encrypted(&certificates, port);
        let url = format!("rediss://:canary@127.0.0.1:{port}");

        let error = refusal(&patient(&url)).await;

        assert!(
            matches!(&error, StoreError::Away(why) if why.contains("UnknownIssuer")),
            "{error:?}"
        );
        complains(&url, "store.ca_file").await;
    });
}

#[test]
fn a_client_without_a_certificate_is_turned_away_by_a_server_that_wants_one() {
    timed(async || {
        let certificates = Certificates::make();
        let port = free_port();
        let _server = encrypted(&certificates, port);
        let url = format!("rediss://127.0.0.1:{port}");
        let with = |client| RedisSettings {
            tls: TlsFiles {
                ca: Some(certificates.ca()),
                client,
            },
            ..patient(&url)
        };

        let error = refusal(&with(None)).await;
        let store = RedisStore::new(&with(Some(certificates.client()))).unwrap();
        let of = subject(Mode::Token);
        let grant = refresh(&store, &of, 1).await;

        assert!(matches!(error, StoreError::Away(_)), "{error:?}");
        assert_eq!(stored_grant(&store, &of).await, Some(grant));
    });
}

#[test]
fn files_of_tls_that_cannot_be_used_are_told_by_their_key() {
    timed(async || {
        let certificates = Certificates::make();
        let told = |ca, client| {
            let tls = TlsFiles { ca, client };
            let url = "rediss://127.0.0.1:1";
            RedisStore::new(&RedisSettings {
                tls,
                ..settings(url)
            })
            .unwrap_err()
            .to_string()
        };
        let (certificate, key) = certificates.client();
        let nowhere = std::path::PathBuf::from("/nonexistent");
        assert!(told(Some(nowhere.clone()), None).starts_with("store.ca_file: cannot be read"));
        assert!(
            told(None, Some((certificate.clone(), nowhere))).starts_with("store.client_key_file")
        );
        assert!(told(None, Some((certificate.clone(), certificate))).contains("no usable PEM"));
        assert!(told(Some(key.clone()), Some((key.clone(), key))).contains("no usable PEM"));
    });
}

#[test]
fn a_wrong_password_and_a_missing_right_are_told_with_what_to_do() {
    timed(async || {
        let narrow = ACL.replace("+hset", "");
        let server = RedisServer::start_with(RedisOptions {
            lines: vec![format!("user narrow on >canary {narrow}")],
            ..RedisOptions::default()
        });
        let url = |login: &str| format!("redis://{login}@127.0.0.1:{}", server.port());

        complains(
            &url("narrow:wrong-canary"),
            "store.url: put in the user and the password",
        )
        .await;

        let error = refusal(&settings(&url("narrow:canary"))).await;
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        complains(&url("narrow:canary"), "docs/redis.md").await;
    });
}

#[test]
fn a_server_that_may_throw_records_away_is_found_out_and_one_that_may_not_say_is_used() {
    timed(async || {
        let server = RedisServer::start_with(RedisOptions {
            lines: vec![format!(
                "user silent on >pw {} -info",
                ACL.replace("+info", "")
            )],
            ..RedisOptions::default()
        });
        let of = subject(Mode::Token);
        let keeps = redis_store(&server);
        refresh(&keeps, &of, 1).await;
        assert!(!keeps.evicts());
        for setting in [["maxmemory", "100mb"], ["maxmemory-policy", "volatile-lru"]] {
            server.command(&["CONFIG", "SET", setting[0], setting[1]]);
        }

        let evicts = redis_store(&server);
        assert!(stored_grant(&evicts, &of).await.is_some());
        assert!(evicts.evicts());

        let silent = format!("redis://silent:pw@127.0.0.1:{}", server.port());
        let silent = RedisStore::new(&settings(&silent)).unwrap();
        assert!(stored_grant(&silent, &of).await.is_some());
        assert!(!silent.evicts());
    });
}

#[test]
fn a_server_that_is_too_old_is_refused_by_its_version() {
    timed(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                while let Ok(1..) = stream.read(&mut request).await {
                    let info = "redis_version:6.0.16\r\nrole:master\r\n";
                    let reply = format!("${}\r\n{info}\r\n", info.len());
                    let _ = stream.write_all(reply.as_bytes()).await;
                }
            }
        });

        let error = refusal(&settings(&url)).await;

        let expected = "it is Redis 6.0.16, and 6.2 or newer is needed";
        assert_eq!(error, StoreError::Refused(expected.to_owned()));
    });
}

#[test]
fn a_url_of_another_kind_than_the_server_is_told() {
    timed(async || {
        let server = RedisServer::start();
        let at = format!("127.0.0.1:{}", server.port());

        let no_cluster = refusal(&settings(&format!("redis+cluster://{at}"))).await;
        let no_sentinel = refusal(&settings(&format!("redis+sentinel://{at}/main"))).await;

        assert_eq!(
            no_cluster,
            StoreError::Refused("it is not part of a cluster".to_owned())
        );
        assert!(
            matches!(no_sentinel, StoreError::Refused(_)),
            "{no_sentinel:?}"
        );
    });
}
