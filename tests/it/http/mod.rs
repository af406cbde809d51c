//! The HTTP interface over the real broker, refresher and scheduler, with the ports replaced.

mod apps;
mod calls;
mod client_certificates;
mod contract;
mod documents;
mod events;
mod fakes;
mod logs;
mod metrics;
mod operations;
mod refusals;
mod reports;
pub(crate) mod rig;
mod slow;
mod status_page;
mod tls;
mod token;
mod wire;
