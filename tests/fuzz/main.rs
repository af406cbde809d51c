//! What libFuzzer runs: the target that `FUZZ_TARGET` names. One binary for all, since each would link the whole product.

#![no_main]

mod bounded;
#[path = "../it/http/fakes.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the interface, which need more of it"
)]
mod fakes;
#[path = "../it/http/rig.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the interface, which need more of it"
)]
mod rig;
mod targets;

use std::sync::LazyLock;

use targets::{TARGETS, Target};

static ASKED: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map_or_else(|| panic!("FUZZ_TARGET={name} names no target"), |(_, run)| *run)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| ASKED(input));
