//! What fulfils the ports: this machine's clocks, WeChat, the stores. They meet the core in `app` only.

pub mod clock;
pub mod wechat;
