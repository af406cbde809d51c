//! Sealed grants: what a store holds of a grant's value, and what becomes of one that cannot be opened.
//!
//! A sealed value is one text, to be read at night as far as it may be:
//!
//! ```text
//! 1.<key id>.<key's fingerprint>.<version>.<issued at>.<expires at>.<base64 of nonce and ciphertext>.<checksum>
//! ```
//!
//! XChaCha20-Poly1305 with a random nonce. All that stands before the base64 is authenticated, and with it the
//! namespace, the credential and the digest, so that no record passes for another one. The scripts move a
//! sealed value about and cut the times beside it as the protocol says; a cut shifts both times alike,
//! which is all that [`Seals::reveal`] lets pass. The checksum needs no key: it tells damage from a grant under
//! a key that this replica lacks.
//!
//! What cannot be opened is a *lost* grant, which the protocol knows: whoever holds it puts it back after a
//! check, and if nobody does it is missing and fetched within the budget. Only a grant under an unknown key is
//! left to those who have the key, until they have failed to replace it in time.
//!
//! The earlier tokens are sealed too ([`earlier`]): each of their digests opens the gateway, so that nobody who can
//! write to the store may slip one in.
//!
//! In `stable` mode a token that comes back the same keeps its version and gets the later expiry: it is sealed
//! anew for both by who commits ([`Seals::renewed`]).

mod earlier;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::record::{Fields, StoredGrant, number, read_grant};
use crate::domain::credential::{Credential, Mode};
use crate::domain::grant::{Grant, MAX_LIFE, is_plausible_value};
use crate::domain::protocol::Record;
use crate::domain::secret::Secret;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::ports::{SealRefusal, SealWatch, StoreError, Subject};
use crate::sealing::{Sealing, SealingKey};

const FORM: &str = "1";
const NONCE: usize = 24;
const CHECKSUM: usize = 8;

/// The keys of a store, and how strictly they are used.
pub struct Seals {
    namespace: String,
    /// The first seals, all open.
    keys: Vec<Key>,
    sealing: Sealing,
    watch: Arc<dyn SealWatch>,
}

struct Key {
    id: String,
    fingerprint: String,
    cipher: XChaCha20Poly1305,
}

/// A record with whatever of it may be used.
#[derive(Debug, Default)]
pub struct Revealed {
    /// Without its grant where that cannot be opened.
    pub record: Record,
    /// Why it is of no use to anybody: then it is to be taken away.
    pub refused: Option<SealRefusal>,
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Seals")
            .field("keys", &ids)
            .field("sealing", &self.sealing)
            .finish_non_exhaustive()
    }
}

impl Seals {
    /// Takes the keys in their order. Without any, nothing is sealed.
    #[must_use]
    pub fn new(
        namespace: &str,
        keys: &[SealingKey],
        sealing: Sealing,
        watch: Arc<dyn SealWatch>,
    ) -> Self {
        let key = |key: &SealingKey| Key {
            id: key.id().to_owned(),
            fingerprint: key.fingerprint().to_string(),
            cipher: XChaCha20Poly1305::new(key.expose().into()),
        };
        Self {
            namespace: namespace.to_owned(),
            keys: keys.iter().map(key).collect(),
            sealing,
            watch,
        }
    }

