//! WeChat's rules for tokens, as far as they are known: a fetch rotates; the token before it lives for
//! the overlap; a second fetch within the overlap kills the one before last at once.

use token_broker::domain::secret::{Digest, Secret};

use super::scale::{LIFE, OVERLAP, Tick};

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
}

impl Upstream {
    /// Issues a token. It rotates whoever asks.
    pub(crate) fn issue(&mut self, now: Tick) -> Token {
        let (token, issued) = self.newest;
        self.before_until = (now + OVERLAP).min(issued + LIFE);
        self.newest = (token + 1, now);
        token + 1
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
