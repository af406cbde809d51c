//! The store of a broker that runs as one process: a redb file, and the protocol's own functions.
//!
//! [`file`] opens the file, or refuses without touching it; [`database`] opens it anew after an error of the
//! disk; [`time`] is its clock; [`store`] runs each change in one durable transaction.

mod database;
mod file;
mod store;
mod time;

pub use file::OpenError;
pub use store::{EmbeddedStore, TimeSource};