    /// No keys: what is sealed is left alone.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::new(Self::new("", &[], Sealing::Off, Arc::new(())))
    }

    /// Whether what is written is sealed.
    pub(super) fn seals(&self) -> bool {
        self.sealing != Sealing::Off && !self.keys.is_empty()
    }

    /// The grant as it is to be stored.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the system has no randomness to give.
    pub(super) fn seal(&self, of: &Credential, grant: &Grant) -> Result<StoredGrant, StoreError> {
        let mut grant = grant.clone();
        let Some(key) = self.keys.first().filter(|_| self.seals()) else {
            let sealed = false;
            return Ok(StoredGrant { grant, sealed });
        };
        let header = [
            FORM,
            &key.id,
            &key.fingerprint,
            &number(grant.version.0),
            &number(grant.issued_at.as_micros()),
            &number(grant.expires_at.as_micros()),
        ]
        .join(".");
        let aad = self.associated(of, &header, &grant);
        grant.value = Secret::new(key.lock(&header, &aad, grant.value.expose())?);
        let sealed = true;
        Ok(StoredGrant { grant, sealed })
    }

    /// What a commit makes of the stored grant where the same stable token came back with a longer life.
    ///
    /// # Errors
    /// As [`Seals::seal`].
    pub(super) fn renewed(
        &self,
        of: &Credential,
        stored: &Grant,
        fetched: &Grant,
    ) -> Result<Option<StoredGrant>, StoreError> {
        let later = stored.digest == fetched.digest && stored.expires_at < fetched.expires_at;
        let renewed = || {
            let mut grant = stored.clone();
            grant.expires_at = fetched.expires_at;
            self.seal(of, &grant)
        };
        later.then(renewed).transpose()
    }

    /// Opens what is stored, or says why it is refused.
    pub(super) fn open(&self, of: &Credential, stored: StoredGrant) -> Result<Grant, SealRefusal> {
        let opened = if stored.sealed {
            self.unseal(of, &stored.grant)
        } else if self.sealing == Sealing::Required {
            Err(SealRefusal::Unsealed)
        } else {
            Ok((None, stored.grant))
        };
        match opened {
            Ok((key, grant)) => {
                self.watch.opened(key);
                Ok(grant)
            }
            Err(refusal) => {
                if refusal == SealRefusal::UnknownKey {
                    self.watch.refused(refusal);
                }
                Err(refusal)
            }
        }
    }

    /// Tells of a grant that was refused for good, and is gone now.
    pub(super) fn discarded(&self, of: &Credential, refusal: SealRefusal) {
        self.watch.refused(refusal);
        let Credential { app, kind, mode } = of;
        warn!(
            appid = %app, %kind, %mode, why = refusal.as_str(),
            "the stored grant was refused and taken away: {}; whoever holds it puts it back, or it is fetched anew",
            refusal.meaning()
        );
    }

    /// What a replica may see of a record that was read at `at`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where the grant is of a newer release, or under a key that is not here
    /// while others may still have it.
    pub(super) fn reveal(
        &self,
        of: &Subject,
        state: State,
        grant: &Fields<'_>,
        at: Timestamp,
    ) -> Result<Revealed, StoreError> {
        let whole = |state, grant| Revealed {
            record: Record { state, grant },
            refused: None,
        };
        let stored = match read_grant(grant) {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(whole(state, None)),
            // Without keys nobody vouches for what is stored, and damage is for people to look at.
            Err(error) if self.keys.is_empty() || !grant.may_be_ours() => return Err(error),
            Err(_) => return Ok(without_grant(state, SealRefusal::Damaged)),
        };
        let overdue = at >= overdue_at(of, &stored.grant);
        let committed = state.committed.map(|(epoch, _)| epoch);
        let (sealed, text) = (stored.sealed, stored.grant.value.clone());
        match self.open(&of.credential, stored) {
            // The store took a newer one in the meantime. What the protocol itself puts back from before
            // that is suspect.
            Ok(grant)
                if sealed
                    && of.credential.mode == Mode::Token
                    && state.suspect.is_none()
                    && committed.is_some_and(|epoch| epoch > grant.version.into())
                    && !state.is_dead(&grant) =>
            {
                Ok(without_grant(state, SealRefusal::Replayed))
            }
            Ok(grant) => Ok(whole(state, Some(grant))),
            Err(SealRefusal::UnknownKey) if overdue => Ok(whole(state, None)),
            Err(SealRefusal::UnknownKey) => Err(unknown_key(&text)),
            Err(refusal) => Ok(without_grant(state, refusal)),
        }
    }

    fn unseal(
        &self,
        of: &Credential,
        stored: &Grant,
    ) -> Result<(Option<&str>, Grant), SealRefusal> {
        let (key, header, value) = self.unlock(stored.value.expose(), |header| {
            self.associated(of, header, stored)
        })?;
        let parts: Vec<_> = header.split('.').collect();
        let [_form, _id, _fingerprint, version, issued_at, expires_at] = parts[..] else {
            return Err(SealRefusal::Damaged);
        };
        let same = version == number(stored.version.0);
        if !same || !is_plausible_value(&value) || !are_cut(issued_at, expires_at, stored) {
            return Err(SealRefusal::Damaged);
        }
        let grant = Grant {
            value: Secret::new(value),
            ..stored.clone()
        };
        Ok((Some(&key.id), grant))
    }

    /// Opens what [`Key::lock`] made: the key, the header, and what was secret. `associated` makes of the header
    /// what is authenticated.
    fn unlock<'text>(
        &self,
        text: &'text str,
        associated: impl FnOnce(&str) -> String,
    ) -> Result<(&Key, &'text str, String), SealRefusal> {
        let (checked, sum) = text.rsplit_once('.').ok_or(SealRefusal::Damaged)?;
        if checksum(checked) != sum {
            return Err(SealRefusal::Damaged);
        }
        let (header, sealed) = checked.rsplit_once('.').ok_or(SealRefusal::Damaged)?;
        let mut parts = header.split('.');
        let (Some(form), Some(id), Some(fingerprint)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(SealRefusal::Damaged);
        };
        let named = |key: &&Key| key.id == id && key.fingerprint == fingerprint;
        let key = self
            .keys
            .iter()
            .find(named)
            .filter(|_| form == FORM)
            .ok_or(SealRefusal::UnknownKey)?;
        let sealed = URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| SealRefusal::Damaged)?;
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE>()
            .ok_or(SealRefusal::Damaged)?;
        let aad = associated(header);
        let payload = Payload {
            msg: sealed,
            aad: aad.as_bytes(),
        };
        let secret = key
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealRefusal::Damaged)?;
        let secret = String::from_utf8(secret).map_err(|_| SealRefusal::Damaged)?;
        Ok((key, header, secret))
    }

    /// What is authenticated beside the value. No part can hold a line's end.
    fn associated(&self, of: &Credential, header: &str, grant: &Grant) -> String {
        let Credential { app, kind, mode } = of;
        let (namespace, digest) = (&self.namespace, grant.digest);
        format!("token-broker grant\n{namespace}\n{app}\n{kind}\n{mode}\n{header}\n{digest}")
    }
}

