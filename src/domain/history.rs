//! What lately happened to a credential's token, as one replica saw it: for people, who ask what came
//! before. Few events, in memory only; the log has them all.

use std::collections::VecDeque;
use std::time::Duration;

use super::protocol::Reason;
use super::upstream_error::UpstreamError;

/// How many events are kept. What repeats itself counts as one.
pub const KEPT: usize = 8;

/// The latest events, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(VecDeque<Event>);

/// Something that happened, once or several times in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What.
    pub what: What,
    /// When for the first time, by this machine's wall clock, since 1970 UTC.
    pub first: Duration,
    /// When for the last time.
    pub last: Duration,
    /// How often.
    pub times: u32,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// This replica fetched a token, and the store took it.
    Refreshed(Reason),
    /// This replica fetched a token, and the store did not take it.
    Unstored(Reason),
    /// Upstream answered a stable token that is the same as before.
    NotRenewed,
    /// A fetch of this replica came too late to be stored: another one had begun.
    Overlapped,
    /// Upstream refused to issue a token. Boxed: of ten thousand apps most were never refused.
    Refused(Reason, Box<UpstreamError>),
    /// Upstream could not be reached.
    NotSent(Reason),
    /// Nobody knows whether a fetch issued a token.
    Unclear(Reason),
    /// A token that another replica fetched was taken over from the store.
    TakenOver,
    /// The store had lost the token, and this replica put it back.
    PutBack,
    /// Upstream refused a token before it expired; whether somebody else's fetch killed it.
    Died {
        /// No fetch of ours explains it.
        foreign: bool,
    },
}

impl What {
    /// Whether the two are one event that happened twice. Of a refusal the code tells, not the request's id.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(reason, error), Self::Refused(other_reason, other_error)) => {
                reason == other_reason && error.code == other_error.code
            }
            _ => self == other,
        }
    }
}

impl History {
    /// Takes in what happened at `at`, since 1970 UTC.
    pub fn note(&mut self, what: What, at: Duration) {
        if let Some(newest) = self.0.front_mut()
            && newest.what.is_like(&what)
        {
            newest.what = what;
            newest.last = at;
            newest.times = newest.times.saturating_add(1);
            return;
        }
        self.0.truncate(KEPT - 1);
        self.0.push_front(Event {
            what,
            first: at,
            last: at,
            times: 1,
        });
    }

    /// The events, the newest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }

    /// Those that happened at `from` or later.
    pub fn since(&self, from: Duration) -> impl Iterator<Item = &Event> {
        self.events().filter(move |event| event.last >= from)
    }

    /// The newest refusal of upstream.
    #[must_use]
    pub fn refusal(&self) -> Option<&UpstreamError> {
        self.events().find_map(|event| match &event.what {
            What::Refused(_, error) => Some(error.as_ref()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i64, rid: &str) -> What {
        let error = UpstreamError {
            code,
            message: String::from("no"),
            rid: Some(rid.to_owned()),
            ip: None,
        };
        What::Refused(Reason::Scheduled, Box::new(error))
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_repeats_itself_pushes_nothing_out() {
        let mut history = History::default();
        history.note(What::Refreshed(Reason::Missing), at(1));
        for second in 2..1000 {
            history.note(refused(40164, &second.to_string()), at(second));
        }
        let events: Vec<_> = history.events().collect();
        assert_eq!(events.len(), 2);
        let newest = events[0];
        assert_eq!(
            (newest.first, newest.last, newest.times),
            (at(2), at(999), 998)
        );
        assert_eq!(newest.what, refused(40164, "999"), "the newest rid");
        history.note(refused(40125, "a"), at(1000));
        assert_eq!(history.events().count(), 3, "another code is another event");
    }

    #[test]
    fn the_newest_refusal_is_found_below_what_came_after_it() {
        let mut history = History::default();
        assert_eq!(history.refusal(), None);
        for (code, second) in [(40164, 1), (40125, 2)] {
            history.note(refused(code, "a"), at(second));
        }
        history.note(What::TakenOver, at(3));
        assert_eq!(history.refusal().map(|error| error.code), Some(40125));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut history = History::default();
        for round in 0..KEPT as u64 {
            history.note(What::TakenOver, at(2 * round));
            history.note(What::PutBack, at(2 * round + 1));
        }
        assert_eq!(history.events().count(), KEPT);
        assert_eq!(history.since(at(14)).count(), 2);
    }
}
