//! The store of a broker that runs as one process: a redb file, and the protocol's own functions.
//!
//! [`mod@file`] opens the file, or refuses without touching it; [`database`] opens it anew after an error of the
//! disk; [`form`] is what it holds of a record; [`time`] is its clock; [`store`] runs each change in one durable transaction.

mod database;
mod file;
mod form;
mod store;
mod time;

pub use file::OpenError;
pub use form::{decode, encode};
pub use store::{EmbeddedStore, TimeSource};