impl Key {
    /// Seals a text: the header, the base64 of nonce and ciphertext, and a checksum.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the system has no randomness to give.
    fn lock(&self, header: &str, associated: &str, secret: &str) -> Result<String, StoreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| {
            StoreError::Refused("the system gives no random bytes to seal with".to_owned())
        })?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: associated.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::Refused("the grant cannot be sealed".to_owned()))?;
        let sealed = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        let text = format!("{header}.{sealed}");
        Ok(format!("{text}.{}", checksum(&text)))
    }
}

const fn without_grant(state: State, refusal: SealRefusal) -> Revealed {
    Revealed {
        record: Record { state, grant: None },
        refused: Some(refusal),
    }
}

/// Whether the stored times are the sealed ones, or those cut by the protocol, which shifts both alike.
fn are_cut(issued_at: &str, expires_at: &str, stored: &Grant) -> bool {
    let time = |text: &str| text.parse().map(Timestamp::from_micros);
    let (Ok(issued_at), Ok(expires_at)) = (time(issued_at), time(expires_at)) else {
        return false;
    };
    let life = expires_at.since(issued_at);
    stored.issued_at <= issued_at
        && stored.expires_at <= expires_at
        // A longer life than is believed is cut in itself.
        && (stored.life() == life || life > MAX_LIFE)
}

/// From when on a grant shows by being there that nobody who can open it replaces it: by then each of them
/// had its turn.
fn overdue_at(of: &Subject, grant: &Grant) -> Timestamp {
    let rules = &of.rules;
    let spread = match rules.mode {
        Mode::Token => grant.life().mul_f64(rules.at * rules.jitter),
        Mode::Stable => Duration::ZERO,
    };
    rules.due_at(grant) + spread + rules.lease
}

/// The start of a hash, against accidents only.
fn checksum(text: &str) -> String {
    let mut sum = hex::encode(Sha256::digest(text.as_bytes()));
    sum.truncate(CHECKSUM);
    sum
}

/// Names the key, where the text names one.
pub(super) fn unknown_key(sealed: &Secret) -> StoreError {
    let id = sealed.expose().split('.').nth(1).unwrap_or_default();
    let id = if SealingKey::is_id(id) { id } else { "?" };
    StoreError::Unreadable(format!(
        "the grant is sealed under the key {id:?}, which store.encryption_keys lacks or has with other bytes; \
         it is left to the replicas that have it"
    ))
}

#[cfg(test)]
mod tests;
