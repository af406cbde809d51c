//! What follows from which overview.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::domain::epoch::Version;
use crate::domain::history::History;
use crate::domain::protocol::Reason;
use crate::domain::time::Timestamp;
use crate::overview::Stored;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Duration = Duration::from_secs(1_790_000_000);

/// An app whose token is a quarter of its life old.
fn healthy() -> Overview {
    let issued = Timestamp::from_micros(1_789_998_200_000_000);
    Overview {
        status: Status::Ok,
        servable: true,
        version: Some(Version(1)),
        expires_at: Some(NOW + HOUR * 3 / 2),
        expires_in: Some(HOUR * 3 / 2),
        life: Some(HOUR * 2),
        issued_at: Some(issued),
        refresh_at: Some(issued + HOUR),
        vouched: true,
        pending: false,
        suspect: false,
        dead: false,
        paused: false,
        blocked: None,
        cooldown: None,
        trouble: None,
        stored: Some(Stored {
            failures: 0,
            budget_left: 600,
            budget_used: 12,
            last_fetch: None,
            lease_held: false,
        }),
        history: Arc::default(),
    }
}

fn gone(status: Status) -> Overview {
    Overview {
        status,
        servable: false,
        expires_in: None,
        life: None,
        vouched: false,
        ..healthy()
    }
}

fn weighed(app: &Overview) -> Vec<(Trouble, Weight)> {
    let with_weight = |trouble: Trouble| (trouble, trouble.weight(app));
    troubles(app, NOW).into_iter().map(with_weight).collect()
}

fn happened(what: What, ago: Duration) -> Arc<History> {
    let mut history = History::default();
    history.note(what, NOW - ago);
    Arc::new(history)
}

#[test]
fn nothing_is_wrong_with_a_healthy_app() {
    assert_eq!(weighed(&healthy()), []);
}

#[test]
fn a_refusal_that_only_a_person_ends_is_for_a_person_from_the_first_minute() {
    let class = ErrorClass::IpNotWhitelisted;
    let until = Timestamp::from_micros(1);
    let app = Overview {
        cooldown: Some((class, until)),
        blocked: Some((BlockedBy::CoolingDown(class), HOUR)),
        ..healthy()
    };
    assert_eq!(weighed(&app), [(Trouble::Refused(class), Weight::Act)]);
    let app = Overview {
        cooldown: Some((class, until)),
        ..gone(Status::RefusedByUpstream)
    };
    assert_eq!(weighed(&app), [(Trouble::Refused(class), Weight::Refusing)]);
}

#[test]
fn an_outage_of_wechat_is_for_a_person_only_when_the_time_runs_out() {
    let blocked = Some((BlockedBy::UpstreamAway, HOUR));
    let away = |left| Overview {
        blocked,
        expires_in: Some(left),
        ..healthy()
    };
    assert_eq!(weighed(&away(HOUR)), [(Trouble::WeChatAway, Weight::Know)]);
    assert_eq!(
        weighed(&away(HOUR / 4)),
        [(Trouble::WeChatAway, Weight::Act)]
    );
}

#[test]
fn a_token_that_runs_out_is_told_where_nothing_else_says_why() {
    let app = Overview {
        expires_in: Some(HOUR / 4),
        status: Status::Due,
        ..healthy()
    };
    assert_eq!(weighed(&app), [(Trouble::ExpiresSoon, Weight::Act)]);
    let app = Overview {
        paused: true,
        ..app
    };
    assert_eq!(weighed(&app), [(Trouble::Paused, Weight::Act)]);
}

#[test]
fn the_worst_comes_first() {
    let app = Overview {
        trouble: Some(StoreTrouble::Away),
        vouched: false,
        pending: true,
        history: happened(What::Died { foreign: true }, HOUR / 2),
        ..healthy()
    };
    let found: Vec<_> = weighed(&app).into_iter().map(|(found, _)| found).collect();
    let expected = [
        Trouble::Unvouched,
        Trouble::StoreAway,
        Trouble::ForeignFetcher,
        Trouble::Pending,
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_was_repaired_is_told_for_an_hour() {
    for (what, trouble) in [
        (What::Died { foreign: true }, Trouble::ForeignFetcher),
        (What::Overlapped, Trouble::Overlapped),
    ] {
        let after = |ago| Overview {
            history: happened(what.clone(), ago),
            ..healthy()
        };
        assert_eq!(weighed(&after(HOUR)), [(trouble, Weight::Know)]);
        assert_eq!(weighed(&after(HOUR * 2)), []);
    }
    let app = Overview {
        history: happened(What::Refreshed(Reason::Scheduled), HOUR / 60),
        ..healthy()
    };
    assert_eq!(weighed(&app), []);
}

#[test]
fn a_token_that_the_store_has_just_taken_is_not_lacking_there() {
    let pending = |ago| Overview {
        pending: true,
        history: happened(What::Refreshed(Reason::Scheduled), ago),
        ..healthy()
    };
    assert_eq!(weighed(&pending(HOUR / 3600)), []);
    let lost = weighed(&pending(HOUR));
    assert_eq!(lost, [(Trouble::Pending, Weight::Know)]);
}

#[test]
fn before_the_first_token_nothing_is_wrong_yet() {
    let app = Overview {
        stored: None,
        ..gone(Status::Starting)
    };
    assert_eq!(weighed(&app), [(Trouble::Starting, Weight::Know)]);
    let looked_up = gone(Status::Starting);
    assert_eq!(weighed(&looked_up), [(Trouble::Starting, Weight::Know)]);
    let failing = Overview {
        stored: looked_up.stored.map(|stored| Stored {
            failures: 1,
            ..stored
        }),
        ..looked_up
    };
    assert_eq!(weighed(&failing), [(Trouble::NoToken, Weight::Refusing)]);
    assert_eq!(
        weighed(&gone(Status::Dead)),
        [(Trouble::NoToken, Weight::Refusing)]
    );
}

#[test]
fn every_runbook_exists_in_both_languages() {
    let books = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    for trouble in Trouble::all() {
        let Some(name) = trouble.runbook() else {
            continue;
        };
        for suffix in ["md", "zh-CN.md"] {
            let book = books.join(format!("{name}.{suffix}"));
            assert!(book.exists(), "{trouble:?}: {} is missing", book.display());
        }
    }
}
