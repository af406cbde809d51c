//! What can happen next: what the protocol does, what goes wrong, and what ends it.

use token_broker::domain::credential::Mode;

use super::actor::{Lane, Process};
use super::call::{Answer, Call};
use super::demand::Demand;
use super::promise::Broken;
use super::shared::Shared;
use super::store::Store;
use super::world::World;

/// How far the clock of a standby may be ahead: not at all; behind by more than a lease, so that a lease
/// can be handed out twice for one time; ahead by more than a lease and a spacing.
const AHEAD: [i16; 3] = [0, -3, 21];

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A replica's process ends.
    Crash,
    /// A replica's process stands still, wherever it is.
    Stall,
    /// A question does not arrive.
    LostQuestion,
    /// A question was carried out, and its answer does not arrive.
    LostAnswer,
    /// A question arrives long after it was given up.
    LateQuestion,
    /// Upstream answers a fetch with an error.
    Refusal,
    /// A fetch cannot be sent.
    NotSent,
    /// A replica cannot reach the store.
    CutOff,
    /// A follower's reading arrives late.
    LateReading,
    /// A signal is lost.
    LostSignal,
    /// The store loses everything.
    DataLoss,
    /// Replication stops, unnoticed; a failover then loses what came after.
    Lag,
    /// The same, but `begin` learns that its change is on one machine only.
    NoticedLag,
    /// Somebody else fetches.
    ForeignFetch,
    /// Upstream answers nobody.
    UpstreamDown,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Crash,
        Self::Stall,
        Self::LostQuestion,
        Self::LostAnswer,
        Self::LateQuestion,
        Self::Refusal,
        Self::NotSent,
        Self::CutOff,
        Self::LateReading,
        Self::LostSignal,
        Self::DataLoss,
        Self::Lag,
        Self::NoticedLag,
        Self::ForeignFetch,
        Self::UpstreamDown,
    ];

    /// Whether it happens to one replica.
    const fn has_place(self) -> bool {
        !matches!(
            self,
            Self::DataLoss | Self::Lag | Self::NoticedLag | Self::ForeignFetch | Self::UpstreamDown
        )
    }

    fn can_happen(self, world: &World, index: usize) -> bool {
        let actor = &world.sides[index].actor;
        let asked = actor
            .flight
            .as_ref()
            .filter(|flight| flight.answer.is_none() && actor.runs())
            .filter(|flight| !(actor.cut_off && flight.call.is_for_store()))
            .map(|flight| &flight.call);
        match self {
            Self::Crash => actor.process != Process::Gone,
            Self::Stall => actor.runs(),
            Self::LostQuestion => asked.is_some(),
            Self::LostAnswer => {
                actor.runs()
                    && actor.flight.as_ref().is_some_and(|flight| {
                        flight.call.changes()
                            && flight
                                .answer
                                .as_ref()
                                .is_some_and(|answer| !matches!(answer, Answer::Away))
                    })
            }
            Self::LateQuestion => asked.is_some_and(Call::changes),
            Self::Refusal | Self::NotSent => {
                asked.is_some_and(|call| matches!(call, Call::Fetch { .. }))
            }
            Self::CutOff => !actor.cut_off,
            Self::LateReading => {
                let asks = actor.must_read(world.now) || world.sides[index].signalled;
                asks && actor.runs() && !actor.cut_off && actor.delayed.is_none()
            }
            Self::LostSignal => world.sides[index].signalled,
            Self::DataLoss | Self::ForeignFetch => true,
            Self::Lag | Self::NoticedLag => !world.store.is_lagging(),
            Self::UpstreamDown => !world.upstream.down,
        }
    }
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// An answer arrives at a replica.
    Deliver(usize),
    /// A question arrives and is carried out.
    Apply(usize),
    /// An answer arrives at the errand of a replica.
    DeliverErrand(usize),
    /// The question of an errand arrives and is carried out.
    ApplyErrand(usize),
    /// A follower reads.
    Follow(usize),
    /// A replica begins a step.
    Start(usize),
    /// Time goes on.
    Tick,
    /// Something goes wrong.
    Fault(Fault, usize),
    /// Somebody wants something.
    Demand(Demand, usize),
    /// A crashed process is started again.
    Restart(usize),
    /// A process that stood still goes on.
    GoOn(usize),
    /// A replica reaches the store again.
    Reconnect(usize),
    /// A delayed reading arrives.
    ReadingArrives(usize),
    /// A late question arrives.
    Arrive(usize),
    /// The standby takes over, with a clock so far ahead.
    FailOver(i16),
    /// The standby has caught up.
    CatchUp,
    /// Upstream answers again.
    UpstreamBack,
}

impl World {
    /// What the protocol itself may do next, time apart.
    pub(crate) fn moves(&self) -> Vec<Action> {
        let mut moves = Vec::new();
        for (index, side) in self.sides.iter().enumerate() {
            let actor = &side.actor;
            if !actor.runs() {
                continue;
            }
            match actor.flight.as_ref().map(|flight| flight.answer.is_some()) {
                Some(true) => moves.push(Action::Deliver(index)),
                Some(false) => moves.push(Action::Apply(index)),
                None if actor.must_step(self.now) => moves.push(Action::Start(index)),
                None => {}
            }
            match actor.errand.as_ref().map(|errand| errand.answer.is_some()) {
                Some(true) => moves.push(Action::DeliverErrand(index)),
                Some(false) => moves.push(Action::ApplyErrand(index)),
                None => {}
            }
            if actor.must_read(self.now) || side.signalled {
                moves.push(Action::Follow(index));
            }
        }
        moves
    }

