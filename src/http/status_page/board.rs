//! One reading of all that the page tells, the worst first: made at most once a second, however many look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::app_id::AppId;
use crate::domain::credential::Credential;
use crate::domain::time::Moment;
use crate::overview::Overview;
use crate::snapshot::Reader;
use crate::trouble::{Trouble, Weight, troubles};

/// Everything, as it was at one moment.
pub(super) struct Board {
    /// When, by the wall clock, since 1970 UTC.
    pub(super) at: Moment,
    /// Every credential, the worst first, then by appid.
    pub(super) rows: Vec<Row>,
    /// What is wrong, the worst first.
    pub(super) findings: Vec<Finding>,
    /// How many apps there are.
    pub(super) apps: usize,
    /// How many of them have something that is not servable.
    pub(super) refusing: usize,
    /// How many of them were not looked up in the store yet.
    pub(super) starting: usize,
    /// How long every token would last if nothing could be fetched from now on.
    pub(super) runway: Option<Duration>,
    /// Whether the store answered the last question.
    pub(super) store_up: bool,
    /// Whether WeChat answered the last call.
    pub(super) wechat_up: bool,
}

/// One credential.
pub(super) struct Row {
    pub(super) credential: Credential,
    pub(super) overview: Overview,
    /// What is wrong, the worst first.
    pub(super) troubles: Vec<Trouble>,
}

/// One thing that is wrong, with all for which it is.
pub(super) struct Finding {
    pub(super) trouble: Trouble,
    pub(super) weight: Weight,
    /// Whose, the one with the least time first: positions of [`Board::rows`]. None where it is wrong for
    /// nobody in particular.
    pub(super) rows: Vec<usize>,
    /// How many apps' callers are refused.
    pub(super) refusing: usize,
    /// How long the first token of the others lasts.
    pub(super) left: Option<Duration>,
}

impl Row {
    /// How bad the worst of it is.
    pub(super) fn weight(&self) -> Option<Weight> {
        let worst = self.troubles.first()?;
        Some(worst.weight(&self.overview))
    }
}

impl Board {
    /// Reads the snapshot.
    pub(super) fn read(reader: &Reader, now: Moment, store_up: bool, wechat_up: bool) -> Self {
        let row = |id| {
            let subject = reader.subject(id);
            let overview = Overview::of(&reader.view(id), &subject.rules, now);
            Row {
                credential: subject.credential.clone(),
                troubles: troubles(&overview, now.wall),
                overview,
            }
        };
        let mut rows: Vec<_> = reader.ids().into_iter().map(row).collect();
        // What is well has no weight, and comes last.
        let order = |row: &Row| {
            let weight = row.weight().map_or(u8::MAX, |weight| weight as u8);
            (weight, row.credential.clone())
        };
        rows.sort_by_cached_key(order);
        let apps_with = |holds: fn(&Row) -> bool| distinct(rows.iter().filter(|row| holds(row)));
        let mut board = Self {
            at: now,
            apps: apps_with(|_| true),
            refusing: apps_with(|row| row.weight() == Some(Weight::Refusing)),
            starting: apps_with(|row| row.troubles == [Trouble::Starting]),
            runway: runway(&rows),
            findings: Vec::new(),
            store_up,
            wechat_up,
            rows,
        };
        board.findings = board.find();
        board
    }

    /// The rows of an app.
    pub(super) fn of_app<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows
            .iter()
            .filter(move |row| row.credential.app.as_str() == app)
    }

    /// How bad the worst of it is.
    pub(super) fn weight(&self) -> Option<Weight> {
        self.findings.first().map(|finding| finding.weight)
    }

    fn find(&self) -> Vec<Finding> {
        let mut by_trouble: BTreeMap<Trouble, Vec<usize>> = BTreeMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            for trouble in &row.troubles {
                by_trouble.entry(*trouble).or_default().push(index);
            }
        }
        // What the last call said, where no app has come to feel it.
        for (up, trouble) in [
            (self.store_up, Trouble::StoreAway),
            (self.wechat_up, Trouble::WeChatAway),
        ] {
            if !up {
                by_trouble.entry(trouble).or_default();
            }
        }
        let mut findings: Vec<_> = by_trouble
            .into_iter()
            .map(|(trouble, rows)| self.finding(trouble, rows))
            .collect();
        let left = |finding: &Finding| finding.left.unwrap_or(Duration::MAX);
        findings.sort_by_key(|finding| (finding.weight, left(finding), finding.trouble));
        findings
    }

    fn finding(&self, trouble: Trouble, mut rows: Vec<usize>) -> Finding {
        let left = |index: &usize| self.rows[*index].overview.expires_in;
        // By whole seconds: two that die together keep their places while one looks.
        rows.sort_by_key(|index| (left(index).map(|left| left.as_secs()), *index));
        let weights = rows
            .iter()
            .map(|index| trouble.weight(&self.rows[*index].overview));
        Finding {
            trouble,
            weight: weights.min().unwrap_or(Weight::Know),
            refusing: distinct(
                rows.iter()
                    .map(|index| &self.rows[*index])
                    .filter(|row| trouble.weight(&row.overview) == Weight::Refusing),
            ),
            left: if rows.is_empty() {
                self.runway.filter(|left| !left.is_zero())
            } else {
                rows.iter().find_map(left)
            },
            rows,
        }
    }
}

fn distinct<'a>(rows: impl Iterator<Item = &'a Row>) -> usize {
    let apps: BTreeSet<&AppId> = rows.map(|row| &row.credential.app).collect();
    apps.len()
}

fn runway(rows: &[Row]) -> Option<Duration> {
    rows.iter()
        .filter(|row| !row.overview.paused)
        .map(|row| row.overview.expires_in.unwrap_or_default())
        .min()
}
