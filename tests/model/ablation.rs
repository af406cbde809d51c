//! What each safeguard is there for: with it taken out, a promise is broken.

use std::collections::BTreeMap;

use super::action::Fault;
use super::explore::Space;
use super::promise::Broken;
use super::sabotage::Sabotage;
use super::spaces::{number, warm};

/// Histories without one safeguard.
fn without(sabotage: Sabotage, faults: &[Fault]) -> Space {
    let budget = u8::try_from(faults.len()).unwrap_or(u8::MAX);
    Space {
        starts: warm(2, sabotage),
        ..Space::warm(budget, faults)
    }
}

/// Every safeguard, for the table in `docs/model.md`: which promise breaks, how often, and by which
/// number the first history that breaks it begins.
#[test]
#[expect(clippy::print_stdout, reason = "what was found is the result")]
fn what_breaks_without_each_safeguard() {
    let Some(walks) = number::<u64>("MODEL_ABLATION") else {
        return;
    };
    for sabotage in Sabotage::ALL {
        for budget in [1, 2] {
            let space = Space {
                budget,
                ..without(sabotage, &Fault::ALL)
            };
            let mut found: BTreeMap<Broken, (u64, u64)> = BTreeMap::new();
            for number in 0..walks {
                if let Some(promise) = space.walk(number).broken {
                    found.entry(promise).or_insert((0, number)).0 += 1;
                }
            }
            for (promise, (count, number)) in found {
                println!("{sabotage:?}: {budget} faults, {promise} × {count}, first by {number}");
            }
        }
    }
}