    /// What ends troubles, at any time.
    pub(crate) fn endings(&self) -> Vec<Action> {
        let mut endings = Vec::new();
        for (index, side) in self.sides.iter().enumerate() {
            let actor = &side.actor;
            match actor.process {
                Process::Gone => endings.push(Action::Restart(index)),
                Process::Stands => endings.push(Action::GoOn(index)),
                Process::Runs => {}
            }
            if actor.cut_off {
                endings.push(Action::Reconnect(index));
            }
            if actor.delayed.is_some() && actor.runs() {
                endings.push(Action::ReadingArrives(index));
            }
        }
        endings.extend((0..self.strays.len()).map(Action::Arrive));
        if self.store.is_lagging() {
            endings.extend(AHEAD.map(Action::FailOver));
            endings.push(Action::CatchUp);
        }
        if self.upstream.down {
            endings.push(Action::UpstreamBack);
        }
        endings
    }

    /// What can go wrong now.
    pub(crate) fn faults(&self, allowed: &[Fault]) -> Vec<Action> {
        let mut faults = Vec::new();
        for fault in allowed {
            let places = if fault.has_place() {
                self.sides.len()
            } else {
                1
            };
            let here = (0..places).filter(|index| fault.can_happen(self, *index));
            faults.extend(here.map(|index| Action::Fault(*fault, index)));
        }
        faults
    }

    /// Does it.
    pub(crate) fn take(&mut self, action: Action) -> Result<(), Broken> {
        let now = self.now;
        if matches!(
            action,
            Action::Restart(_) | Action::GoOn(_) | Action::Reconnect(_) | Action::Arrive(_)
        ) {
            self.pausing.shake(now);
        }
        match action {
            Action::Deliver(index) => return self.deliver(index, Lane::Step),
            Action::Apply(index) => return self.apply(index, Lane::Step),
            Action::DeliverErrand(index) => return self.deliver(index, Lane::Errand),
            Action::ApplyErrand(index) => return self.apply(index, Lane::Errand),
            Action::Demand(demand, index) => {
                self.demand(demand, index);
                return self.note_served(index);
            }
            Action::Follow(index) => return self.follow(index),
            Action::Start(index) => return self.start(index),
            Action::Tick => return self.tick(),
            Action::Arrive(stray) => return self.arrive(stray),
            Action::ReadingArrives(index) => return self.end_delay(index),
            Action::Fault(fault, index) => {
                self.faults += 1;
                self.go_wrong(fault, index);
            }
            Action::Restart(index) => self.sides[index].actor.edit(|actor| actor.restart(now)),
            Action::GoOn(index) => {
                self.sides[index]
                    .actor
                    .edit(|actor| actor.process = Process::Runs);
                return self.note_served(index);
            }
            Action::Reconnect(index) => self.sides[index].actor.edit(|actor| {
                actor.cut_off = false;
                actor.reconnect(now);
            }),
            Action::FailOver(ahead) => {
                self.pausing.shake(now);
                self.store.edit(|store| store.fail_over(ahead));
                for side in self.sides.iter_mut().filter(|side| !side.actor.cut_off) {
                    side.actor.edit(|actor| actor.reconnect(now));
                }
            }
            Action::CatchUp => self.store.edit(Store::catch_up),
            Action::UpstreamBack => self.upstream.down = false,
        }
        Ok(())
    }

    fn go_wrong(&mut self, fault: Fault, index: usize) {
        match fault {
            Fault::Crash => {
                let setting = self.setting;
                let side = &mut self.sides[index];
                side.actor.edit(|actor| actor.crash(setting));
                side.signalled = false;
                side.dead_for = 0;
            }
            Fault::Stall => self.sides[index]
                .actor
                .edit(|actor| actor.process = Process::Stands),
            Fault::LostQuestion | Fault::LostAnswer => {
                self.set_answer(index, Lane::Step, Answer::Away)
            }
            Fault::LateQuestion => {
                if let Some(flight) = &self.sides[index].actor.flight {
                    self.strays
                        .push((self.now, Shared::new(flight.call.clone())));
                }
                self.set_answer(index, Lane::Step, Answer::Away);
            }
            Fault::Refusal => self.set_answer(index, Lane::Step, Answer::Definite),
            Fault::NotSent => self.set_answer(index, Lane::Step, Answer::NotSent),
            Fault::CutOff => {
                let side = &mut self.sides[index];
                side.signalled = false;
                side.actor.edit(|actor| {
                    actor.cut_off = true;
                    for flight in actor.flight.iter_mut().chain(&mut actor.errand) {
                        if flight.call.is_for_store() {
                            flight.answer = Some(Answer::Away);
                        }
                    }
                });
            }
            Fault::LateReading => self.delay_reading(index),
            Fault::LostSignal => self.sides[index].signalled = false,
            Fault::DataLoss => {
                self.pausing.shake(self.now);
                self.store.edit(Store::lose);
            }
            Fault::Lag | Fault::NoticedLag => {
                let confirmed = fault == Fault::Lag;
                self.store.edit(|store| store.lag(confirmed));
            }
            Fault::ForeignFetch => {
                let forced = self.setting.mode == Mode::Stable;
                self.upstream.issue(self.now, self.setting.mode, forced);
                self.upstream.foreign += 1;
            }
            Fault::UpstreamDown => self.upstream.down = true,
        }
    }
}
