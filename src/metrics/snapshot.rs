//! The state of every app, read from the snapshot when metrics are asked for: no flow has to keep a
//! gauge right, and none can be left wrong. A family is one line of a table.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::AppSeries;
use super::declare::{Declare, full_name};
use crate::domain::credential::{Credential, Kind};
use crate::domain::replica::StoreTrouble;
use crate::domain::time::Timestamp;
use crate::overview::{Overview, Status, trouble_word};
use crate::ports::Clock;
use crate::snapshot::Reader;

/// A number for each app; `None` = no series.
struct AppFamily {
    name: &'static str,
    help: &'static str,
    read: fn(&Overview) -> Option<f64>,
}

/// What is the case, and the number that goes with it; `None` = nothing, no series.
type Case<'a> = Option<(Cow<'a, str>, f64)>;

/// A number for an app only while something is the case, and a label that says what.
struct CaseFamily {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    read: fn(&Overview) -> Case<'_>,
}

const APP_FAMILIES: [AppFamily; 14] = [
    AppFamily {
        name: "grant_expiry_timestamp_seconds",
        help: "When the served token expires.",
        read: |app| app.expires_at.map(|at| at.as_secs_f64()),
    },
    AppFamily {
        name: "grant_issued_timestamp_seconds",
        help: "When the served token was issued.",
        read: |app| app.issued_at.map(seconds),
    },
    AppFamily {
        name: "grant_refresh_due_timestamp_seconds",
        help: "When the served token is to be replaced, before jitter.",
        read: |app| app.refresh_at.map(seconds),
    },
    AppFamily {
        name: "grant_servable",
        help: "Whether this replica has a token to hand out.",
        read: |app| Some(truth(app.servable)),
    },
    AppFamily {
        name: "grant_vouched",
        help: "Whether the store or a check has lately said that the served token stands.",
        read: |app| Some(truth(app.vouched)),
    },
    AppFamily {
        name: "grant_pending",
        help: "Whether the store lacks the served token.",
        read: |app| Some(truth(app.pending)),
    },
    AppFamily {
        name: "grant_suspect",
        help: "Whether the stored token may die before it expires; it is being replaced.",
        read: |app| Some(truth(app.suspect)),
    },
    AppFamily {
        name: "grant_dead",
        help: "Whether WeChat refused the newest token and no other is stored yet.",
        read: |app| Some(truth(app.dead)),
    },
    AppFamily {
        name: "app_paused",
        help: "Whether somebody has paused all fetches of the app.",
        read: |app| Some(truth(app.paused)),
    },
    AppFamily {
        name: "fetch_failures",
        help: "Fetches that failed in a row, over all replicas.",
        read: |app| Some(f64::from(app.stored?.failures)),
    },
    AppFamily {
        name: "budget_left",
        help: "Fetches that would pass right now, one after the other.",
        read: |app| Some(f64::from(app.stored?.budget_left)),
    },
    AppFamily {
        name: "budget_used",
        help: "Fetches in the last 24 hours, over all replicas.",
        read: |app| Some(f64::from(app.stored?.budget_used)),
    },
    AppFamily {
        name: "last_fetch_timestamp_seconds",
        help: "When the last fetch was made that may have issued a token.",
        read: |app| app.stored?.last_fetch.map(seconds),
    },
    AppFamily {
        name: "lease_held",
        help: "Whether some replica holds the right to fetch.",
        read: |app| Some(truth(app.stored?.lease_held)),
    },
];

/// Of each ticket: few, since `GET /apps/{appid}` tells the rest.
const TICKET_FAMILIES: [AppFamily; 2] = [
    AppFamily {
        name: "ticket_expiry_timestamp_seconds",
        help: "When the served ticket expires.",
        read: |ticket| ticket.expires_at.map(|at| at.as_secs_f64()),
    },
    AppFamily {
        name: "ticket_servable",
        help: "Whether a ticket is handed out.",
        read: |ticket| Some(truth(ticket.servable)),
    },
];

const CASE_FAMILIES: [CaseFamily; 4] = [
    CaseFamily {
        name: "cooldown_until_timestamp_seconds",
        help: "Until when no fetch is made, and after which class of refusal; only while that lasts.",
        label: "class",
        read: |app| {
            app.cooldown
                .map(|(class, until)| (class.as_str().into(), seconds(until)))
        },
    },
    CaseFamily {
        name: "address_refused",
        help: "1 while WeChat does not accept the broker's address, and which one it saw; at the replica that heard it.",
        label: "address",
        read: |app| app.refused_address().map(|address| (address.into(), 1.0)),
    },
    CaseFamily {
        name: "refresh_blocked",
        help: "1 while something keeps this replica from refreshing, and what.",
        label: "reason",
        read: |app| app.blocked.map(|(by, _)| (by.as_str().into(), 1.0)),
    },
    CaseFamily {
        name: "store_trouble",
        help: "1 while the store answers, but cannot be used for this app, and why.",
        label: "trouble",
        // A store that is away concerns all apps alike: `store_up` says it in one series.
        read: |app| {
            app.trouble
                .filter(|trouble| *trouble != StoreTrouble::Away)
                .map(|trouble| (trouble_word(trouble).into(), 1.0))
        },
    },
];

