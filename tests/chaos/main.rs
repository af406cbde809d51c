//! Chaos: real broker processes on a real store, callers at work, and faults drawn from a seed, for as long as
//! asked. Every reply is kept and judged by the simulator's oracle.
//!
//! A short part runs with all tests. `make chaos MINUTES=60` runs for long; `SEED=` begins with another
//! round, `STORE=` keeps to one kind of store. A round that fails says how it is run again. What was drawn
//! is the same again; how the machine times it is not.

#![expect(
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]
#![expect(clippy::print_stdout, reason = "figures for whoever runs it for long")]

mod fault;
mod ground;
mod judge;
mod replica;
mod round;
mod store;
#[path = "../it/support/mod.rs"]
#[expect(
    dead_code,
    reason = "shared with the other tests, which need more of it"
)]
mod support;

use std::time::{Duration, Instant};

use round::Totals;
use store::Kept;
use support::timed::timed;

/// How many faults a round has that is a part of all tests.
const FEW: usize = 2;
/// How many a long one has, before everything is started anew.
const MANY: usize = 14;

fn asked<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_fleet_keeps_its_promises_through_faults_at_random() {
    let first: u64 = asked("CHAOS_SEED").unwrap_or(1);
    let stores = match asked::<Kept>("CHAOS_STORE") {
        Some(store) => vec![store],
        None => Kept::ALL.to_vec(),
    };
    let play = |seed, store, faults| timed(async || round::play(seed, store, faults).await);
    let Some(minutes) = asked::<u64>("CHAOS_MINUTES") else {
        let store = stores.first().copied().unwrap_or(Kept::Standalone);
        println!("{}", play(first, store, FEW));
        return;
    };
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut totals = Totals::default();
    for seed in first.. {
        let store = stores[usize::try_from(seed).unwrap_or_default() % stores.len()];
        let round = play(seed, store, MANY);
        println!("round {seed} on {store:?}: {round}");
        totals.add(&round);
        if Instant::now() >= end {
            break;
        }
    }
    println!("all rounds: {totals}");
}
