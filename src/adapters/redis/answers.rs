//! What a script answers: a list of texts that begins with `ok` and the store's time, or says why not.

use std::borrow::Cow;
use std::time::Duration;

use redis::{FromRedisValue, Value};

use crate::adapters::record::{Fields, StoredGrant, verdict_of};
use crate::domain::epoch::{Epoch, Version};
use crate::domain::grant::Grant;
use crate::domain::protocol::{
    Begun, Claimed, Committed, ForeignOrigin, Judged, Permit, PutBackAnswer,
};
use crate::domain::secret::{Digest, Fingerprint, Secret};
use crate::domain::state::Check;
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;
use crate::ports::{Stamped, StoreError};

/// An answer that is taken apart from its front. May hold a token, so it has no `Debug`.
pub(super) struct Answer {
    at: Timestamp,
    words: std::vec::IntoIter<String>,
}

impl Answer {
    /// Looks whether the change was made at all.
    pub(super) fn of(words: Vec<String>, ours: Fingerprint) -> Result<Self, StoreError> {
        let mut answer = Self {
            at: Timestamp::NEVER,
            words: words.into_iter(),
        };
        match answer.word()?.as_str() {
            "ok" => {
                answer.at = answer.time()?;
                Ok(answer)
            }
            "foreign" => {
                let found = answer.parsed(Fingerprint::parse)?;
                Err(ForeignOrigin { found, ours }.into())
            }
            "unreadable" => Err(StoreError::Unreadable(answer.word()?)),
            _ => Err(strange()),
        }
    }

    pub(super) fn stamped<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Stamped<T>, StoreError> {
        let answer = read(&mut self)?;
        Ok(Stamped {
            at: self.at,
            answer,
        })
    }

    /// A fresh grant is as it is stored.
    pub(super) fn begun(&mut self) -> Result<Result<Begun, StoredGrant>, StoreError> {
        Ok(Ok(match self.word()?.as_str() {
            "behind" => Begun::Behind,
            "fresh" => return Ok(Err(self.grant()?)),
            "busy" => Begun::Busy {
                until: self.time()?,
            },
            "granted" => Begun::Granted(Permit {
                epoch: Epoch(self.number()?),
                begun_at: self.time()?,
                valid_for: Duration::from_micros(self.number()?),
                failures: u32::try_from(self.number()?).map_err(|_| strange())?,
                force: self.flag()?,
            }),
            "cooling_down" => Begun::CoolingDown {
                class: self.parsed(ErrorClass::parse)?,
                until: self.time()?,
            },
            "spacing" => Begun::Spacing {
                until: self.time()?,
            },
            "budget_spent" => Begun::BudgetSpent {
                until: self.time()?,
            },
            "paused" => Begun::Paused,
            _ => return Err(strange()),
        }))
    }

    pub(super) fn committed(&mut self) -> Result<Committed, StoreError> {
        Ok(match self.word()?.as_str() {
            "stored" => Committed::Stored {
                version: Version(self.number()?),
                expires_at: self.time()?,
            },
            "late" => Committed::Late,
            _ => return Err(strange()),
        })
    }

    pub(super) fn claimed(&mut self, version: Version) -> Result<Claimed, StoreError> {
        Ok(match self.word()?.as_str() {
            "yours" => Claimed::Yours,
            "not_current" => Claimed::NotCurrent,
            "checked" => Claimed::Checked(Check {
                version,
                claimed_at: self.time()?,
                verdict: match self.word()?.as_str() {
                    "" => None,
                    verdict => Some(verdict_of(verdict).ok_or_else(strange)?),
                },
            }),
            _ => return Err(strange()),
        })
    }

    pub(super) fn judged(&mut self) -> Result<Judged, StoreError> {
        Ok(match self.word()?.as_str() {
            "noted" => Judged::Noted,
            "dead" => Judged::Dead {
                foreign: self.flag()?,
            },
            "ignored" => Judged::Ignored,
            _ => return Err(strange()),
        })
    }

