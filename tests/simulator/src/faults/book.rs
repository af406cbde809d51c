//! Which faults are in force, and which of them meets a call: the one added first that applies.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Fault, FaultKind};
use crate::platform::calls::Endpoint;

/// A fault that was added, to remove it or to ask about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FaultId(pub(crate) u64);

/// The faults in force.
#[derive(Debug)]
pub(crate) struct FaultBook {
    entries: Vec<Entry>,
    chance: StdRng,
}

#[derive(Debug)]
struct Entry {
    fault: Fault,
    hits: u32,
    removed: bool,
}

impl FaultBook {
    pub(crate) fn new(chance: StdRng) -> Self {
        Self {
            entries: Vec::new(),
            chance,
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.entries.push(Entry {
            fault,
            hits: 0,
            removed: false,
        });
        FaultId(self.entries.len() as u64)
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        if let Some(entry) = self.entry(id) {
            entry.removed = true;
        }
    }

    pub(crate) fn clear(&mut self) {
        for entry in &mut self.entries {
            entry.removed = true;
        }
    }

    pub(crate) fn hits(&mut self, id: FaultId) -> u32 {
        self.entry(id).map_or(0, |entry| entry.hits)
    }

    fn entry(&mut self, id: FaultId) -> Option<&mut Entry> {
        let index = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.entries.get_mut(index)
    }

    /// The fault that meets this call, if any.
    pub(crate) fn strike(&mut self, endpoint: Endpoint, appid: Option<&str>) -> Option<FaultKind> {
        for entry in &mut self.entries {
            let spent = entry.fault.times.is_some_and(|times| entry.hits >= times);
            if entry.removed || spent || !entry.fault.concerns(endpoint, appid) {
                continue;
            }
            if entry.fault.probability >= 1.0 || self.chance.random_bool(entry.fault.probability) {
                entry.hits += 1;
                return Some(entry.fault.kind);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn book(seed: u64) -> FaultBook {
        FaultBook::new(StdRng::seed_from_u64(seed))
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_was_told_and_where() {
        let mut book = book(0);
        let id = book.add(
            Fault::new(FaultKind::CutBefore)
                .on(Endpoint::Token)
                .for_app("wx1")
                .times(2),
        );
        assert_eq!(book.strike(Endpoint::Ticket, Some("wx1")), None);
        assert_eq!(book.strike(Endpoint::Token, Some("wx2")), None);
        for _ in 0..2 {
            assert!(book.strike(Endpoint::Token, Some("wx1")).is_some());
        }
        assert_eq!(book.strike(Endpoint::Token, Some("wx1")), None);
        assert_eq!(book.hits(id), 2);
    }

    #[test]
    fn a_fault_without_a_count_lasts_until_it_is_removed() {
        let mut book = book(0);
        let id = book.add(Fault::new(FaultKind::Status(503)));
        for _ in 0..10 {
            assert!(book.strike(Endpoint::Token, None).is_some());
        }
        book.remove(id);
        assert_eq!(book.strike(Endpoint::Token, None), None);
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls() {
        let pattern = |seed| {
            let mut book = book(seed);
            book.add(Fault::new(FaultKind::CutBefore).with_probability(0.5));
            (0..64)
                .map(|_| book.strike(Endpoint::Token, None).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(pattern(7), pattern(7));
        assert_ne!(pattern(7), pattern(8));
        let struck = pattern(7).iter().filter(|struck| **struck).count();
        assert!((16..48).contains(&struck), "{struck} of 64");
    }
}
