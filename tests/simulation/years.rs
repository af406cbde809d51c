//! Simulated years: as many histories as it takes, of fleets of any kind, with faults from benign to
//! hostile. A history that breaks a promise is made small and shown with the command that repeats it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::history::{DAY, HOUR, Outcome};
use super::plan::{LASTS, Plan, Severity};
use super::world::from_environment;

const YEAR: Duration = Duration::from_secs(365 * DAY.as_secs());

/// How often a failing history is run again to make it small.
const SHRINK_AT_MOST: usize = 60;

/// Says something past the test's captured output, so that it is seen.
pub(crate) fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// What many histories came to, of one severity.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    histories: u64,
    lasted: Duration,
    served: u64,
    fetches: u64,
    dead_time: Duration,
    longest_dead: Duration,
    most_in_a_day: usize,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.lasted += outcome.lasted;
        self.served += outcome.figures.served;
        self.fetches += outcome.fetches;
        self.dead_time += outcome.figures.dead_time;
        self.longest_dead = self.longest_dead.max(outcome.figures.dead_for);
        self.most_in_a_day = self.most_in_a_day.max(outcome.most_in_a_day);
    }

    fn line(&self, name: &str) -> String {
        format!(
            "{name}: {:.2} years in {} histories, {} replies, {:.1} fetches a day (at most {} in one), {:.0} s with a dead token, {:.1} s at a time",
            self.lasted.as_secs_f64() / YEAR.as_secs_f64(),
            self.histories,
            self.served,
            self.fetches as f64 * DAY.as_secs_f64() / self.lasted.as_secs_f64(),
            self.most_in_a_day,
            self.dead_time.as_secs_f64(),
            self.longest_dead.as_secs_f64(),
        )
    }
}

/// Shows a history that failed: what broke, the faults that it takes, and how to repeat it.
pub(crate) fn show(plan: &Plan, outcome: &Outcome) -> String {
    let first = outcome.violations.last().cloned().unwrap_or_default();
    let kept = plan.shrink(SHRINK_AT_MOST, |smaller| {
        !smaller.run().violations.is_empty()
    });
    let faults: Vec<String> = kept
        .iter()
        .map(|number| format!("  {number}: {:?}", plan.blows[*number]))
        .collect();
    let numbers: Vec<String> = kept.iter().map(ToString::to_string).collect();
    format!(
        "seed {} ({:?}, {:?}): {first}\nit takes {} of its {} faults:\n{}\nto repeat: SIMULATION_PLAN={} SIMULATION_KEEP={} cargo test --test simulation years::one_history -- --nocapture",
        plan.seed,
        plan.severity,
        plan.setup,
        kept.len(),
        plan.blows.len(),
        faults.join("\n"),
        plan.name(),
        numbers.join(",")
    )
}

/// `SIMULATION_YEARS` years, in histories of three days, from the seed `SIMULATION_FIRST` on.
#[test]
fn as_many_years_as_are_asked_for_keep_the_promises() {
    let Some(years) = from_environment("SIMULATION_YEARS") else {
        return;
    };
    let first = from_environment("SIMULATION_FIRST").unwrap_or(1_000_000);
    let goal = YEAR * u32::try_from(years).unwrap_or(u32::MAX);
    let begun = Instant::now();
    let (mut sums, mut failed) = ([Sum::default(); 4], 0);
    let mut lasted = Duration::ZERO;
    for seed in first.. {
        if lasted >= goal {
            break;
        }
        let plan = Plan::any(seed, LASTS).silent();
        let outcome = plan.run();
        lasted += outcome.lasted.max(HOUR);
        sums[plan.severity as usize].add(&outcome);
        if !outcome.violations.is_empty() {
            failed += 1;
            say(format_args!("{}", show(&plan, &outcome)));
        }
        if (seed - first) % 100 == 99 {
            let years = lasted.as_secs_f64() / YEAR.as_secs_f64();
            let took = begun.elapsed();
            say(format_args!(
                "{years:.2} years in {took:.0?}, {failed} histories failed, next seed {}",
                seed + 1
            ));
        }
    }
    for (severity, sum) in Severity::ALL.iter().zip(&sums) {
        say(format_args!("{}", sum.line(&format!("{severity:?}"))));
    }
    assert_eq!(failed, 0, "histories broke a promise; they are shown above");
}

/// The history of `SIMULATION_PLAN`, or what `SIMULATION_KEEP` leaves of it; with `SIMULATION_SILENT` as it is in a
/// year, for whoever measures what takes its time.
#[test]
fn one_history_is_repeated() {
    let named = std::env::var("SIMULATION_PLAN").ok();
    let Some(plan) = named.and_then(|name| Plan::named(&name)) else {
        return;
    };
    let plan = plan.kept_by_environment();
    let outcome = if std::env::var_os("SIMULATION_SILENT").is_some() {
        plan.silent().run()
    } else {
        plan.run()
    };
    for violation in &outcome.violations {
        say(format_args!("{violation}\n"));
    }
    say(format_args!(
        "{:?} {:?}",
        outcome.figures, outcome.fingerprint
    ));
    assert_eq!(outcome.violations, [""; 0]);
}

/// Everything that a seed decides, it decides the same way each time.
#[test]
fn a_seed_means_one_history() {
    for seed in [3, 4] {
        let [one, two] = [(), ()].map(|()| Plan::any(seed, 12 * HOUR).run());
        assert_eq!(one.fingerprint, two.fingerprint, "{seed}");
        assert_eq!(one.figures, two.figures, "{seed}");
        assert_eq!(one.violations, [""; 0], "{seed}");
    }
}

/// What is written down changes nothing of what happens.
#[test]
fn a_history_that_nobody_writes_down_is_the_same() {
    for seed in [3, 4] {
        let told = Plan::any(seed, 12 * HOUR);
        let [told, silent] = [told.clone(), told.silent()].map(|plan| plan.run());
        assert_eq!(silent.figures, told.figures, "{seed}");
        assert_eq!(
            (silent.fetches, silent.checks, silent.store_calls),
            (told.fetches, told.checks, told.store_calls),
            "{seed}"
        );
    }
}

/// A failure that two faults of many cause is shrunk to the two.
#[test]
fn a_history_that_fails_is_made_small() {
    let plan = Plan::any(7, LASTS);
    assert!(plan.blows.len() > 5, "{}", plan.blows.len());
    let culprits = [plan.blows[1], plan.blows[4]];
    let fails = |plan: &Plan| culprits.iter().all(|blow| plan.blows.contains(blow));
    assert_eq!(plan.shrink(200, fails), [1, 4]);
}
