//! Opening the file: by one process, and never at the cost of what is in it.
//!
//! redb repairs a file while opening it, and meets some damage with a panic only after it has written. So
//! a file is first opened as a copy in memory, checked whole and read through; only a file that passes is
//! opened itself. A new file is made under another name and then renamed, so that an empty or half-made
//! file under the real name can only be damage.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend as _,
    TableDefinition,
};

use crate::domain::time::Timestamp;

/// The records, each as JSON, by the credential's name.
pub(super) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

/// What is kept beside the records.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// In [`META`]: the latest time at which a record was changed, in microseconds.
pub(super) const CHANGED_AT: &str = "changed_at";

/// Why the file cannot be used. It was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Only one broker may use it.
    #[error(
        "{} is held by another process; the embedded store serves one broker process. Stop the other \
         one, or share a Redis between them (store.kind = \"redis\")",
        path.display()
    )]
    Held {
        /// Which file.
        path: PathBuf,
    },
    /// What it holds cannot be trusted.
    #[error(
        "{} is damaged ({reason}) and was left as it is. Restore it, or move it away to start anew: the \
         broker then remembers no budget, no epoch and no pause",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system refuses.
    #[error("{} cannot be opened: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Opens the file at `path`, or makes it, and says when it was last changed.
pub(super) fn open(path: &Path) -> Result<(Database, Timestamp), OpenError> {
    let failed = |error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let damaged = |reason| OpenError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let parent = directory_of(path);
    if !parent.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed)?;
    }
    if !path.try_exists().map_err(failed)? {
        create(path)?;
    }
    let mut file = open_locked(path, false)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let changed_at = rehearse(&bytes).map_err(damaged)?;
    drop(bytes);
    file.rewind().map_err(failed)?;
    match Database::builder().create_file(file) {
        Ok(database) => Ok((database, changed_at)),
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(OpenError::Held {
            path: path.to_owned(),
        }),
        Err(error) => Err(damaged(error.to_string())),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Opens the file and takes its lock, which is held for as long as the file is open.
fn open_locked(path: &Path, new: bool) -> Result<File, OpenError> {
    let failed = |error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(new)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes an empty database beside `path` and gives it its name once it is whole.
fn create(path: &Path) -> Result<(), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let draft = PathBuf::from(name);
    let failed = |error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let file = open_locked(&draft, true)?;
    if path.try_exists().map_err(failed)? {
        // Another process was faster.
        return Ok(());
    }
    file.set_len(0).map_err(failed)?;
    let build = || -> Result<(), redb::Error> {
        let database = Database::builder().create_file(file)?;
        let transaction = database.begin_write()?;
        transaction.open_table(RECORDS)?;
        transaction.open_table(META)?.insert(CHANGED_AT, 0)?;
        transaction.commit()?;
        Ok(())
    };
    build().map_err(|error| failed(io::Error::other(error)))?;
    fs::rename(&draft, path).map_err(failed)?;
    File::open(directory_of(path))
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

/// Opens a copy, checks it, and reads it through; redb may panic on what it cannot understand.
fn rehearse(bytes: &[u8]) -> Result<Timestamp, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let look = || -> Result<Timestamp, redb::Error> {
        let copy = InMemoryBackend::new();
        copy.set_len(bytes.len() as u64)?;
        copy.write(0, bytes)?;
        let mut database = Database::builder().create_with_backend(copy)?;
        if !database.check_integrity()? {
            return Err(redb::Error::Corrupted("its checksums do not match".into()));
        }
        let transaction = database.begin_read()?;
        for record in transaction.open_table(RECORDS)?.iter()? {
            record?;
        }
        let meta = transaction.open_table(META)?;
        let changed_at = meta.get(CHANGED_AT)?.map_or(0, |at| at.value());
        Ok(Timestamp::from_micros(changed_at))
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(Ok(changed_at)) => Ok(changed_at),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its structure makes no sense".to_owned()),
    }
}
