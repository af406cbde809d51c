//! The state of everything: replicas, store, upstream, what is under way between them, and the time.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use token_broker::domain::credential::Mode;
use token_broker::domain::epoch::Version;
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::SetPause;

use super::actor::{Actor, Lane, Process};
use super::answers;
use super::call::{Answer, Call};
use super::pausing::Pausing;
use super::promise::{Broken, MOST_STEPS, bound};
use super::scale::{CACHE, LATEST_FETCH, Tick, moment};
use super::setting::Setting;
use super::shared::Shared;
use super::step::{self, Context};
use super::store::Store;
use super::upstream::{Token, Upstream, token_of};

/// One replica and what changes too often to be hashed with it.
#[derive(Clone, Hash)]
pub(crate) struct Side {
    pub(crate) actor: Shared<Actor>,
    /// A signal has come.
    pub(crate) signalled: bool,
    /// Steps begun in this tick.
    steps: u8,
    /// For how many ticks without a break it has served a dead token.
    pub(crate) dead_for: Tick,
    /// Where nothing has gone wrong so far: what it served last, and what before and until when.
    given: (Option<Token>, Option<(Token, Tick)>),
}

impl Side {
    /// A caller is given what is served. Answers which token callers may still have from before.
    fn give(&mut self, served: Option<Token>, calm: bool, now: Tick) -> Option<Token> {
        if !calm {
            self.given = (None, None);
            return None;
        }
        let (last, before) = self.given;
        if served != last {
            self.given = (served, last.map(|last| (last, now - 1)));
        } else if before.is_some_and(|(_, until)| now > until + CACHE) {
            self.given.1 = None;
        }
        self.given.1.map(|(token, _)| token)
    }
}

/// Everything.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) now: Tick,
    pub(crate) sides: Vec<Side>,
    pub(crate) store: Shared<Store>,
    pub(crate) upstream: Upstream,
    /// Questions that were given up by who asked and may still arrive, and when that was.
    pub(crate) strays: Vec<(Tick, Shared<Call>)>,
    /// Nonces drawn in this tick.
    pub(crate) nonces: u8,
    /// Faults so far.
    pub(crate) faults: u8,
    /// What people and callers wanted so far.
    pub(crate) demands: u8,
    pub(crate) pausing: Pausing,
    pub(crate) setting: Setting,
    /// Where less is allowed than is promised: for how long a dead token may be served.
    pub(crate) dead_at_most: Option<Tick>,
    /// Whether replicas hear of what others changed, or learn it only when they reconcile.
    pub(crate) signals: bool,
}

impl World {
    /// Nothing has happened yet.
    pub(crate) fn cold(replicas: usize, setting: Setting) -> Self {
        let side = Side {
            actor: Shared::new(Actor::new(setting)),
            signalled: false,
            steps: 0,
            dead_for: 0,
            given: (None, None),
        };
        Self {
            now: 0,
            sides: vec![side; replicas],
            store: Shared::new(Store::default()),
            upstream: Upstream::default(),
            strays: Vec::new(),
            nonces: 0,
            faults: 0,
            demands: 0,
            pausing: Pausing::default(),
            setting,
            dead_at_most: None,
            signals: true,
        }
    }

    /// What tells this state from others. Replicas have no names: two states that differ only in which
    /// replica is called which are one.
    pub(crate) fn print(&self) -> u64 {
        let hasher = FixedState::default();
        let sides = self.sides.iter();
        let mut sides: Vec<u64> = sides.map(|side| hasher.hash_one(side)).collect();
        sides.sort_unstable();
        let outside = (&self.store, &self.upstream, &self.strays);
        let so_far = (self.nonces, self.faults, self.demands, self.pausing);
        hasher.hash_one((self.now, sides, outside, so_far, self.signals))
    }

    /// Whether time may go on: whoever runs has done what is due.
    pub(crate) fn may_tick(&self) -> bool {
        self.sides.iter().all(|side| {
            let actor = &side.actor;
            !(actor.must_read(self.now)
                || (side.signalled && actor.runs())
                || actor.must_step(self.now)
                || actor.must_go_on(self.now))
        })
    }

