//! The embedded store's one process, killed again and again; and a second one beside it.

use std::time::Duration;

use serde_json::json;
use wechat_simulator::Simulator;

use super::rig::SOON;
use crate::support::fleet::{eventually, wechat_with};
use crate::support::process::Process;
use crate::support::settings::{AppUnderTest, Settings, StoreUnderTest};
use crate::support::timed::timed;

const APP: &str = "wx0000000000000001";

#[test]
fn killed_and_started_twenty_times_it_serves_the_same_token_without_a_fetch() {
    timed(async || {
        let mut wechat = wechat_with(&[AppUnderTest::new(APP)]);
        wechat.token_life = Duration::from_secs(7200);
        let wechat = Simulator::start(wechat)
            .await
            .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broker.redb");
        let settings = Settings::new(&wechat.base_url(), StoreUnderTest::Embedded { path });
        let mut process = Process::listening(&settings).await;
        let first = process.caller().await.token_within(APP, SOON).await;
        for _ in 0..20 {
            process.kill();
            process = Process::listening(&settings).await;
            let reply = process.caller().await.token_within(APP, SOON).await;
            assert_eq!(
                (reply.token(), reply.version()),
                (first.token(), first.version())
            );
        }
        assert_eq!(wechat.fetches(APP).len(), 1);
    });
}

#[test]
fn a_second_process_on_the_same_file_is_refused_and_told_why() {
    timed(async || {
        let wechat = Simulator::start(wechat_with(&[AppUnderTest::new(APP)]))
            .await
            .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broker.redb");
        let store = StoreUnderTest::Embedded { path: path.clone() };
        let settings = Settings::new(&wechat.base_url(), store);
        let first = Process::listening(&settings).await;
        let mut second = Process::start(&settings);
        assert_eq!(second.ended(SOON).await, Some(1));
        let log = second.log();
        assert!(log.contains(&path.display().to_string()), "{log}");
        assert!(log.contains("another process"), "{log}");
        assert_eq!(
            first.caller().await.token_within(APP, SOON).await.status,
            200
        );
    });
}

#[test]
fn a_damaged_file_is_refused_by_name_and_left_as_it_is() {
    timed(async || {
        let wechat = Simulator::start(wechat_with(&[AppUnderTest::new(APP)]))
            .await
            .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broker.redb");
        let store = StoreUnderTest::Embedded { path: path.clone() };
        let settings = Settings::new(&wechat.base_url(), store);
        let mut process = Process::listening(&settings).await;
        process.caller().await.token_within(APP, SOON).await;
        process.kill();
        let sound = std::fs::read(&path).expect("the file is read");
        let overwritten = |from: usize, to: usize| {
            let mut bytes = sound.clone();
            bytes[from..to].fill(0xa5);
            bytes
        };
        let damages = [
            Vec::new(),
            b"not a database".to_vec(),
            sound[..sound.len() / 2].to_vec(),
            overwritten(0, 64),
            overwritten(64, 320),
            overwritten(320, sound.len()),
        ];
        for damaged in damages {
            std::fs::write(&path, &damaged).expect("the file is written");
            let mut refused = Process::start(&settings);
            assert_eq!(refused.ended(SOON).await, Some(1), "{}", refused.log());
            let log = refused.log();
            assert!(log.contains(&path.display().to_string()), "{log}");
            assert!(log.contains("damaged"), "{log}");
            assert_eq!(std::fs::read(&path).expect("it is read"), damaged);
        }
        std::fs::write(&path, &sound).expect("the file is written");
        let fetched = wechat.fetches(APP).len();
        let restored = Process::listening(&settings).await;
        restored.caller().await.token_within(APP, SOON).await;
        assert!(wechat.fetches(APP).len() <= fetched + 1);
    });
}

#[test]
fn a_disk_that_was_full_is_written_to_again_once_there_is_room() {
    timed(async || {
        let mut wechat = wechat_with(&[AppUnderTest::new(APP)]);
        wechat.token_life = Duration::from_secs(30);
        let wechat = Simulator::start(wechat)
            .await
            .expect("the simulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broker.redb");
        let settings = Settings::new(&wechat.base_url(), StoreUnderTest::Embedded { path });
        let mut process = Process::that_survives_a_full_disk(&settings).await;
        let caller = process.caller().await;
        let first = caller.token_within(APP, SOON).await;

        process.limit_file_size(Some(1));
        let pause = caller.post(&format!("/apps/{APP}/pause"), json!({})).await;
        assert_eq!(pause.status, 503, "{}", pause.body);
        let meanwhile = caller.token(APP).await;
        assert_eq!(meanwhile.status, 200, "{}", meanwhile.body);
        assert_eq!(meanwhile.token(), first.token());

        process.limit_file_size(None);
        eventually("it is written to again", SOON, async || {
            let resume = format!("/apps/{APP}/resume");
            caller.post(&resume, json!({})).await.status == 200
        })
        .await;
        assert_eq!(caller.token(APP).await.token(), first.token());

        // What was written since is there after a restart.
        caller.post(&format!("/apps/{APP}/pause"), json!({})).await;
        process.kill();
        process = Process::listening(&settings).await;
        let caller = process.caller().await;
        eventually("what was stored is read", SOON, async || {
            let app = caller.get(&format!("/apps/{APP}")).await;
            app.json()["paused"] == true
        })
        .await;
        assert_eq!(wechat.fetches(APP).len(), 1);
    });
}
