//! A replica: the domain's own [`Replica`], the step under way, its follower, and what it shows.

use token_broker::domain::epoch::Version;
use token_broker::domain::protocol::Record;
use token_broker::domain::replica::{Replica, StoreTrouble};
use token_broker::domain::secret::Digest;
use token_broker::domain::time::{Moment, Timestamp};

use super::call::{Answer, Call};
use super::sabotage::Sabotage;
use super::scale::{RECONCILE, Tick, moment};
use super::setting::Setting;
use super::step::Then;
use super::upstream::{Token, token_of};

/// Whether its process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Process {
    Runs,
    /// It stands still, and will go on where it was.
    Stands,
    /// It crashed and has forgotten everything.
    Gone,
}

/// What a flight belongs to: a replica takes one step at a time, and beside it an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Step,
    Errand,
}

/// A call that was sent and is not answered yet, or whose answer has not arrived.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Flight {
    pub(crate) call: Call,
    pub(crate) answer: Option<Answer>,
    pub(crate) sent: Tick,
    /// How often the same was sent before.
    pub(crate) repeated: bool,
    pub(crate) then: Then,
}

/// What requests are answered from: what the publisher made of the replica when it changed last.
#[derive(Clone, Debug, Default, Hash)]
struct Shown {
    version: Version,
    digest: Option<Digest>,
    expires: Moment,
    answer_until: Moment,
}

/// One replica.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Actor {
    pub(crate) replica: Replica,
    pub(crate) process: Process,
    /// The step under way.
    pub(crate) flight: Option<Flight>,
    /// What a request wanted, beside the step.
    pub(crate) errand: Option<Flight>,
    /// When its follower reads the record next, at the latest.
    pub(crate) next_read: Tick,
    /// It cannot reach the store.
    pub(crate) cut_off: bool,
    /// A reading of the follower whose answer is delayed.
    pub(crate) delayed: Option<(Box<Record>, Timestamp, Moment)>,
    shown: Shown,
    /// The highest version it has served.
    pub(crate) served: Version,
}

impl Actor {
    pub(crate) fn new(setting: Setting) -> Self {
        Self {
            replica: Replica::new(setting.rules(), true, 0.0),
            process: Process::Runs,
            flight: None,
            errand: None,
            next_read: 0,
            cut_off: false,
            delayed: None,
            shown: Shown::default(),
            served: Version::default(),
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.process == Process::Runs
    }

    /// Changes what it knows, and publishes what follows.
    pub(crate) fn update<R>(&mut self, now: Tick, change: impl FnOnce(&mut Replica) -> R) -> R {
        let result = change(&mut self.replica);
        let view = self.replica.view(moment(now));
        self.shown = Shown {
            version: view
                .grant
                .as_ref()
                .map(|grant| grant.version)
                .unwrap_or_default(),
            digest: view.grant.as_ref().map(|grant| grant.digest),
            expires: view.expires,
            answer_until: view.answer_until,
        };
        result
    }

    /// Which token a request is answered with at once.
    pub(crate) fn serves(&self, now: Tick, setting: Setting) -> Option<(Token, Version)> {
        let now = moment(now);
        let digest = self.shown.digest.as_ref().filter(|_| self.runs())?;
        let servable = self.shown.expires.remaining(now).as_secs() >= 1;
        let may_answer =
            !self.shown.answer_until.has_passed(now) || setting.lacks(Sabotage::Vouching);
        (servable && may_answer).then(|| (token_of(digest), self.shown.version))
    }

    /// The process ends, and everything it knew with it.
    pub(crate) fn crash(&mut self, setting: Setting) {
        *self = Self {
            process: Process::Gone,
            cut_off: self.cut_off,
            ..Self::new(setting)
        };
    }

    pub(crate) fn restart(&mut self, now: Tick) {
        self.process = Process::Runs;
        self.next_read = now;
    }

    /// The connection to the store is made anew.
    pub(crate) fn reconnect(&mut self, now: Tick) {
        if self.process != Process::Gone {
            self.update(now, |replica| replica.reconnected(moment(now)));
        }
        self.next_read = now;
    }

    /// The follower has an answer, or learns that there is none.
    pub(crate) fn read(
        &mut self,
        now: Tick,
        setting: Setting,
        reading: Option<(Record, Timestamp)>,
    ) {
        if reading.is_none() {
            self.next_read = now + 1;
        } else if self.next_read <= now {
            self.next_read = now + RECONCILE;
        }
        match reading {
            Some((record, at)) => self.observe(now, setting, record, at, moment(now)),
            None => self.lost_store(now),
        }
    }

    pub(crate) fn observe(
        &mut self,
        now: Tick,
        setting: Setting,
        record: Record,
        at: Timestamp,
        sent: Moment,
    ) {
        let below = record
            .servable()
            .is_some_and(|grant| grant.version < self.replica.floor());
        if below && setting.lacks(Sabotage::Floor) {
            self.replica = Replica::new(setting.rules(), true, 0.0);
        }
        self.update(now, |replica| replica.observe(record, at, sent));
    }

    pub(crate) fn lost_store(&mut self, now: Tick) {
        self.update(now, |replica| {
            replica.store_failed(StoreTrouble::Away, moment(now));
        });
    }

    /// Whether its follower has to read now.
    pub(crate) fn must_read(&self, now: Tick) -> bool {
        self.runs() && self.next_read <= now
    }

    /// Whether a step is due now.
    pub(crate) fn must_step(&self, now: Tick) -> bool {
        self.runs()
            && self.flight.is_none()
            && self
                .replica
                .next(moment(now))
                .is_some_and(|plan| plan.at <= moment(now).boot)
    }

    /// Whether its flight has to go on before the tick ends. A fetch may take until the next.
    pub(crate) fn must_go_on(&self, now: Tick) -> bool {
        let hurries =
            |flight: &Flight| !matches!(flight.call, Call::Fetch { .. }) || flight.sent < now;
        self.runs() && (self.errand.is_some() || self.flight.as_ref().is_some_and(hurries))
    }

    /// All that is under way.
    pub(crate) fn flights(&self) -> impl Iterator<Item = &Flight> {
        self.flight.iter().chain(&self.errand)
    }

    /// The step under way, or the errand.
    pub(crate) fn lane(&self, lane: Lane) -> Option<&Flight> {
        match lane {
            Lane::Step => self.flight.as_ref(),
            Lane::Errand => self.errand.as_ref(),
        }
    }

    /// The same, to be changed.
    pub(crate) fn lane_mut(&mut self, lane: Lane) -> &mut Option<Flight> {
        match lane {
            Lane::Step => &mut self.flight,
            Lane::Errand => &mut self.errand,
        }
    }
}
