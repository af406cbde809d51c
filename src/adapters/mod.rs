//! What fulfils the ports: this machine's clocks and chance, WeChat, the stores. They meet the core in
//! `app` only.

pub mod chance;
pub mod clock;
pub mod embedded;
mod record;
pub mod redis;
pub mod sealed;
pub mod wechat;
