//! The open database. After an error of the disk redb refuses everything until it is opened anew, which is
//! done here: a disk that was full for a while is no reason to restart the broker.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::Database;
use tracing::{info, warn};

use super::file::{self, OpenError};
use crate::domain::time::Timestamp;
use crate::ports::StoreError;

/// At most so often is it opened anew: the whole file is read for that.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A database that opens itself anew.
pub(super) struct OpenDatabase {
    path: PathBuf,
    state: RwLock<State>,
}

struct State {
    /// `None` while it cannot be opened.
    database: Option<Database>,
    opened_at: Instant,
}

impl OpenDatabase {
    /// Opens the file, or makes it; says when it was last changed.
    ///
    /// # Errors
    /// [`OpenError`] names the file, which was left as it is.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Timestamp), OpenError> {
        let (database, changed_at) = file::open(&path)?;
        let state = RwLock::new(State {
            database: Some(database),
            opened_at: Instant::now(),
        });
        Ok((Self { path, state }, changed_at))
    }

    /// Works with it. What redb refuses has it opened anew, for whoever comes next.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Refused`] while it cannot be opened.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match &state.database {
                Some(database) => work(database),
                None => Err(StoreError::Refused(
                    "the file could not be opened anew after an error of the disk".to_owned(),
                )),
            }
        };
        if matches!(result, Err(StoreError::Refused(_))) {
            self.open_anew();
        }
        result
    }

    fn open_anew(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.opened_at.elapsed() < BETWEEN_TRIES {
            return;
        }
        state.opened_at = Instant::now();
        // Closed first: its lock is in the way.
        state.database = None;
        match file::open(&self.path) {
            Ok((database, _)) => {
                info!(path = %self.path.display(), "the store's file was opened anew after an error of the disk");
                state.database = Some(database);
            }
            Err(error) => {
                warn!(%error, "the store's file cannot be opened anew; this is tried again");
            }
        }
    }
}
