//! The simulator from outside, over sockets, as the service under test meets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod control;
mod faults;
mod outage;
mod people;
mod protocol;
mod support;
