//! The WeChat adapter against servers whose every byte is written here: what it sends, and what it makes
//! of replies that are broken, slow, endless or somebody else's.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails"
)]

mod broken;
mod fallback;
mod proxy;
mod secrecy;
mod setup;
mod tls;
mod tunnel;
mod wire;
mod wire_server;

pub(crate) use tls::self_signed;