    /// One tick passes.
    pub(crate) fn tick(&mut self) -> Result<(), Broken> {
        let limit = self.dead_at_most.unwrap_or(bound(self.upstream.foreign));
        let calm = self.faults == 0 && self.pausing.since.is_none();
        let mut broken = Ok(());
        for side in &mut self.sides {
            let served = side.actor.serves(self.now, self.setting);
            let died = side.give(served.map(|(token, _)| token), calm, self.now);
            if died.is_some_and(|token| !self.upstream.accepts(token, self.now)) {
                broken = Err(Broken::CacheDied);
            }
            // While upstream answers nobody, no token is refused, and none can be found dead.
            // An app that was paused is served to its end, and nobody looks after it.
            let dead = !self.upstream.down
                && self.pausing.since.is_none()
                && served.is_some_and(|(token, _)| !self.upstream.accepts(token, self.now));
            side.dead_for = if dead { side.dead_for + 1 } else { 0 };
            // Of a ticket nobody could tell: it is replaced at half of its life, whatever it is worth by then.
            if side.dead_for > limit && !self.setting.ticket {
                broken = Err(Broken::DeadServed);
            }
            side.steps = 0;
        }
        self.now += 1;
        self.nonces = 0;
        let now = self.now;
        self.strays.retain(|(sent, call)| {
            !matches!(**call, Call::Fetch { .. }) || now - sent <= LATEST_FETCH
        });
        self.settle();
        broken
    }

    /// The replica begins the step that is due.
    pub(crate) fn start(&mut self, index: usize) -> Result<(), Broken> {
        let side = &mut self.sides[index];
        let mut context = Context {
            now: self.now,
            setting: self.setting,
            nonces: &mut self.nonces,
        };
        side.actor.edit(|actor| {
            if let Some(plan) = actor.replica.next(context.clock()) {
                actor.flight = step::start(actor, plan.step, &mut context);
            }
        });
        side.steps += 1;
        if side.steps > MOST_STEPS {
            return Err(Broken::Spins);
        }
        self.note_served(index)
    }

    /// The question of a replica is answered.
    pub(crate) fn apply(&mut self, index: usize, lane: Lane) -> Result<(), Broken> {
        let Some(flight) = self.sides[index].actor.lane(lane).cloned() else {
            return Ok(());
        };
        let cut_off = self.sides[index].actor.cut_off;
        let answer = if flight.call.is_for_store() && cut_off {
            Answer::Away
        } else {
            self.answer(&flight.call, Some(index))?
        };
        self.set_answer(index, lane, answer);
        Ok(())
    }

    pub(crate) fn set_answer(&mut self, index: usize, lane: Lane, answer: Answer) {
        self.sides[index].actor.edit(|actor| {
            if let Some(flight) = actor.lane_mut(lane) {
                flight.answer = Some(answer);
            }
        });
    }

    fn answer(&mut self, call: &Call, from: Option<usize>) -> Result<Answer, Broken> {
        let now = self.now;
        match call {
            Call::Fetch { .. } if self.upstream.down => Ok(Answer::NotSent),
            Call::Fetch { begun, force } => self.fetched(*begun, *force),
            Call::Check(_) | Call::CheckAccessToken if self.upstream.down => Ok(Answer::Away),
            Call::CheckAccessToken => Ok(Answer::Accepted),
            Call::Check(grant) => Ok(self.checked(grant)),
            call => {
                let setting = self.setting;
                let applied = self.store.edit(|store| store.apply(call, now, setting))?;
                self.note_pause(call, &applied.answer)?;
                if applied.signals && self.signals {
                    for (index, side) in self.sides.iter_mut().enumerate() {
                        let hears = side.actor.runs() && !side.actor.cut_off;
                        side.signalled |= hears && Some(index) != from;
                    }
                }
                Ok(applied.answer)
            }
        }
    }

    fn fetched(&mut self, begun: Tick, force: bool) -> Result<Answer, Broken> {
        let setting = self.setting;
        let spaced = setting.mode == Mode::Stable || self.upstream.is_spaced(self.now);
        if self.faults == 0 && self.demands == 0 && !spaced {
            return Err(Broken::NeedlessFetch);
        }
        if setting.scarce {
            self.upstream
                .count(begun, self.store.ahead(), self.store.losses())?;
        }
        let (token, left) = self.upstream.issue(self.now, setting.mode, force);
        Ok(Answer::Issued(token, left))
    }

    fn checked(&self, grant: &Grant) -> Answer {
        if self.upstream.accepts(token_of(&grant.digest), self.now) {
            Answer::Accepted
        } else {
            Answer::Refused
        }
    }