const APPS: (&str, &str) = ("apps", "How many apps are configured.");
const BY_STATUS: (&str, &str) = (
    "apps_by_status",
    "How many apps fare how, in the words of GET /apps.",
);
const RUNWAY: (&str, &str) = (
    "runway_seconds",
    "How long every app's token would last if nothing could be fetched from now on: the least over all apps that are not paused.",
);

/// Takes all of these families into the list of what is declared.
pub(super) fn declare(declare: &Declare<'_>) {
    let note = |name: &str, labels: &[&str]| declare.note(&full_name(name), "gauge", labels);
    for family in &APP_FAMILIES {
        note(family.name, &["appid"]);
    }
    for family in &TICKET_FAMILIES {
        note(family.name, &["appid", "kind"]);
    }
    for family in &CASE_FAMILIES {
        note(family.name, &["appid", family.label]);
    }
    note(APPS.0, &[]);
    note(BY_STATUS.0, &["status"]);
    note(RUNWAY.0, &[]);
}

/// Reads the snapshot.
pub(super) struct SnapshotCollector {
    reader: Reader,
    clock: Arc<dyn Clock>,
    series: AppSeries,
    descs: Vec<Desc>,
}

impl SnapshotCollector {
    pub(super) fn new(reader: Reader, clock: Arc<dyn Clock>, series: AppSeries) -> Self {
        let desc = |(name, help): (&str, &str)| {
            Desc::new(full_name(name), help.to_owned(), Vec::new(), HashMap::new()).ok()
        };
        let apps = APP_FAMILIES.iter().chain(&TICKET_FAMILIES);
        let apps = apps.map(|family| (family.name, family.help));
        let cases = CASE_FAMILIES
            .iter()
            .map(|family| (family.name, family.help));
        let descs = apps
            .chain(cases)
            .chain([APPS, BY_STATUS, RUNWAY])
            .filter_map(desc);
        Self {
            reader,
            clock,
            series,
            descs: descs.collect(),
        }
    }

    /// What is told of every ticket, with its app and its kind.
    fn tickets(&self) -> Vec<(String, Kind, Overview)> {
        let now = self.clock.now();
        let mut ids = self.reader.ids();
        ids.retain(|id| self.reader.credential(*id).kind != Kind::AccessToken);
        let overview = |id| {
            let subject = self.reader.subject(id);
            let overview = Overview::of(&self.reader.view(id), &subject.rules, now);
            let Credential { app, kind, .. } = &subject.credential;
            (app.to_string(), *kind, overview)
        };
        ids.into_iter().map(overview).collect()
    }

    fn overviews(&self) -> Vec<(String, Overview)> {
        let now = self.clock.now();
        let overview = |id| {
            let subject = self.reader.subject(id);
            let overview = Overview::of(&self.reader.view(id), &subject.rules, now);
            (subject.credential.app.to_string(), overview)
        };
        self.reader
            .access_tokens()
            .into_iter()
            .map(overview)
            .collect()
    }
}

impl Collector for SnapshotCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut apps = self.overviews();
        let count = u32::try_from(apps.len()).unwrap_or(u32::MAX);
        let runway = runway(&apps).map(|left| gauge(&[], left.as_secs_f64()));
        let by_status = Status::ALL.map(|status| {
            let these = apps.iter().filter(|(_, app)| app.status == status).count();
            let number = u32::try_from(these).unwrap_or(u32::MAX);
            gauge(&[("status", status.as_str())], f64::from(number))
        });
        let mut families = vec![
            family(APPS.0, APPS.1, vec![gauge(&[], f64::from(count))]),
            family(BY_STATUS.0, BY_STATUS.1, by_status.into()),
            family(RUNWAY.0, RUNWAY.1, runway.into_iter().collect()),
        ];
        apps.retain(|(_, app)| self.series.tells_of(app));
        for AppFamily { name, help, read } in &APP_FAMILIES {
            let series = apps
                .iter()
                .filter_map(|(appid, app)| Some(gauge(&[("appid", appid)], read(app)?)));
            families.push(family(name, help, series.collect()));
        }
        for case in &CASE_FAMILIES {
            let series = apps.iter().filter_map(|(appid, app)| {
                let (value, number) = (case.read)(app)?;
                Some(gauge(&[("appid", appid), (case.label, &value)], number))
            });
            families.push(family(case.name, case.help, series.collect()));
        }
        let tickets = self.tickets();
        for AppFamily { name, help, read } in &TICKET_FAMILIES {
            let series = tickets.iter().filter_map(|(appid, kind, ticket)| {
                let labels = [("appid", appid.as_str()), ("kind", kind.as_str())];
                Some(gauge(&labels, read(ticket)?))
            });
            families.push(family(name, help, series.collect()));
        }
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

fn runway(apps: &[(String, Overview)]) -> Option<Duration> {
    apps.iter()
        .filter(|(_, app)| !app.paused)
        .map(|(_, app)| app.expires_in.unwrap_or_default())
        .min()
}

fn family(name: &str, help: &str, series: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(full_name(name));
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(series);
    family
}

fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::from_label(labels.iter().map(pair).collect());
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    metric.set_gauge(gauge);
    metric
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_micros(at.as_micros()).as_secs_f64()
}

const fn truth(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}
