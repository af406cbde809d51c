//! What is wrong with a configuration and shows only when the broker runs: `/readyz` names the key and says how, while
//! it is tried again, and nothing secret is told.

use std::time::Instant;

use tokio::net::TcpListener;
use wechat_simulator::Simulator;

use super::rig::SOON;
use crate::support::fleet::{apps, wechat_with};
use crate::support::process::Process;
use crate::support::redis::{ACL, RedisOptions, RedisServer, free_port};
use crate::support::settings::{Settings, StoreUnderTest};
use crate::support::timed::timed;
use crate::upstream::self_signed;

/// Waits until it says that it is not ready, in these words.
async fn not_ready(settings: &Settings, words: &[&str]) {
    let process = Process::listening(settings).await;
    let deadline = Instant::now() + SOON;
    loop {
        let told = process.readiness().await;
        assert!(!told.contains("canary"), "{told}");
        assert!(!process.log().contains("canary"), "{}", process.log());
        if words.iter().all(|words| told.contains(words)) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{words:?}: {told}\n{}",
            process.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A host that answers every handshake with a certificate that nobody vouches for; and its address.
async fn impostor() -> String {
    let (tls, _) = self_signed("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handshake = tls.accept(stream);
            tokio::spawn(async move {
                let _ = handshake.await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn embedded(directory: &tempfile::TempDir) -> StoreUnderTest {
    StoreUnderTest::Embedded {
        path: directory.path().join("store.redb"),
    }
}

#[test]
fn a_way_to_wechat_that_is_wrong_is_told_by_readyz_with_its_key() {
    timed(async || {
        let closed = free_port();
        let nobody = format!("http://127.0.0.1:{closed}");
        let impostor = impostor().await;
        let proxied = |url: &str| {
            vec![format!(
                "proxy = {:?}",
                url.replace("//", "//canary:canary@")
            )]
        };
        let cases = [
            (
                nobody.clone(),
                Vec::new(),
                ["upstream.base_url: ", "connection refused"],
            ),
            (
                nobody.clone(),
                vec![format!("fallback_urls = [\"https://localhost:{closed}\"]")],
                ["upstream.fallback_urls: ", "connection refused"],
            ),
            (
                impostor.clone(),
                Vec::new(),
                ["upstream.ca_file", "no trusted authority"],
            ),
            (
                impostor,
                proxied(&nobody),
                ["upstream.proxy", "cannot be connected to"],
            ),
        ];
        for (base_url, lines, words) in cases {
            let directory = tempfile::tempdir().expect("a directory");
            let mut settings = Settings::new(&base_url, embedded(&directory));
            settings.upstream_lines = lines;
            not_ready(&settings, &words).await;
        }
    });
}

#[test]
fn what_cannot_be_used_at_start_ends_it_with_its_key() {
    timed(async || {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let taken = taken.local_addr().expect("an address").to_string();
        let directory = tempfile::tempdir().expect("a directory");
        let usable = Settings::new("http://127.0.0.1:1", embedded(&directory));
        let no_directory = StoreUnderTest::Embedded {
            path: "/dev/null/store.redb".into(),
        };
        for (settings, words) in [
            (
                Settings {
                    listen: taken.clone(),
                    ..usable.clone()
                },
                format!("server.listen = {taken} cannot be listened on"),
            ),
            (
                Settings {
                    ops_listen: taken.clone(),
                    ..usable.clone()
                },
                format!("server.ops_listen = {taken} cannot be listened on"),
            ),
            (
                Settings {
                    store: no_directory,
                    ..usable.clone()
                },
                "store.path: /dev/null/store.redb cannot be opened".to_owned(),
            ),
        ] {
            let mut process = Process::start(&settings);
            assert_eq!(process.ended(SOON).await, Some(1));
            assert!(process.log().contains(&words), "{words}: {}", process.log());
        }
    });
}

#[test]
fn an_appsecret_that_wechat_does_not_know_is_told_by_readyz_with_its_app() {
    timed(async || {
        let apps = apps(1);
        let wechat = Simulator::start(wechat_with(&apps)).await;
        let wechat = wechat.expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = Settings::new(&wechat.base_url(), embedded(&directory)).apps(apps);
        settings.apps[0].secret = "canary-secret".to_owned();
        not_ready(&settings, &["wx0000000000000001: ", "AppSecret"]).await;
    });
}

#[test]
fn a_redis_that_lets_nobody_in_is_told_by_readyz_with_its_key() {
    timed(async || {
        let narrow = |id: &str, right: &str| {
            let acl = ACL.replace(right, "");
            format!("user {id} on >canary {acl}")
        };
        let server = RedisServer::start_with(RedisOptions {
            lines: vec![
                narrow("nothing", ACL),
                narrow("no-reading", "+hgetall"),
                narrow("no-writing", "+hset"),
                narrow("no-scripts", "+evalsha"),
            ],
            ..RedisOptions::default()
        });
        let cases = [
            ("nothing:wrong-canary", "put in the user and the password"),
            ("nothing:canary", "lacks a right"),
            ("no-reading:canary", "lacks a right"),
            ("no-writing:canary", "lacks a right"),
            ("no-scripts:canary", "lacks a right"),
        ];
        for (login, words) in cases {
            let store = StoreUnderTest::Redis {
                url: format!("redis://{login}@127.0.0.1:{}", server.port()),
                namespace: "test".to_owned(),
            };
            let settings = Settings::new("http://127.0.0.1:1", store);
            not_ready(&settings, &["store.url: ", words]).await;
        }
    });
}
