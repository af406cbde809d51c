//! How the configuration in force stands to the one that is written: for `GET /apps` and `status`.

use std::time::Duration;

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the configuration in force was read, since 1970 UTC.
    pub since: Duration,
    /// The one that was read after it and cannot be used.
    pub refused: Option<Refused>,
    /// What is written and holds only after a restart.
    pub waits_for_restart: Vec<String>,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it was read, since 1970 UTC.
    pub at: Duration,
    /// Everything that is wrong with it; no values.
    pub errors: String,
}
