//! Every token ever issued and when it died. Nothing is forgotten, so that a reply recorded with its time can be
//! judged long after.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rand::RngExt;

/// Which of WeChat's two isolated series a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Series {
    /// `/cgi-bin/token`: each fetch supersedes the one before.
    Rotating,
    /// `/cgi-bin/stable_token`: the same until it nears its end.
    Stable,
}

/// Why a token does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Death {
    /// A later fetch took its place, and the overlap is over.
    Superseded,
    /// It lived to its end.
    Expired,
    /// WeChat, or the account's owner, withdrew it.
    Invalidated,
    /// Never issued to this app, or not yet at that time.
    Unknown,
}

/// What WeChat would say of a token at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Valid {
        /// When it was issued.
        since: Instant,
        /// When it dies, as far as is decided by now; a fetch may bring that nearer.
        until: Instant,
    },
    /// It does not work.
    Dead {
        /// When it died; `None` if it never lived.
        since: Option<Instant>,
        /// What it died of.
        why: Death,
    },
}

impl Verdict {
    /// Whether the token works.
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid { .. })
    }
}

/// One token and all that is known of it.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// Counts all the tokens of the simulator from 1, in the order of issue.
    pub serial: u64,
    /// Whose it is.
    pub appid: String,
    /// The token itself.
    pub value: String,
    /// Which series it belongs to.
    pub series: Series,
    /// When it was issued.
    pub issued_at: Instant,
    /// When it died or will die, as far as is decided by now.
    pub dies_at: Instant,
    /// What it died or will die of.
    pub why: Death,
}

impl IssuedToken {
    /// What WeChat says of it at `at`.
    pub fn verdict_at(&self, at: Instant) -> Verdict {
        if at < self.issued_at {
            Verdict::Dead {
                since: None,
                why: Death::Unknown,
            }
        } else if at < self.dies_at {
            Verdict::Valid {
                since: self.issued_at,
                until: self.dies_at,
            }
        } else {
            Verdict::Dead {
                since: Some(self.dies_at),
                why: self.why,
            }
        }
    }

    /// Lets it die at `at`, unless it dies before that anyway.
    pub(crate) fn die_by(&mut self, at: Instant, why: Death) {
        if at < self.dies_at {
            (self.dies_at, self.why) = (at, why);
        }
    }
}

/// Where a token stands in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenIndex(usize);

/// All the tokens, in the order of issue.
#[derive(Debug, Default)]
pub(crate) struct TokenHistory {
    tokens: Vec<IssuedToken>,
    by_value: HashMap<String, TokenIndex>,
}

impl TokenHistory {
    pub(crate) fn issue(
        &mut self,
        appid: &str,
        series: Series,
        now: Instant,
        life: Duration,
    ) -> TokenIndex {
        let index = TokenIndex(self.tokens.len());
        let serial = self.tokens.len() as u64 + 1;
        let value = fake_credential("token", serial);
        self.by_value.insert(value.clone(), index);
        self.tokens.push(IssuedToken {
            serial,
            appid: appid.to_owned(),
            value,
            series,
            issued_at: now,
            dies_at: now + life,
            why: Death::Expired,
        });
        index
    }

    /// Lets every token of the app that still lives die now; of one series, or of both.
    pub(crate) fn kill(&mut self, appid: &str, series: Option<Series>, now: Instant, why: Death) {
        for token in &mut self.tokens {
            if token.appid == appid && series.is_none_or(|series| token.series == series) {
                token.die_by(now, why);
            }
        }
    }

    pub(crate) fn at(&self, index: TokenIndex) -> &IssuedToken {
        &self.tokens[index.0]
    }

    pub(crate) fn at_mut(&mut self, index: TokenIndex) -> &mut IssuedToken {
        &mut self.tokens[index.0]
    }

    pub(crate) fn find(&self, value: &str) -> Option<&IssuedToken> {
        self.by_value.get(value).map(|index| self.at(*index))
    }

    pub(crate) fn all(&self) -> &[IssuedToken] {
        &self.tokens
    }

    /// The first death still to come.
    pub(crate) fn next_death(&self, now: Instant) -> Option<Instant> {
        self.tokens
            .iter()
            .map(|token| token.dies_at)
            .filter(|at| *at > now)
            .min()
    }
}

/// A credential that nobody can take for a real one: it says that it is simulated, its number makes it unique,
/// and the rest is noise of any length up to what WeChat asks callers to leave room for.
pub(crate) fn fake_credential(kind: &str, serial: u64) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut rng = rand::rng();
    let length = rng.random_range(64..=512);
    let mut value = format!("SIMULATED_{kind}_{serial}_");
    while value.len() < length {
        value.push(LETTERS[rng.random_range(0..LETTERS.len())] as char);
    }
    value
}

/// Whether `value` could be a token at all; WeChat tells garbage (40014) from a wrong token (40001).
pub(crate) fn is_well_formed(value: &str) -> bool {
    (32..=2048).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_well_formed_and_within_the_documented_length() {
        for serial in 0..200 {
            let value = fake_credential("token", serial);
            assert!((64..=512).contains(&value.len()), "{}", value.len());
            assert!(is_well_formed(&value));
        }
    }

    #[test]
    fn a_token_is_judged_by_the_time_of_the_question() {
        let mut history = TokenHistory::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let index = history.issue("wx1", Series::Rotating, start, 10 * second);
        history
            .at_mut(index)
            .die_by(start + 3 * second, Death::Superseded);
        history
            .at_mut(index)
            .die_by(start + 5 * second, Death::Invalidated);
        let token = history.at(index);
        assert!(token.verdict_at(start).is_valid());
        assert!(token.verdict_at(start + 2 * second).is_valid());
        assert_eq!(
            token.verdict_at(start + 3 * second),
            Verdict::Dead {
                since: Some(start + 3 * second),
                why: Death::Superseded
            }
        );
    }
}
