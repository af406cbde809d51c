//! WeChat's API over HTTP, as the core's [`Upstream`](crate::ports::Upstream),
//! [`WeChatCalls`](crate::ports::WeChatCalls) and [`WeChatPassage`](crate::ports::WeChatPassage).
//!
//! | file | question it answers |
//! |---|---|
//! | `setup` | what must be configured, and how are the HTTP clients made? |
//! | `hosts` | which of WeChat's hosts is asked? |
//! | `kept` | how old may a kept connection grow? |
//! | `client` | what is sent, and how is a reply read within bounds? |
//! | `calls` | how is a call sent that is made for a caller, and does its reply tell of an error? |
//! | `passage` | how is a caller's own call passed on, and its reply back? |
//! | `mask` | how is a token kept out of what streams through? (pure) |
//! | `failure` | no whole reply: did the request leave this machine, and what may be said about it? |
//! | `object` | is a body one JSON object without surprises? |
//! | `classify` | what does a reply mean? (pure) |
//! | `errmsg` | what of WeChat's message may be logged? (pure) |
//!
//! Nothing that leaves this module holds a URL, an AppSecret or a token: reasons are sentences of our
//! own, and WeChat's messages are cleaned.

mod calls;
mod classify;
mod client;
mod errmsg;
mod failure;
mod hosts;
mod kept;
mod mask;
mod object;
mod passage;
mod setup;

pub use calls::classify_call;
pub use classify::{classify_check, classify_fetch};
pub use client::WeChat;
pub use kept::CONNECTION_AGE;
pub use mask::Mask;
pub use passage::errcode_of;
pub use setup::{Names, SetupError, UpstreamSettings};
