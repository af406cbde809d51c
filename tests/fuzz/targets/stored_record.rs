//! A stored record, as JSON with its two lists of named texts: what the embedded store holds, and what Redis holds as
//! two hashes. What is read is written again as it was read; no message tells what stands there; and whatever stands
//! there, the protocol can be gone through with it, and leaves what can be stored.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use token_broker::adapters::embedded::{decode, encode};
use token_broker::adapters::sealed::Seals;
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::{Epoch, Nonce, Version};
use token_broker::domain::grant::{Grant, MAX_VALUE_LEN};
use token_broker::domain::protocol::{
    Attempt, Begin, Begun, Claim, Commit, Failure, Judge, PutBack, Reason, Record, SetPause,
    Suspect,
};
use token_broker::domain::secret::{Digest, Fingerprint, Secret};
use token_broker::domain::state::{Memory, Pause, Verdict};
use token_broker::domain::upstream_error::ErrorClass;
use token_broker::ports::Subject;
use token_broker::sealing::Sealing;

use super::record::{NOW, seals, subject};

/// What is never told of a record. No key can have it for its id, which is told.
const CANARY: &str = "CANARY7f3a9c";

/// The largest number that is stored: a record at the end of all numbers has no next epoch.
const LARGEST: u64 = (1 << 53) - 1;

static SUBJECTS: LazyLock<[Subject; 2]> =
    LazyLock::new(|| [Mode::Token, Mode::Stable].map(|mode| subject("wx1", mode)));

static CLEAR: LazyLock<Arc<Seals>> = LazyLock::new(Seals::none);

static SEALED: LazyLock<[Seals; 3]> = LazyLock::new(|| {
    [Sealing::On, Sealing::Required, Sealing::Off].map(|sealing| seals("ns", sealing))
});

pub(crate) fn run(input: &[u8]) {
    for mode in [Mode::Token, Mode::Stable] {
        let of = &SUBJECTS[usize::from(mode == Mode::Stable)];
        if let Some(record) = read(&CLEAR, of, input) {
            assert_eq!(again(&CLEAR, of, &record), record, "read back otherwise");
            let is_value = |grant: &Grant| grant.value.expose().len() <= MAX_VALUE_LEN;
            if record.grant.as_ref().is_none_or(is_value) {
                let back = again(&SEALED[0], of, &record);
                assert_eq!(back.state, record.state);
                // What a newer commit has taken the place of is no grant any more.
                assert!(back.grant.is_none() || back.grant == record.grant);
            }
            go_through(of, &record);
        }
        for seals in &*SEALED {
            read(seals, of, input);
        }
    }
}

fn read(seals: &Seals, of: &Subject, bytes: &[u8]) -> Option<Record> {
    match decode(seals, of, bytes, NOW) {
        Ok(revealed) => {
            assert!(
                !format!("{revealed:?}").contains(CANARY),
                "Debug tells what is stored"
            );
            Some(revealed.record)
        }
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(told.len() <= 600 && !told.contains(CANARY), "{told}");
            None
        }
    }
}

fn again(seals: &Seals, of: &Subject, record: &Record) -> Record {
    let bytes = encode(seals, of, record).expect("random bytes");
    let read = decode(seals, of, &bytes, NOW);
    read.expect("what was written can be read").record
}

fn go_through(of: &Subject, stored: &Record) {
    let rules = &of.rules;
    let mut opened = stored.clone();
    let origin = stored.state.origin.unwrap_or(Fingerprint::new(1));
    if opened.open(rules, origin, NOW).is_err() {
        return;
    }
    for reason in Reason::ALL {
        let mut record = opened.clone();
        let begin = Begin {
            reason,
            nonce: Nonce(7),
            memory: memory(&opened),
            secret: Fingerprint::new(2),
        };
        let begun = record.begin(&begin, rules, NOW);
        storable(of, &record);
        assert!(
            record.state.epoch >= opened.state.epoch,
            "an epoch went back"
        );
        if let Begun::Granted(permit) = begun {
            let is_repeated = opened
                .state
                .lease
                .is_some_and(|lease| lease.nonce == begin.nonce);
            assert!(
                is_repeated || permit.epoch > opened.state.epoch,
                "an epoch was handed out twice"
            );
            let attempt = Attempt {
                epoch: permit.epoch,
                nonce: Nonce(7),
            };
            end_attempt(of, &record, attempt);
        }
    }
    let version = opened
        .grant
        .as_ref()
        .map_or(Version(1), |grant| grant.version);
    for verdict in [Verdict::Accepted, Verdict::Refused, Verdict::Inconclusive] {
        let mut record = opened.clone();
        let every = Duration::from_secs(60);
        record.claim_check(&Claim { version, every }, NOW);
        let reported = verdict == Verdict::Refused;
        let judge = Judge {
            version,
            verdict,
            reported,
        };
        record.judge(&judge, rules, NOW);
        storable(of, &record);
    }
    let mut record = opened.clone();
    let put_back = PutBack {
        grant: grant(Version(NOW.as_micros())),
        earlier: opened.state.earlier.clone(),
        memory: memory(&opened),
    };
    record.put_back(&put_back, rules, NOW);
    storable(of, &record);
    let mut record = opened.clone();
    record.suspect(&Suspect { floor: version }, rules, NOW);
    record.set_pause(&SetPause { paused: true }, NOW);
    storable(of, &record);
}

/// However an attempt ends.
fn end_attempt(of: &Subject, begun: &Record, attempt: Attempt) {
    let rules = &of.rules;
    let mut released = begun.clone();
    released.release(&attempt, rules);
    storable(of, &released);
    for class in ErrorClass::ALL {
        let mut failed = begun.clone();
        let failure = Failure {
            attempt,
            class,
            cooldown: Duration::from_secs(60),
            secret: Fingerprint::new(2),
        };
        failed.fail(&failure, rules, NOW);
        storable(of, &failed);
    }
    let mut committed = begun.clone();
    let grant = grant(Version::fetched_under(attempt.epoch));
    committed.commit(&Commit { attempt, grant }, rules, NOW);
    storable(of, &committed);
}

fn memory(record: &Record) -> Memory {
    Memory {
        version: record.state.version,
        pause: Pause {
            paused: false,
            ..record.state.pause
        },
        ..Memory::default()
    }
}

fn grant(version: Version) -> Grant {
    Grant {
        version,
        value: Secret::new("57_token"),
        digest: Digest::new([7; 32]),
        issued_at: NOW,
        expires_at: NOW + Duration::from_secs(7200),
    }
}

fn storable(of: &Subject, record: &Record) {
    if record.state.epoch < Epoch(LARGEST) {
        assert_eq!(
            again(&CLEAR, of, record),
            *record,
            "what a change leaves is not what is stored"
        );
    }
}
