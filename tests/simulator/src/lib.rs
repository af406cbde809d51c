//! WeChat's token API, for tests of whoever uses it.
//!
//! It plays WeChat's side as documented (see `Settings` for the figures), knows at every moment which token is
//! valid, remembers every call, and breaks on demand. It knows nothing of the broker that it tests.
//!
//! | part | what it is |
//! |---|---|
//! | [`Simulator`] | a WeChat on a port of its own: start, stop, outages, waiting |
//! | `oracle` | what a test may ask: verdicts on tokens, calls, violations |
//! | `levers` | what a test may do: foreign fetches, changed secrets, forced errors |
//! | [`Fault`], [`Garbage`] | what goes wrong with a call |
//! | `platform` | WeChat without a network: accounts, tokens, limits; pure functions of `now` |
//! | `endpoints` | one file an endpoint |
//! | `server` | sockets, HTTP, and the way of a call through its fault |
//! | `control` | the same questions and levers over HTTP, for `curl` and other processes |
//!
//! A call comes in through `server::connection`, `server::exchange` finds its endpoint and the fault that meets
//! it, the endpoint acts on the `platform` under one lock, and the fault decides what of that the caller hears.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use wechat_simulator::{Endpoint, Fault, FaultKind, Settings, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let wechat = Simulator::start(Settings::with_app("wx0000000000000001", "secret")).await?;
//! wechat.faults().add(Fault::new(FaultKind::ActThenCut).on(Endpoint::Token).once());
//!
//! // Point the service under test at `wechat.base_url()`, and then ask the oracle:
//! let token = wechat.foreign_fetch("wx0000000000000001");
//! assert!(wechat.was_valid("wx0000000000000001", &token, Instant::now()));
//! assert!(wechat.fetches("wx0000000000000001").is_empty());
//! let called = |wechat: &Simulator| wechat.count("wx0000000000000001", Endpoint::Token) > 0;
//! assert!(!wechat.wait_for(Duration::from_millis(10), called).await);
//! assert_eq!(wechat.violations(), []);
//! # Ok(())
//! # }
//! ```

mod control;
mod endpoints;
mod faults;
mod levers;
mod oracle;
mod platform;
mod server;
mod settings;
mod simulator;

/// The README's example has to compile too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use faults::{Fault, FaultId, FaultKind, Garbage};
pub use levers::Faults;
pub use platform::calls::{Call, Endpoint, Outcome, Violation};
pub use platform::history::{Death, IssuedToken, Series, Verdict};
pub use platform::people::Scope;
pub use platform::tickets::{IssuedTicket, TicketKind, TicketRule};
pub use settings::{App, Settings, User};
pub use simulator::Simulator;
