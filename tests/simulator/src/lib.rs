//! WeChat, simulated.
