//! The world as it is: each adapter fulfils one port of [`crate::ports`].

pub mod embedded;
mod record;
pub mod redis;
