//! The fuzz targets: each a function of some bytes, which reads them as the product would and asserts what must hold
//! whatever they are. libFuzzer calls them (`make fuzz`), and `make test` with what was kept (`tests/it/fuzz.rs`).

mod api;
mod authorize_url;
mod caller_key;
mod client_address;
mod configuration;
mod gateway_path;
mod record;
mod reply_mask;
mod request;
mod sealed_record;
mod stored_record;
mod upstream_reply;

use super::rig;

/// What is done with an input.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name, which its corpus and its dictionary bear as well.
pub(crate) const TARGETS: [(&str, Target); 10] = [
    ("authorize_url", authorize_url::run),
    ("caller_key", caller_key::run),
    ("client_address", client_address::run),
    ("configuration", configuration::run),
    ("gateway_path", gateway_path::run),
    ("reply_mask", reply_mask::run),
    ("request", request::run),
    ("sealed_record", sealed_record::run),
    ("stored_record", stored_record::run),
    ("upstream_reply", upstream_reply::run),
];
