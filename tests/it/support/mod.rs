//! What the tests share: a real Redis, a simulated WeChat, brokers in this process and in their own.

pub(crate) mod redis;