    pub(super) fn put_back(&mut self) -> Result<PutBackAnswer, StoreError> {
        Ok(match self.word()?.as_str() {
            "stored" => PutBackAnswer::Stored,
            "superseded" => PutBackAnswer::Superseded,
            "dead" => PutBackAnswer::Dead,
            "conflict" => PutBackAnswer::Conflict,
            _ => return Err(strange()),
        })
    }

    fn grant(&mut self) -> Result<StoredGrant, StoreError> {
        let sealed = self.flag()?;
        let value = Secret::new(self.word()?);
        let grant = Grant {
            version: Version(self.number()?),
            value,
            digest: self.parsed(Digest::parse)?,
            issued_at: self.time()?,
            expires_at: self.time()?,
        };
        Ok(StoredGrant { grant, sealed })
    }

    fn word(&mut self) -> Result<String, StoreError> {
        self.words.next().ok_or_else(strange)
    }

    fn parsed<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(&self.word()?).ok_or_else(strange)
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        self.parsed(|text| text.parse().ok())
    }

    fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.number().map(Timestamp::from_micros)
    }

    fn flag(&mut self) -> Result<bool, StoreError> {
        self.number().map(|bit| bit == 1)
    }
}

/// What the read script answers about one record, neither revealed nor opened.
pub(super) struct Look {
    pub(super) at: Timestamp,
    state: Vec<u8>,
    grant: Vec<u8>,
}

impl Look {
    pub(super) fn of(value: Value) -> Result<Self, StoreError> {
        let parts = Vec::<Vec<u8>>::from_redis_value(value).map_err(|_| strange())?;
        let Ok([_ok, at, state, grant]) = <[Vec<u8>; 4]>::try_from(parts) else {
            return Err(StoreError::Unreadable(
                "a key holds something else than a hash".to_owned(),
            ));
        };
        let at = std::str::from_utf8(&at).ok();
        let at = at.and_then(|text| text.parse().ok()).ok_or_else(strange)?;
        Ok(Self {
            at: Timestamp::from_micros(at),
            state,
            grant,
        })
    }

    pub(super) fn state(&self) -> Result<Fields<'_>, StoreError> {
        let texts = unpacked(&self.state)?;
        let texts: Result<Vec<_>, _> = texts.into_iter().map(std::str::from_utf8).collect();
        let texts =
            texts.map_err(|_| StoreError::Unreadable("the state is not text".to_owned()))?;
        let fields = texts.chunks_exact(2);
        Ok(fields
            .map(|pair| (Cow::Borrowed(pair[0]), Cow::Borrowed(pair[1])))
            .collect())
    }

    /// What is no text becomes one that no field can have.
    pub(super) fn grant(&self) -> Result<Fields<'_>, StoreError> {
        let text = String::from_utf8_lossy;
        let fields = self.grant_as_stored()?;
        let fields = fields.chunks_exact(2);
        Ok(fields.map(|pair| (text(pair[0]), text(pair[1]))).collect())
    }

    /// The grant's fields byte for byte.
    pub(super) fn grant_as_stored(&self) -> Result<Vec<&[u8]>, StoreError> {
        unpacked(&self.grant)
    }
}

/// How many texts a hash has, at most, while nothing is wrong.
const USUAL: usize = 64;

/// Takes apart what the read script packs: each text after its length and a colon.
fn unpacked(mut packed: &[u8]) -> Result<Vec<&[u8]>, StoreError> {
    let mut texts = Vec::with_capacity(USUAL);
    while !packed.is_empty() {
        let (text, rest) = unpack_first(packed).ok_or_else(strange)?;
        texts.push(text);
        packed = rest;
    }
    Ok(texts)
}

fn unpack_first(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = packed.iter().position(|byte| *byte == b':')?;
    let length = std::str::from_utf8(&packed[..colon]).ok()?.parse().ok()?;
    packed[colon + 1..].split_at_checked(length)
}

/// The server runs another script than ours, or is no Redis.
fn strange() -> StoreError {
    StoreError::Unreadable("the answer of the script is not understood".to_owned())
}
