//! What tests start and hold.

pub(crate) mod redis;
