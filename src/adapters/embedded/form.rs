//! A record on the disk: `adapters::record`'s two lists, as one JSON object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapters::record::{Fields, grant_fields, state_fields};
use crate::adapters::sealed::{Revealed, Seals};
use crate::domain::protocol::Record;
use crate::domain::time::Timestamp;
use crate::ports::{StoreError, Subject};

/// No `Debug`, since it holds the token.
#[derive(Serialize, Deserialize)]
struct Stored {
    state: BTreeMap<String, String>,
    #[serde(default)]
    grant: BTreeMap<String, String>,
}

/// Writes a record, its grant and earlier tokens sealed where that is asked for.
///
/// # Errors
/// [`StoreError::Refused`] where the system has no randomness to seal with.
pub fn encode(seals: &Seals, of: &Subject, record: &Record) -> Result<Vec<u8>, StoreError> {
    let seal = |grant| seals.seal(&of.credential, grant);
    let grant = record.grant.as_ref().map(seal).transpose()?;
    let earlier = seals.seal_earlier(&of.credential, &record.state.earlier)?;
    let stored = Stored {
        state: state_fields(&record.state, earlier).into(),
        grant: grant
            .map(|grant| grant_fields(&grant).into())
            .unwrap_or_default(),
    };
    serde_json::to_vec(&stored)
        .map_err(|_| StoreError::Refused("the record cannot be written as JSON".to_owned()))
}

/// Reads a record as it was at `now`, with whatever of it may be used.
///
/// # Errors
/// [`StoreError::Unreadable`] says what of it, never what stands there.
pub fn decode(
    seals: &Seals,
    of: &Subject,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Revealed, StoreError> {
    // serde's own words could quote what is stored.
    let stored: Stored = serde_json::from_slice(bytes)
        .map_err(|_| StoreError::Unreadable("it is not the expected JSON".to_owned()))?;
    let state = seals.state(&of.credential, &Fields::from(stored.state))?;
    seals.reveal(of, state, &Fields::from(stored.grant), now)
}
