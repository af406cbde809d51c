//! Random histories of the hostile kind, a few in every run of the tests: several faults at a time, then
//! peace. `years` runs many more, of every kind.

use super::history::{HOUR, Setup, seeds};
use super::plan::{Plan, Severity};
use super::years::show;

fn suffers(setup: Setup) {
    for seed in seeds(3) {
        let plan = Plan::of(seed, setup, Severity::Hostile, 4 * HOUR);
        let outcome = plan.run();
        assert!(outcome.figures.served > 0, "{seed}: nobody was served");
        assert!(outcome.violations.is_empty(), "{}", show(&plan, &outcome));
    }
}

#[test]
fn whatever_happens_to_a_token_the_promises_are_kept() {
    suffers(Setup::TOKEN);
}

#[test]
fn whatever_happens_to_a_stable_token_the_promises_are_kept() {
    suffers(Setup::STABLE);
}
