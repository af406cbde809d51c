//! The embedded store's file: durable, for one process, and never harmed by being looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use token_broker::adapters::embedded::{EmbeddedStore, OpenError};
use token_broker::domain::credential::Mode;
use token_broker::domain::secret::Fingerprint;
use token_broker::ports::{Store as _, StoreError, Subject};

use super::sample::{ORIGIN, begin, permit, refresh, stored_grant, subject};

async fn filled(path: &Path) -> Subject {
    let store = EmbeddedStore::open(path, ORIGIN).unwrap();
    let of = subject(Mode::Token);
    refresh(&store, &of, 1).await;
    for _ in 0..20 {
        refresh(&store, &subject(Mode::Stable), 1).await;
    }
    of
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way/store.redb");
    let of = subject(Mode::Token);
    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();
    let grant = refresh(&store, &of, 1).await;
    let paused = subject(Mode::Token);
    let permit = permit(&store, &paused, 2).await;
    drop(store);

    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();

    assert_eq!(stored_grant(&store, &of).await, Some(grant));
    let record = store.read(&[&paused]).await.unwrap().pop().unwrap();
    assert_eq!(record.unwrap().answer.state.epoch, permit.epoch);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn the_file_of_a_process_that_was_killed_opens_with_all_it_held() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();
    let of = subject(Mode::Token);
    let grant = refresh(&store, &of, 1).await;
    // What a crash at this moment would leave behind: nothing was closed.
    let crashed = directory.path().join("crashed.redb");
    fs::copy(&path, &crashed).unwrap();

    let reopened = EmbeddedStore::open(&crashed, ORIGIN).unwrap();

    assert_eq!(stored_grant(&reopened, &of).await, Some(grant));
}

#[tokio::test]
async fn a_second_opening_is_refused_and_says_which_file_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();

    let error = EmbeddedStore::open(&path, ORIGIN).unwrap_err();

    let text = error.to_string();
    assert!(matches!(error, OpenError::Held { .. }), "{error:?}");
    assert!(
        text.contains("store.redb is held by another process"),
        "{text}"
    );
    drop(store);
    assert!(EmbeddedStore::open(&path, ORIGIN).is_ok());
}

/// `flock` asks for the lock from a process of its own, as a second broker would.
#[tokio::test]
async fn the_lock_holds_against_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();
    refresh(&store, &subject(Mode::Token), 1).await;
    let free = |path: &Path| {
        let status = std::process::Command::new("flock")
            .arg("-n")
            .arg(path)
            .arg("true")
            .status();
        status.unwrap().success()
    };
    assert!(!free(&path));
    drop(store);
    assert!(free(&path));
}

#[tokio::test]
async fn a_damaged_file_is_refused_by_name_and_left_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.redb");
    filled(&whole).await;
    let bytes = fs::read(&whole).unwrap();
    let garbage: Vec<u8> = (0..bytes.len()).map(|i| (i * 31 % 251) as u8).collect();
    let mut headed = garbage.clone();
    headed[..512].copy_from_slice(&bytes[..512]);
    let damages: [(&str, &[u8]); 7] = [
        ("empty", &[]),
        ("text", b"not a database\n"),
        ("garbage", &garbage),
        ("a true header before garbage", &headed),
        ("cut to the header", &bytes[..512]),
        ("cut in the middle", &bytes[..bytes.len() / 2]),
        ("cut by a byte", &bytes[..bytes.len() - 1]),
    ];
    for (what, damage) in damages {
        refused_and_untouched(&directory.path().join("damaged.redb"), what, damage);
    }
}

fn refused_and_untouched(path: &Path, what: &str, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    let error = EmbeddedStore::open(path, ORIGIN).expect_err(what);
    assert!(
        matches!(error, OpenError::Damaged { .. }),
        "{what}: {error:?}"
    );
    assert!(error.to_string().contains("damaged.redb"), "{error}");
    assert!(
        fs::read(path).unwrap() == bytes,
        "{what}: the file was changed"
    );
}

#[tokio::test]
async fn a_flipped_bit_is_found_or_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.redb");
    let of = filled(&whole).await;
    let store = EmbeddedStore::open(&whole, ORIGIN).unwrap();
    let grant = stored_grant(&store, &of).await;
    drop(store);
    let bytes = fs::read(&whole).unwrap();
    let mut found = 0;
    // Every part of the header, and places spread over the rest.
    let places = (0..320)
        .step_by(8)
        .chain((4096..bytes.len()).step_by(bytes.len() / 60));
    for place in places {
        // A file each: the one before may still be held by a task that is about to end.
        let path = directory.path().join(format!("flipped-{place}.redb"));
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        match EmbeddedStore::open(&path, ORIGIN) {
            Ok(store) => assert_eq!(stored_grant(&store, &of).await, grant, "byte {place}"),
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
                assert!(fs::read(&path).unwrap() == flipped, "byte {place}");
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_refused_and_left_alone() {
    const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let of = filled(&path).await;
    let key = of.credential.to_string();
    let database = redb::Database::open(&path).unwrap();
    let change = database.begin_write().unwrap();
    let newer = {
        let mut records = change.open_table(RECORDS).unwrap();
        let json = records.get(key.as_str()).unwrap().unwrap().value().to_vec();
        let json = String::from_utf8(json).unwrap();
        let newer = json
            .replace(r#""format":"1""#, r#""format":"2""#)
            .into_bytes();
        records.insert(key.as_str(), newer.as_slice()).unwrap();
        newer
    };
    change.commit().unwrap();
    drop(database);

    let store = EmbeddedStore::open(&path, ORIGIN).unwrap();
    let begun = store.begin(&of, &begin(2)).await;
    drop(store);

    assert!(matches!(begun, Err(StoreError::Unreadable(_))), "{begun:?}");
    let database = redb::Database::open(&path).unwrap();
    let records = database.begin_read().unwrap().open_table(RECORDS).unwrap();
    assert!(records.get(key.as_str()).unwrap().unwrap().value() == newer);
}

#[tokio::test]
async fn another_fleets_records_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let of = filled(&path).await;
    let store = EmbeddedStore::open(&path, Fingerprint::new(0xbad)).unwrap();

    let begun = store.begin(&of, &begin(2)).await;

    assert!(matches!(begun, Err(StoreError::Foreign(_))), "{begun:?}");
}
