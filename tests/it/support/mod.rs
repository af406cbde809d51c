//! What the tests share: a real Redis, a simulated WeChat, brokers in this process and in their own.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

pub(crate) mod broker;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod events;
pub(crate) mod fleet;
pub(crate) mod places;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod sentinel;
pub(crate) mod settings;
pub(crate) mod stalls;
pub(crate) mod stores;
pub(crate) mod timed;
