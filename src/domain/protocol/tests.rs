//! The rules of the protocol, one by one, as histories of a single record.

mod checks;
mod earlier;
mod failures;
mod leases;
mod lost;
mod pauses;
mod stable;

use std::time::Duration;

use super::*;
use crate::domain::budget::{Budget, Share};
use crate::domain::earlier::EarlierTokens;
use crate::domain::epoch::{Nonce, Version};
use crate::domain::secret::{Digest, Secret};
use crate::domain::state::{Cooldown, Memory, Pause, Verdict};
use crate::domain::upstream_error::ErrorClass;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const SECRET: Fingerprint = Fingerprint::new(7);
const ORIGIN: Fingerprint = Fingerprint::new(1);

/// A record, its rules and a clock that only this history moves.
struct History {
    record: Record,
    rules: Rules,
    now: Timestamp,
    nonces: u128,
}

impl History {
    fn new(mode: Mode) -> Self {
        Self {
            record: Record::default(),
            rules: rules(mode),
            now: Timestamp::from_micros(1_700_000_000_000_000),
            nonces: 0,
        }
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now = self.now + time;
        self.open();
        self
    }

    fn open(&mut self) {
        assert_eq!(self.record.open(&self.rules, ORIGIN, self.now), Ok(()));
    }

    fn ask(&mut self, reason: Reason, memory: Memory) -> (Begun, Nonce) {
        self.nonces += 1;
        let nonce = Nonce(self.nonces);
        (self.ask_again(reason, memory, nonce, SECRET), nonce)
    }

    fn ask_again(
        &mut self,
        reason: Reason,
        memory: Memory,
        nonce: Nonce,
        secret: Fingerprint,
    ) -> Begun {
        self.open();
        let begin = Begin {
            reason,
            nonce,
            memory,
            secret,
        };
        self.record.begin(&begin, &self.rules, self.now)
    }

    fn begin(&mut self, reason: Reason) -> Begun {
        self.ask(reason, Memory::default()).0
    }

    /// Begins and must be let.
    fn lease(&mut self, reason: Reason) -> Attempt {
        match self.ask(reason, Memory::default()) {
            (Begun::Granted(permit), nonce) => Attempt {
                epoch: permit.epoch,
                nonce,
            },
            (other, _) => panic!("not granted: {other:?}"),
        }
    }

    fn grant(&self, attempt: Attempt, value: &str) -> Grant {
        let begun = self
            .record
            .state
            .intent
            .map_or(self.now, |intent| intent.begun_at);
        grant(Version::fetched_under(attempt.epoch), value, begun)
    }

    fn commit(&mut self, attempt: Attempt, value: &str) -> Committed {
        self.open();
        let grant = self.grant(attempt, value);
        self.record
            .commit(&Commit { attempt, grant }, &self.rules, self.now)
    }

    fn fail(&mut self, attempt: Attempt, class: ErrorClass) {
        self.open();
        let failure = Failure {
            attempt,
            class,
            cooldown: MINUTE,
            secret: SECRET,
        };
        self.record.fail(&failure, &self.rules, self.now);
    }

    fn judge(&mut self, version: Version, verdict: Verdict, reported: bool) -> Judged {
        self.open();
        self.record.judge(
            &Judge {
                version,
                verdict,
                reported,
            },
            &self.rules,
            self.now,
        )
    }

    fn version(&self) -> Version {
        self.record
            .grant
            .as_ref()
            .map(|grant| grant.version)
            .unwrap_or_default()
    }

    fn put_back(&mut self, grant: &Grant) -> PutBackAnswer {
        self.put_back_with(grant, EarlierTokens::default())
    }

    fn put_back_with(&mut self, grant: &Grant, earlier: EarlierTokens) -> PutBackAnswer {
        self.open();
        let memory = Memory {
            version: grant.version,
            live: true,
            ..Memory::default()
        };
        self.record.put_back(
            &PutBack {
                grant: grant.clone(),
                earlier,
                memory,
            },
            &self.rules,
            self.now,
        )
    }

    /// A record whose grant was fetched and stored just now.
    fn fresh(mode: Mode) -> (Self, Version) {
        let mut history = Self::new(mode);
        let attempt = history.lease(Reason::Missing);
        assert!(matches!(
            history.commit(attempt, "first"),
            Committed::Stored { .. }
        ));
        let version = history.version();
        (history, version)
    }
}

fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: 360 * SECOND,
        lease: 20 * SECOND,
        reconcile: 30 * SECOND,
        watch: 60 * SECOND,
        close_watch: 15 * SECOND,
        overlap: 300 * SECOND,
        timeout: 5 * SECOND,
        backoff: (SECOND, MINUTE),
        budget: Budget::for_limit(2000, 24 * HOUR),
        forced_budget: Budget::for_limit(20, 24 * HOUR),
    }
}

fn grant(version: Version, value: &str, issued_at: Timestamp) -> Grant {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(value.bytes()) {
        *to = from;
    }
    Grant {
        version,
        value: Secret::new(value),
        digest: Digest::new(digest),
        issued_at,
        expires_at: issued_at + 2 * HOUR,
    }
}

fn remembering(version: Version, live: bool) -> Memory {
    Memory {
        version,
        live,
        ..Memory::default()
    }
}

