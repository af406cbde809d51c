//! The kept corpus of the fuzz targets, run through the same functions as `make fuzz` runs: what once was found stays
//! found. In this binary and not in one of its own, which would have to link all that `http` has linked here.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::http::rig;
use crate::support::places::heavy;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use targets::TARGETS;

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
    let _heavy = heavy();
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
fn every_target_has_a_small_corpus_and_no_corpus_is_without_one() {
    let corpora = entries(&folder("corpus"));
    let named = corpora.iter().filter_map(|path| path.file_name()?.to_str());
    let named: Vec<_> = named.collect();
    assert_eq!(named, TARGETS.map(|(name, _)| name));
    for (name, _) in TARGETS {
        let kept = entries(&folder("corpus").join(name));
        let sizes = kept
            .iter()
            .map(|path| path.metadata().map_or(0, |it| it.len()));
        assert!((1..=MOST.0).contains(&kept.len()), "{name}: {}", kept.len());
        assert!(sizes.sum::<u64>() <= MOST.1, "{name} is too large");
    }
}
