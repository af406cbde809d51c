//! What the snapshot shows of each change, and what it never shows again.

use std::time::Duration;

use super::*;
use crate::domain::app_id::AppId;
use crate::domain::budget::Budget;
use crate::domain::credential::Mode;
use crate::domain::earlier::EarlierTokens;
use crate::domain::grant::Grant;
use crate::domain::protocol::Record;
use crate::domain::rules::Rules;
use crate::domain::secret::{Digest, Secret};
use crate::domain::state::Dead;
use crate::domain::time::{Moment, Timestamp};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        let since = Duration::from_secs(43_200);
        Moment {
            boot: since,
            wall: since,
        }
    }
}

fn subject(app: &str, mode: Mode) -> Subject {
    let app = AppId::parse(app).unwrap_or_else(|error| panic!("{error}"));
    let minute = Duration::from_secs(60);
    let budget = Budget::for_limit(2000, minute * 1440);
    let rules = Rules {
        mode,
        checkable: true,
        at: 0.5,
        jitter: 0.1,
        min_spacing: minute * 6,
        lease: minute / 3,
        reconcile: minute / 2,
        watch: minute,
        close_watch: minute / 4,
        overlap: minute * 5,
        timeout: minute / 12,
        backoff: (minute / 60, minute),
        budget,
        forced_budget: budget,
    };
    Subject {
        credential: Credential::access_token(app, mode),
        rules: Arc::new(rules),
    }
}

fn newcomer(subject: &Subject) -> Replica {
    Replica::new(Arc::clone(&subject.rules), true, 0.0)
}

fn serve(publisher: &Publisher, id: SlotId, version: u64) {
    let now = Noon.now();
    let life = Duration::from_secs(7200);
    let grant = Grant {
        version: Version(version),
        value: Secret::new("token"),
        digest: Digest::new([0; 32]),
        issued_at: Timestamp::from_micros(0),
        expires_at: Timestamp::from_micros(0) + life,
    };
    publisher.update(id, |replica| {
        replica.committed(grant, now.after(life), now);
    });
}

fn find(reader: &Reader, app: &str) -> Option<SlotId> {
    reader.find(app, Kind::AccessToken)
}

#[test]
fn whoever_starts_knows_the_holders_of_every_token_that_the_record_tells_of() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    let now = Timestamp::from_micros(10_000_000_000);
    let token = |name: u8, left: u64| EarlierToken {
        digest: Digest::new([name; 32]),
        issued_at: now - Duration::from_secs(7200),
        expires_at: now + Duration::from_secs(left),
    };
    let mut record = Record::default();
    record.state.earlier = EarlierTokens::of(vec![token(1, 600), token(2, 300), token(3, 0)]);
    let dead = Version(7);
    record.grant = Some(Grant {
        version: dead,
        value: Secret::new("token"),
        digest: Digest::new([4; 32]),
        issued_at: now,
        expires_at: now + Duration::from_secs(900),
    });
    record.state.dead = Some(Dead {
        version: dead,
        epoch: dead.into(),
        reported: false,
    });
    publisher.update(id, |replica| replica.observe(record, now, Noon.now()));
    let known_for = |name| {
        let known = |secs: &u64| {
            let then = Noon.now().after(Duration::from_secs(*secs));
            reader.holder(&Digest::new([name; 32]), then) == Some(id)
        };
        (0..1000).take_while(known).count()
    };
    assert_eq!([1, 2, 3, 4].map(known_for), [600, 300, 0, 900]);
    assert!(
        reader.view(id).grant.is_none(),
        "the dead one is not served"
    );
}

#[tokio::test]
async fn a_credential_that_is_taken_out_is_not_found_and_wakes_who_waits_for_it() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    serve(&publisher, id, 7);
    let waiting = reader.wait_for(id, |view| view.removed.then_some(()));
    let taking_out = async {
        let difference = publisher.configure(Vec::new(), newcomer);
        assert_eq!(difference.removed, [id]);
    };
    tokio::join!(waiting, taking_out);
    assert_eq!(find(&reader, "wx1"), None);
    assert_eq!(reader.ids(), []);
    assert!(reader.view(id).grant.is_none());
    let planned = publisher.inspect(id, |replica| replica.next(Noon.now()));
    assert_eq!(planned, None);
}

#[test]
fn one_that_comes_back_never_serves_below_its_floor() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    let subjects = || vec![subject("wx1", Mode::Token)];
    publisher.configure(subjects(), newcomer);
    let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    serve(&publisher, id, 7);
    publisher.configure(Vec::new(), newcomer);
    // A step that was under way ends; its result is remembered, not served.
    serve(&publisher, id, 8);
    assert!(reader.view(id).grant.is_none());
    let difference = publisher.configure(subjects(), newcomer);
    assert_eq!(difference.added, [id]);
    serve(&publisher, id, 7);
    assert_eq!(reader.version(id), Version(0));
    serve(&publisher, id, 9);
    assert_eq!(reader.version(id), Version(9));
}

#[test]
fn other_rules_take_nothing_from_what_is_served() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let id = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    serve(&publisher, id, 7);
    let subject = subject("wx1", Mode::Token);
    let rules = Rules {
        at: 0.7,
        ..Rules::clone(&subject.rules)
    };
    let other = Subject {
        rules: Arc::new(rules),
        ..subject
    };
    let difference = publisher.configure(vec![other.clone()], newcomer);
    assert_eq!(difference.changed, [id]);
    assert_eq!(*reader.subject(id), other);
    assert_eq!(publisher.inspect(id, |replica| replica.rules().at), 0.7);
    assert_eq!(reader.version(id), Version(7));
    let same = publisher.configure(vec![other], newcomer);
    assert!(same.added.is_empty() && same.changed.is_empty() && same.removed.is_empty());
}

#[test]
fn an_app_that_changes_its_mode_is_another_credential() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let before = find(&reader, "wx1");
    publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
    let after = find(&reader, "wx1");
    assert_ne!(before, after);
    let stable = subject("wx1", Mode::Stable).credential;
    assert_eq!(publisher.find(&stable), after);
}

#[test]
fn an_app_that_changes_its_mode_is_served_from_what_it_had_until_the_new_credential_serves() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let token = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    serve(&publisher, token, 7);
    for _ in 0..2 {
        // Again, since a second reload may come before the first token.
        publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
        assert_eq!(find(&reader, "wx1"), Some(token));
        assert_eq!(reader.ids(), [token]);
        assert_eq!(publisher.ids().len(), 2, "both are kept fresh");
    }
    let stable = publisher.find(&subject("wx1", Mode::Stable).credential);
    let stable = stable.unwrap_or_else(|| panic!("not found"));
    serve(&publisher, stable, 8);
    assert_eq!(find(&reader, "wx1"), Some(stable));
    assert_eq!(
        (reader.ids(), publisher.ids()),
        (vec![stable], vec![stable])
    );
    assert!(reader.view(token).removed);
}

#[test]
fn a_mode_that_is_changed_back_meanwhile_leaves_everything_as_it_was() {
    let (publisher, reader, _changes) = snapshot(Arc::new(Noon));
    publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    let token = find(&reader, "wx1").unwrap_or_else(|| panic!("not found"));
    serve(&publisher, token, 7);
    publisher.configure(vec![subject("wx1", Mode::Stable)], newcomer);
    let back = publisher.configure(vec![subject("wx1", Mode::Token)], newcomer);
    assert_eq!(back.removed.len(), 1);
    assert_eq!(find(&reader, "wx1"), Some(token));
    assert_eq!(publisher.ids(), [token]);
    assert_eq!(reader.version(token), Version(7));
}