#[test]
fn each_reason_has_its_word_and_whoever_asks_for_a_fetch_leaves_some_to_what_must_be() {
    for (reason, word, share) in [
        (Reason::Scheduled, "scheduled", Share::Whole),
        (Reason::Missing, "missing", Share::Whole),
        (Reason::Repair, "repair", Share::Whole),
        (Reason::Report, "report", Share::ExceptReserve),
        (Reason::Forced, "forced", Share::ExceptReserve),
    ] {
        assert_eq!((reason.as_str(), reason.share()), (word, share));
    }
}

#[test]
fn the_budget_lets_a_fetch_pass_at_the_very_moment_it_fits() {
    let furthest = rules(Mode::Token).budget.ahead(Share::Whole);
    for (early, fits) in [(0, true), (1, false)] {
        let mut history = History::new(Mode::Token);
        let memory = Memory {
            budget: history.now + furthest + Duration::from_micros(early),
            ..Memory::default()
        };
        let (begun, _) = history.ask(Reason::Missing, memory);
        assert_eq!(matches!(begun, Begun::Granted(_)), fits, "{begun:?}");
    }
}

#[test]
fn a_fetch_too_soon_after_the_last_is_spaced() {
    let (mut history, _) = History::fresh(Mode::Token);
    let memory = remembering(history.version(), true);
    let (begun, _) = history.ask(Reason::Forced, memory);
    assert!(matches!(begun, Begun::Spacing { until } if until.since(history.now) == 360 * SECOND));
    history.wait(360 * SECOND);
    assert!(matches!(
        history.ask(Reason::Forced, memory).0,
        Begun::Granted(_)
    ));
}

#[test]
fn a_forced_refresh_is_answered_with_what_somebody_else_just_fetched() {
    let (mut history, version) = History::fresh(Mode::Token);
    let older = remembering(Version(version.0 - 1), true);
    assert!(matches!(
        history.ask(Reason::Forced, older).0,
        Begun::Fresh(_)
    ));
}

#[test]
fn suspect_and_dead_lift_the_spacing_but_not_the_budget() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.wait(SECOND);
    assert!(matches!(
        history.judge(version, Verdict::Refused, false),
        Judged::Dead { .. }
    ));
    let mut fetched = 1;
    let until = loop {
        match history.ask(Reason::Repair, Memory::default()) {
            (Begun::Granted(permit), nonce) => {
                history.commit(
                    Attempt {
                        epoch: permit.epoch,
                        nonce,
                    },
                    &format!("t{fetched}"),
                );
                fetched += 1;
                assert!(fetched <= history.rules.budget.burst);
                history.judge(history.version(), Verdict::Refused, false);
            }
            (Begun::BudgetSpent { until }, _) => break until,
            (other, _) => panic!("{other:?}"),
        }
    };
    assert_eq!(fetched, history.rules.budget.burst);
    assert!(until > history.now);
}

#[test]
fn another_fleets_record_is_refused_and_left_alone() {
    let (mut history, _) = History::fresh(Mode::Token);
    let before = history.record.clone();
    let ours = Fingerprint::new(2);
    let refused = history.record.open(&history.rules, ours, history.now);
    assert_eq!(
        refused,
        Err(ForeignOrigin {
            found: ORIGIN,
            ours
        })
    );
    assert_eq!(history.record, before);
}

#[test]
fn after_a_failover_to_a_clock_that_is_behind_nothing_waits_longer_than_its_own_length() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(HOUR);
    history.lease(Reason::Scheduled);
    let far = history.now + 24 * HOUR;
    history.record.state.close_watch_until = far;
    history.record.state.cooldown = Some(Cooldown {
        class: ErrorClass::Forbidden,
        until: far,
        secret: SECRET,
    });
    history.now = history.now - 24 * HOUR;
    history.open();
    let state = &history.record.state;
    let closely = history.rules.close_watch_lasts();
    assert_eq!(state.close_watch_until, history.now + closely);
    let cooldown = state.cooldown.map(|cooldown| cooldown.until);
    assert_eq!(cooldown, Some(history.now + 24 * HOUR));
    assert!(
        state
            .lease
            .is_some_and(|lease| lease.until <= history.now + history.rules.lease)
    );
    assert!(state.last_fetch <= history.now);
    assert!(
        history
            .record
            .grant
            .as_ref()
            .is_some_and(|grant| grant.remaining(history.now) <= 2 * HOUR)
    );
}

#[test]
fn a_state_that_was_evicted_alone_hands_out_no_epoch_below_its_grant() {
    let (mut history, version) = History::fresh(Mode::Token);
    history.record.state = State::default();
    history.now = history.now - HOUR;
    let memory = remembering(version, true);
    let (begun, _) = history.ask(Reason::Forced, memory);
    let Begun::Granted(permit) = begun else {
        panic!("{begun:?}")
    };
    assert!(permit.epoch > version.into());
}

#[test]
fn a_release_does_not_forget_a_later_fetch_that_a_replica_remembers() {
    let (mut history, _) = History::fresh(Mode::Token);
    history.wait(HOUR);
    let attempt = history.lease(Reason::Scheduled);
    history.wait(SECOND);
    history.record.state.last_fetch = history.now;
    history.record.release(&attempt, &history.rules.clone());
    assert_eq!(history.record.state.last_fetch, history.now);
}
