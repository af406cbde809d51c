//! The rules, pure: no clock, no randomness, no I/O, and nothing imported but `std` and `thiserror`.
//!
//! Nouns: [`credential`], [`caller`], [`api_path`], [`path_pattern`], [`page_host`], [`grant`], [`epoch`], [`secret`],
//! [`time`], [`rules`], [`budget`], [`upstream_error`], [`history`]. What the store does to its record of a
//! credential: [`protocol`]. What one replica
//! makes of what it has seen: [`replica`].

pub mod api_path;
pub mod app_id;
pub mod backoff;
pub mod budget;
pub mod caller;
pub mod credential;
pub mod earlier;
pub mod epoch;
pub mod grant;
pub mod history;
pub mod page_host;
pub mod path_pattern;
pub mod protocol;
pub mod replica;
pub mod rules;
pub mod secret;
pub mod state;
pub mod time;
pub mod upstream_error;
