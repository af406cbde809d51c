//! WeChat's rules for tokens, as far as they are known: a fetch rotates; the token before it lives for
//! the overlap; a second fetch within the overlap kills the one before last at once. A stable token is
//! renewed by whoever asks in its last overlap; forced, the one before dies at once.

use token_broker::domain::credential::Mode;
use token_broker::domain::secret::{Digest, Secret};

use super::promise::Broken;
use super::scale::{LIFE, OVERLAP, SPACING, Tick};
use super::setting::SCARCE;

/// A token by its number: tokens are numbered in the order in which upstream issued them.
pub(crate) type Token = u8;

/// Upstream's side of one app.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The newest token and when it was issued; number 0 = none.
    newest: (Token, Tick),
    /// Until when the one before it is accepted.
    before_until: Tick,
    /// It answers nobody.
    pub(crate) down: bool,
    /// How many tokens were issued to somebody else.
    pub(crate) foreign: u8,
    /// Where the budget is scarce: when the lease of each of our fetches was asked for.
    fetches: Vec<Tick>,
}

impl Upstream {
    /// Issues a token, and says what is left of its life. In token mode it rotates whoever asks.
    pub(crate) fn issue(&mut self, now: Tick, mode: Mode, force: bool) -> (Token, Tick) {
        let (token, issued) = self.newest;
        let dies = issued + LIFE;
        self.before_until = match mode {
            Mode::Token => dies.min(now + OVERLAP),
            Mode::Stable if force => now,
            Mode::Stable if token > 0 && dies > now + OVERLAP => return (token, dies - now),
            Mode::Stable => dies,
        };
        self.newest = (token + 1, now);
        (token + 1, LIFE)
    }

    /// Whether the last token was issued long enough ago for a fetch to be due.
    pub(crate) fn is_spaced(&self, now: Tick) -> bool {
        let (token, issued) = self.newest;
        token == 0 || now >= issued + SPACING
    }

    /// One of our fetches has arrived. No part of the time may have seen more of them than the budget gives
    /// for it. `ahead` is what the store's clock has gained, which it cannot know; `losses` how
    /// often it lost data: each time, what was spent at that very moment may go uncounted.
    pub(crate) fn count(&mut self, begun: Tick, ahead: i16, losses: u8) -> Result<(), Broken> {
        let (interval, burst) = SCARCE;
        self.fetches.push(begun);
        self.fetches.sort_unstable();
        let most = usize::try_from(burst).unwrap_or(0) + usize::from(losses);
        let gained = Tick::try_from(ahead).unwrap_or(0);
        for (first, from) in self.fetches.iter().enumerate() {
            for (count, to) in self.fetches[first..].iter().enumerate() {
                let regained = (to - from + gained) / interval;
                if count + 1 > usize::from(regained) + most {
                    return Err(Broken::OverBudget);
                }
            }
        }
        Ok(())
    }

    /// Whether it accepts a token.
    pub(crate) fn accepts(&self, token: Token, now: Tick) -> bool {
        let (newest, issued) = self.newest;
        if token == newest {
            now < issued + LIFE
        } else {
            token + 1 == newest && now < self.before_until
        }
    }

    /// How many tokens it issued to our replicas.
    pub(crate) fn issued(&self) -> u8 {
        self.newest.0 - self.foreign
    }
}

/// The value that stands for a token.
pub(crate) fn value(token: Token) -> Secret {
    Secret::new(format!("token-{token}"))
}

/// The digest that stands for a token's.
pub(crate) fn digest(token: Token) -> Digest {
    Digest::new([token; 32])
}

/// Which token a digest stands for.
pub(crate) fn token_of(digest: &Digest) -> Token {
    digest.as_bytes()[0]
}
