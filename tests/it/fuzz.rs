//! The kept corpus of the fuzz targets, run through the same functions as `make fuzz` runs: what once was found stays
//! found. In this binary and not in one of its own, which would have to link all that `http` has linked here.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::http::rig;

#[path = "../fuzz/targets/api.rs"]
mod api;
#[path = "../fuzz/targets/authorize_url.rs"]
mod authorize_url;
#[path = "../fuzz/targets/caller_key.rs"]
mod caller_key;
#[path = "../fuzz/targets/client_address.rs"]
mod client_address;
#[path = "../fuzz/targets/configuration.rs"]
mod configuration;
#[path = "../fuzz/targets/gateway_path.rs"]
mod gateway_path;
#[path = "../fuzz/targets/record.rs"]
mod record;
#[path = "../fuzz/targets/reply_mask.rs"]
mod reply_mask;
#[path = "../fuzz/targets/request.rs"]
mod request;
#[path = "../fuzz/targets/sealed_record.rs"]
mod sealed_record;
#[path = "../fuzz/targets/stored_record.rs"]
mod stored_record;
#[path = "../fuzz/targets/upstream_reply.rs"]
mod upstream_reply;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 10] = [
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

/// How much is kept of what a target has found: enough for the paths through it, few enough for a test.
const MOST: (usize, u64) = (30, 100 * 1024);

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(of)
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn what_was_kept_of_fuzzing_passes() {
    let mut failed = Vec::new();
    for (name, run) in TARGETS {
        for path in entries(&folder("corpus").join(name)) {
            let input = fs::read(&path).expect("a readable input");
            if catch_unwind(AssertUnwindSafe(|| run(&input))).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "each has failed above: {failed:#?}");
}

#[test]
fn every_target_has_a_binary_and_a_small_corpus() {
    let named = |of: &str| -> BTreeSet<String> {
        let stems = entries(&folder(of)).into_iter();
        stems
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    };
    let targets = TARGETS.map(|(name, _)| name.to_owned()).into();
    assert_eq!(named("bin"), targets);
    assert_eq!(named("corpus"), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("a manifest");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let kept = entries(&folder("corpus").join(name));
        let sizes = kept
            .iter()
            .map(|path| path.metadata().map_or(0, |it| it.len()));
        assert!((1..=MOST.0).contains(&kept.len()), "{name}: {}", kept.len());
        assert!(sizes.sum::<u64>() <= MOST.1, "{name} is too large");
    }
}
