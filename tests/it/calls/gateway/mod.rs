//! The gateway: callers' own calls, passed on to a simulated WeChat and back.

mod native;
mod passing;
mod paths;
mod refused_tokens;
mod rig;
mod slow;
mod smuggling;
mod streams;
