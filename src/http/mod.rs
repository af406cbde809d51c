//! The HTTP interface: request → caller, app, verb → `broker` → answer.
//!
//! [`routes`] is the table of all routes; a [`shortcut`] leads to the hot one. A handler is a few lines: it asks
//! the [`call`] who asks for what, asks the broker, and renders; whatever goes wrong is a [`problem`]. What only
//! WeChat can answer is asked by [`calls`](crate::calls). [`layer`] stands around every handler: request id,
//! counters, access log. Nothing here ever waits for the store or for WeChat while a token can be answered from
//! memory.

mod apps;
mod arrival;
mod body;
mod call;
mod callers;
mod client_address;
mod conditional;
mod connections;
mod contract;
mod docs;
mod events;
mod gateway;
mod jssdk;
mod layer;
mod native;
mod negotiation;
mod oauth;
mod ops;
mod paced;
mod pages;
mod parameters;
mod persons;
mod problem;
mod rate;
mod readiness;
mod refresh;
mod report;
mod request_id;
mod route;
mod routes;
mod server;
mod shortcut;
mod shown;
mod status_page;
mod streams;
mod throttle;
mod ticket;
mod tls;
mod token;
mod traced;
mod upload;
mod users;

pub use callers::Callers;
pub use client_address::behind as client_behind;
pub use connections::{Cut, Leaving, WebApp};
pub use contract::{openapi, openapi_json};
pub use ops::OpsState;
pub use pages::Pages;
pub use problem::Code;
pub use readiness::{Complaint, Readiness};
pub use route::Route;
pub use routes::{ApiState, api, ops};
pub use server::{Limits, serve_api, serve_ops};
pub use status_page::{PageSettings, StatusPage};
pub use tls::{Certificate, TlsError};
