//! The same store behind one server, TLS and an ACL user, Sentinels, and a cluster: what holds for one holds
//! for each. The long run of random histories is against one server; here is a short one of each kind.

use std::time::Duration;

use token_broker::adapters::redis::{RedisSettings, RedisStore, TlsFiles};
use token_broker::domain::credential::Mode;
use token_broker::ports::{Signal, Store as _};

use super::equivalence::{Replicas, World};
use super::sample::{begin, fixed, refresh, secs, settings, stored_grant, subject};
use super::signals::Listener;
use crate::support::certificates::Certificates;
use crate::support::cluster::Cluster;
use crate::support::redis::{ACL, RedisOptions, RedisServer, free_port};
use crate::support::sentinel::Watched;

const HISTORIES: u32 = 8;

/// With time for `WAIT` also on a busy machine.
pub(super) fn patient(url: &str) -> RedisSettings {
    RedisSettings {
        connect_timeout: secs(2),
        reply_timeout: secs(2),
        ..settings(url)
    }
}

fn behaves(settings: &RedisSettings) {
    let now = World::beginning();
    let stores = vec![Replicas::one("Redis", fixed(settings, &now))];
    World { now, stores }.live(HISTORIES);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            many_records_are_read_in_their_order(settings).await;
            a_lost_script_is_loaded_again(settings).await;
            others_hear_of_a_commit_and_a_question(settings).await;
        });
}

async fn many_records_are_read_in_their_order(settings: &RedisSettings) {
    let store = RedisStore::new(settings).unwrap();
    let subjects: Vec<_> = (0..450).map(|_| subject(Mode::Token)).collect();
    let mut held = Vec::new();
    for index in [1, 7, 8, 200, 321, 449] {
        held.push((index, refresh(&store, &subjects[index], 1).await));
    }

    let of: Vec<_> = subjects.iter().collect();
    let records = store.read(&of).await.unwrap();

    let found = records.iter().enumerate().filter_map(|(index, record)| {
        let grant = record.as_ref().unwrap().answer.grant.clone()?;
        Some((index, grant))
    });
    assert_eq!(found.collect::<Vec<_>>(), held);
    assert_eq!(records.len(), 450);
}

async fn a_lost_script_is_loaded_again(settings: &RedisSettings) {
    // Each store with its own first use of a script, on whatever server its keys lie.
    for _ in 0..6 {
        let store = RedisStore::new(settings).unwrap();
        let of = subject(Mode::Stable);
        let answer = store.begin(&of, &begin(1)).await.unwrap().answer;
        assert!(answer.confirmed, "{answer:?}");
    }
}

async fn others_hear_of_a_commit_and_a_question(settings: &RedisSettings) {
    let store = RedisStore::new(settings).unwrap();
    let mut listener = Listener::to(store.signals());
    let asked = subject(Mode::Token);
    let question = Signal::Asked(asked.credential.clone());
    let mut heard = false;
    for _ in 0..50 {
        store.ask(&asked).await.unwrap();
        heard = listener.hears(&question, Duration::from_millis(100)).await;
        if heard {
            break;
        }
    }
    assert!(heard, "nobody listens");

    // On whichever server each lies.
    for _ in 0..6 {
        let of = subject(Mode::Token);
        let grant = refresh(&store, &of, 1).await;
        let changed = Signal::Changed(of.credential.clone(), grant.version);
        assert!(listener.hears(&changed, secs(3)).await);
        assert_eq!(stored_grant(&store, &of).await, Some(grant));
    }
}

#[test]
fn behind_tls_with_a_client_certificate_and_the_least_acl() {
    let certificates = Certificates::make();
    let port = free_port();
    let mut lines = certificates.server_lines(port);
    lines.push(format!("user broker on >p%w {ACL}"));
    lines.push("user default off".to_owned());
    let _server = RedisServer::start_with(RedisOptions {
        lines,
        ..RedisOptions::default()
    });
    behaves(&RedisSettings {
        tls: TlsFiles {
            ca: Some(certificates.ca()),
            client: Some(certificates.client()),
        },
        ..patient(&format!("rediss://broker:p%25w@127.0.0.1:{port}/1"))
    });
}

#[test]
fn under_sentinels() {
    let watched = Watched::start();
    behaves(&patient(&watched.url()));
}

#[test]
fn in_a_cluster() {
    let cluster = Cluster::start();
    behaves(&patient(&cluster.url()));
}
