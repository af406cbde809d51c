//! One round: everything started anew, some faults one after the other, now and then two at once; after each,
//! everything must settle, and every reply is judged.

use std::fmt;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::fault::Fault;
use crate::ground::{Ground, LIMIT, OVERLAP, WINDOW};
use crate::judge::{Excuse, Judge, Verdict};
use crate::store::Kept;

/// Until everything is as before, once nothing is wrong any more: a lease, a spacing, a fetch.
const SETTLES_WITHIN: Duration = Duration::from_secs(40);

/// How often two faults meet.
const TWO: f64 = 0.3;

/// What rounds saw.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    faults: usize,
    replies: usize,
    refused: usize,
    unanswered: usize,
    dead: usize,
    longest_dead: Duration,
    longest_settling: Duration,
    fetches: usize,
    time: Duration,
}

impl Totals {
    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.replies += other.replies;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.dead += other.dead;
        self.longest_dead = self.longest_dead.max(other.longest_dead);
        self.longest_settling = self.longest_settling.max(other.longest_settling);
        self.fetches += other.fetches;
        self.time += other.time;
    }

    fn saw(&mut self, verdict: &Verdict) {
        self.replies += verdict.replies;
        self.refused += verdict.refused;
        self.unanswered += verdict.unanswered;
        self.dead += verdict.dead;
        self.longest_dead = self.longest_dead.max(verdict.longest_dead);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults in {:.0?}; {} replies, of these {} refused and {} unanswered while that was excused, \
             {} with a dead token, the longest dead for {:.2?}; settled within {:.1?}; {} fetches",
            self.faults,
            self.time,
            self.replies,
            self.refused,
            self.unanswered,
            self.dead,
            self.longest_dead,
            self.longest_settling,
            self.fetches,
        )
    }
}

/// Plays the round of this seed. Panics at the first breach, with the command that plays it again.
pub(crate) async fn play(seed: u64, kept: Kept, faults: usize) -> Totals {
    let begun = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let mut ground = Ground::start(kept).await;
    let mut judge = Judge::default();
    let mut totals = Totals::default();
    let settled = ground.settled(SETTLES_WITHIN).await;
    settled.unwrap_or_else(|why| panic!("it does not even start: {why}"));
    // Replies to callers that came before there was a token.
    drop(ground.take_heard());

    for number in 1..=faults {
        let drawn = draw(&mut random, kept);
        let lasts = Duration::from_millis(random.random_range(500..=4500));
        let calm = Duration::from_millis(random.random_range(0..=6000));
        tokio::time::sleep(calm).await;
        let quiet = judge.judge(&ground.take_heard(), &ground.wechat, Excuse::NONE);
        let outcome = match quiet {
            Ok(quiet) => {
                totals.saw(&quiet);
                suffer(&drawn, lasts, &mut ground, &mut judge, &mut totals).await
            }
            Err(breach) => Err(format!("before it: {breach}")),
        };
        if let Err(breach) = outcome {
            tell_logs(&ground);
            panic!(
                "round {seed} on {kept:?}, fault {number} {drawn:?} for {lasts:?}: {breach}\n\
                 once more: make chaos SEED={seed} STORE={kept:?} MINUTES=0"
            );
        }
    }
    totals.fetches = finish(&mut ground).await;
    totals.time = begun.elapsed();
    totals
}

/// One fault, or two of different kinds.
fn draw(random: &mut StdRng, kept: Kept) -> Vec<Fault> {
    let mut drawn = vec![Fault::draw(random, kept)];
    if random.random_bool(TWO) {
        let other = Fault::draw(random, kept);
        if other.kind() != drawn[0].kind() {
            drawn.push(other);
        }
    }
    drawn
}

async fn suffer(
    drawn: &[Fault],
    lasts: Duration,
    ground: &mut Ground,
    judge: &mut Judge,
    totals: &mut Totals,
) -> Result<(), String> {
    let mut excuse = Excuse::NONE;
    let begun = Instant::now();
    let mut inflicted = Vec::new();
    for fault in drawn {
        excuse = excuse.and(fault.excuse());
        if fault.inflict(ground).await {
            inflicted.push(*fault);
        } else {
            println!("  {fault:?} cannot be had on this machine");
        }
    }
    if inflicted.len() > 1 {
        excuse = excuse.and(Excuse::TWO);
    }
    tokio::time::sleep(lasts.saturating_sub(begun.elapsed())).await;
    for fault in &inflicted {
        fault.end(ground).await;
    }
    let settled = ground.settled(SETTLES_WITHIN).await;
    // A foreign fetch shows only when the token that it replaced dies.
    if drawn.iter().any(|fault| matches!(fault, Fault::Foreign(1))) {
        let killed = begun + OVERLAP + Duration::from_millis(100);
        tokio::time::sleep(killed.saturating_duration_since(Instant::now())).await;
    }
    let settled = match settled {
        Ok(_) => ground.settled(SETTLES_WITHIN).await,
        failed => failed,
    };
    let verdict = judge.judge(&ground.take_heard(), &ground.wechat, excuse)?;
    let took = settled.map_err(|why| format!("not settled: {why}"))?;
    println!(
        "  {inflicted:?} for {lasts:.1?}: settled after {took:.1?}, {} refused, dead at most {:.2?}",
        verdict.refused, verdict.longest_dead
    );
    totals.faults += inflicted.len();
    totals.saw(&verdict);
    totals.longest_settling = totals.longest_settling.max(took);
    Ok(())
}

/// The fetches kept to the budget, nothing was asked that no correct caller asks, and nothing panicked.
async fn finish(ground: &mut Ground) -> usize {
    let mut fetches = 0;
    for app in &ground.apps {
        let most = ground.wechat.max_fetches_in_any(&app.appid, WINDOW);
        let bound = LIMIT as usize * 9 / 10;
        assert!(most <= bound, "{}: {most} fetches in {WINDOW:?}", app.appid);
        fetches += ground.wechat.fetches(&app.appid).len();
    }
    assert_eq!(ground.wechat.violations(), []);
    for replica in &mut ground.replicas {
        assert!(!replica.log().contains("panicked"), "{}", replica.log());
        replica.stop().await;
    }
    fetches
}

/// Leaves what each replica logged beside the test, for whoever looks into a breach.
fn tell_logs(ground: &Ground) {
    for (number, replica) in ground.replicas.iter().enumerate() {
        let path = std::env::temp_dir().join(format!("chaos-{}-{number}.log", std::process::id()));
        if std::fs::write(&path, replica.log()).is_ok() {
            println!("log of replica {number}: {}", path.display());
        }
    }
}
