//! Who goes first where more is due than may be done side by side: ten thousand apps at a first start, or after
//! an outage.
//!
//! Two lanes, so that checks do not wait for fetches from an upstream that does not answer, nor fetches for
//! checks. In each, whoever is asked for goes first, then whose token ends first.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::protocol::Reason;
use crate::domain::replica::{Replica, Step};
use crate::domain::time::Moment;
use crate::snapshot::SlotId;

/// What a step needs upstream for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// It fetches, or puts back what was fetched.
    Fetch,
    /// It looks, or tells.
    Check,
}

/// How urgent a step is: the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    /// Whether nobody waits for it.
    pub(super) unasked: bool,
    /// By when it is needed, by the boot clock.
    pub(super) by: Duration,
}

/// The steps that are due and wait for a place.
#[derive(Debug)]
pub(super) struct Lanes {
    /// How many places each lane has.
    places: usize,
    fetch: Queue,
    check: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<(Urgency, SlotId)>,
    running: usize,
}

impl Lane {
    pub(super) const fn of(step: Step) -> Self {
        match step {
            Step::Refresh(_) | Step::RefreshAlone | Step::Offer => Self::Fetch,
            Step::Watch | Step::CheckCutOff | Step::Suspect | Step::Ask => Self::Check,
        }
    }
}

impl Urgency {
    /// How urgent a step is that was due `at`.
    pub(super) fn of(
        step: Step,
        at: Duration,
        asked: bool,
        replica: &Replica,
        now: Moment,
    ) -> Self {
        let ends = replica.expires(now).unwrap_or_default();
        let by = match step {
            // It may end sooner than it says.
            Step::Refresh(Reason::Repair | Reason::Report) => {
                ends.min(now.boot + replica.rules().overlap)
            }
            Step::Refresh(_) | Step::RefreshAlone | Step::Offer => ends,
            Step::Watch | Step::CheckCutOff | Step::Suspect | Step::Ask => at,
        };
        Self {
            unasked: !asked,
            by,
        }
    }
}

impl Lanes {
    pub(super) fn with_places(places: usize) -> Self {
        Self {
            places,
            fetch: Queue::default(),
            check: Queue::default(),
        }
    }

    pub(super) fn wait(&mut self, lane: Lane, urgency: Urgency, id: SlotId) {
        self.queue(lane).waiting.insert((urgency, id));
    }

    pub(super) fn withdraw(&mut self, lane: Lane, urgency: Urgency, id: SlotId) {
        self.queue(lane).waiting.remove(&(urgency, id));
    }

    /// The most urgent step for which there is a place.
    pub(super) fn next(&mut self) -> Option<(Lane, SlotId)> {
        let places = self.places;
        [Lane::Fetch, Lane::Check].into_iter().find_map(|lane| {
            let queue = self.queue(lane);
            let free = queue.running < places;
            let (_, id) = free.then(|| queue.waiting.pop_first()).flatten()?;
            Some((lane, id))
        })
    }

    pub(super) fn begun(&mut self, lane: Lane) {
        self.queue(lane).running += 1;
    }

    pub(super) fn ended(&mut self, lane: Lane) {
        let queue = self.queue(lane);
        queue.running = queue.running.saturating_sub(1);
    }

    const fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Fetch => &mut self.fetch,
            Lane::Check => &mut self.check,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SlotId;

    fn urgency(unasked: bool, by: u64) -> Urgency {
        Urgency {
            unasked,
            by: Duration::from_secs(by),
        }
    }

    fn order(lanes: &mut Lanes) -> Vec<SlotId> {
        std::iter::from_fn(|| lanes.next().map(|(_, id)| id)).collect()
    }

    #[test]
    fn whoever_is_asked_for_goes_first_and_then_whose_token_ends_first() {
        let mut lanes = Lanes::with_places(1);
        let [first, second, third, fourth] = [0, 1, 2, 3].map(SlotId::nth);
        lanes.wait(Lane::Fetch, urgency(true, 30), first);
        lanes.wait(Lane::Fetch, urgency(true, 10), second);
        lanes.wait(Lane::Fetch, urgency(false, 90), third);
        lanes.wait(Lane::Fetch, urgency(true, 0), fourth);
        assert_eq!(order(&mut lanes), [third, fourth, second, first]);
    }

    #[test]
    fn no_more_is_under_way_than_there_are_places_and_checks_have_their_own() {
        let mut lanes = Lanes::with_places(1);
        let [first, second, third] = [0, 1, 2].map(SlotId::nth);
        lanes.wait(Lane::Fetch, urgency(true, 1), first);
        lanes.wait(Lane::Fetch, urgency(true, 2), second);
        lanes.wait(Lane::Check, urgency(true, 3), third);
        assert_eq!(lanes.next(), Some((Lane::Fetch, first)));
        lanes.begun(Lane::Fetch);
        assert_eq!(lanes.next(), Some((Lane::Check, third)));
        lanes.begun(Lane::Check);
        assert_eq!(lanes.next(), None);
        lanes.ended(Lane::Fetch);
        assert_eq!(lanes.next(), Some((Lane::Fetch, second)));
    }

    #[test]
    fn what_is_withdrawn_does_not_come() {
        let mut lanes = Lanes::with_places(1);
        lanes.wait(Lane::Fetch, urgency(true, 1), SlotId::nth(0));
        lanes.withdraw(Lane::Fetch, urgency(true, 1), SlotId::nth(0));
        assert_eq!(lanes.next(), None);
    }
}