    /// A question arrives that nobody waits for any more.
    pub(crate) fn arrive(&mut self, stray: usize) -> Result<(), Broken> {
        let (_, call) = self.strays.remove(stray);
        self.answer(&call, None).map(|_| ())
    }

    /// An answer arrives, and what follows from it is done.
    pub(crate) fn deliver(&mut self, index: usize, lane: Lane) -> Result<(), Broken> {
        let side = &mut self.sides[index];
        let mut context = Context {
            now: self.now,
            setting: self.setting,
            nonces: &mut self.nonces,
        };
        side.actor.edit(|actor| {
            if let Some(flight) = actor.lane_mut(lane).take() {
                let next = answers::take(actor, flight, &mut context);
                *actor.lane_mut(lane) = next;
            }
        });
        self.note_served(index)
    }

    /// The follower reads the record.
    pub(crate) fn follow(&mut self, index: usize) -> Result<(), Broken> {
        let (now, setting) = (self.now, self.setting);
        let side = &mut self.sides[index];
        let reading = (!side.actor.cut_off).then(|| self.store.read(now, setting));
        side.signalled = false;
        side.actor.edit(|actor| actor.read(now, setting, reading));
        self.note_served(index)
    }

    /// The follower asks, and its answer is delayed.
    pub(crate) fn delay_reading(&mut self, index: usize) {
        let now = self.now;
        let (record, at) = self.store.read(now, self.setting);
        let side = &mut self.sides[index];
        side.signalled = false;
        side.actor.edit(|actor| {
            actor.delayed = Some((Box::new(record), at, moment(now)));
            actor.next_read = now + 1;
        });
    }

    /// The delayed answer arrives.
    pub(crate) fn end_delay(&mut self, index: usize) -> Result<(), Broken> {
        let (now, setting) = (self.now, self.setting);
        self.sides[index].actor.edit(|actor| {
            if let Some((record, at, sent)) = actor.delayed.take() {
                actor.observe(now, setting, *record, at, sent);
            }
        });
        self.note_served(index)
    }

    /// Never backwards; and whoever else serves the same version serves the same token. Two clocks may give one time to two
    /// tokens, the store's after it went back, or a replica's that fetches without the store: whoever reads the
    /// other token notices.
    pub(crate) fn note_served(&mut self, index: usize) -> Result<(), Broken> {
        let serves = |side: &Side| side.actor.serves(self.now, self.setting);
        let Some((token, version)) = serves(&self.sides[index]) else {
            return Ok(());
        };
        let another = |(other, its): (Token, Version)| its == version && other != token;
        let one_clock = self.store.ahead() >= 0 && self.setting.mode == Mode::Token;
        if one_clock && self.sides.iter().filter_map(serves).any(another) {
            return Err(Broken::VersionTwice);
        }
        let side = &mut self.sides[index];
        let before = side.actor.served;
        if version > before {
            side.actor.edit(|actor| actor.served = version);
        }
        if version < before {
            return Err(Broken::Backwards);
        }
        Ok(())
    }

    /// Ends every trouble that lasts.
    pub(crate) fn heal(&mut self) -> Result<(), Broken> {
        let now = self.now;
        self.upstream.down = false;
        self.strays.clear();
        self.store.edit(Store::catch_up);
        for side in &mut self.sides {
            side.actor.edit(|actor| {
                if actor.process == Process::Gone {
                    actor.restart(now);
                }
                actor.process = Process::Runs;
                if actor.cut_off {
                    actor.cut_off = false;
                    actor.reconnect(now);
                }
                // Whoever wanted a pause and was held up does not want it any more.
                actor
                    .errand
                    .take_if(|errand| matches!(errand.call, Call::SetPause(_)));
            });
        }
        if self.pausing.since.is_some() {
            self.answer(&Call::SetPause(SetPause { paused: false }), None)?;
        }
        Ok(())
    }

    /// Whether every replica serves a token that upstream accepts, as far as anybody can tell.
    pub(crate) fn all_is_well(&self) -> bool {
        self.sides.iter().all(|side| {
            side.actor
                .serves(self.now, self.setting)
                .is_some_and(|(token, _)| {
                    self.setting.ticket || self.upstream.accepts(token, self.now)
                })
        })
    }
}
