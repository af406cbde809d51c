//! The keys that seal stored grants and how strictly they are used, as configuration and stores know them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::domain::secret::Fingerprint;

/// The longest id of a key: it stands in front of every sealed grant.
const MAX_ID: usize = 32;

/// A key of XChaCha20-Poly1305 with the name under which it stands in sealed grants.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey {
    id: String,
    bytes: [u8; 32],
}

/// Why a text is no key. None repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyError {
    /// There is no colon.
    #[error(
        "must be \"keyid:base64 of 32 bytes\"; `openssl rand -base64 32` makes the second part"
    )]
    Form,
    /// The part before the colon.
    #[error(
        "must begin with an id of 1 to {MAX_ID} characters (lower-case letters, digits and '-') before the ':'"
    )]
    Id,
    /// The part behind the colon is no base64.
    #[error("must have base64 (A-Z, a-z, 0-9, '+', '/', filled up with '=') behind the ':'")]
    Base64,
    /// The part behind the colon is base64 of something else than 32 bytes.
    #[error("must have base64 of 32 bytes behind the ':'; this is of {0}")]
    Length(usize),
    /// All bytes are the same: a placeholder.
    #[error("must have 32 random bytes behind the ':'; `openssl rand -base64 32` makes them")]
    Placeholder,
}

/// Whether grants are stored sealed, where there are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sealing {
    /// The keys open what is sealed; what is written is in the clear.
    Off,
    /// What is written is sealed; what is in the clear, from before, is read.
    #[default]
    On,
    /// What is in the clear is refused too, as damaged.
    Required,
}

impl SealingKey {
    /// Reads `keyid:base64 of 32 bytes`.
    ///
    /// # Errors
    /// Says what is wrong, without repeating any of the text.
    pub fn parse(text: &str) -> Result<Self, SealingKeyError> {
        let (id, secret) = text.split_once(':').ok_or(SealingKeyError::Form)?;
        if !Self::is_id(id) {
            return Err(SealingKeyError::Id);
        }
        let bytes = STANDARD
            .decode(secret)
            .map_err(|_| SealingKeyError::Base64)?;
        let bytes: [u8; 32] = bytes
            .try_into()
            .map_err(|bytes: Vec<u8>| SealingKeyError::Length(bytes.len()))?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(SealingKeyError::Placeholder);
        }
        Ok(Self {
            id: id.to_owned(),
            bytes,
        })
    }

    /// Whether a text can be a key's id.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.len() <= MAX_ID && text.bytes().all(allowed)
    }

    /// The name under which it stands in sealed grants and in metrics: no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key itself: for the cipher only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Tells two keys of one id apart, so that a grant under the other is not taken for a damaged one.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = Sha256::new()
            .chain_update(b"token-broker sealing key\0")
            .chain_update(self.bytes)
            .finalize();
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash);
        Fingerprint::new(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}:[censored])", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_key_is_an_id_and_32_random_bytes() {
        let key = SealingKey::parse(&format!("2026-a:{GOOD}"));
        let key = key.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.id(), "2026-a");
        assert_eq!(key.expose()[31], 31);
        for (text, error) in [
            (GOOD.to_owned(), SealingKeyError::Form),
            (format!(":{GOOD}"), SealingKeyError::Id),
            (format!("K1:{GOOD}"), SealingKeyError::Id),
            (format!("k.1:{GOOD}"), SealingKeyError::Id),
            (format!("{}:{GOOD}", "k".repeat(33)), SealingKeyError::Id),
            ("k1:not base64".to_owned(), SealingKeyError::Base64),
            (format!("k1:{}", &GOOD[..43]), SealingKeyError::Base64),
            ("k1:".to_owned(), SealingKeyError::Length(0)),
            ("k1:AAEC".to_owned(), SealingKeyError::Length(3)),
            (
                format!("k1:{}=", "A".repeat(43)),
                SealingKeyError::Placeholder,
            ),
        ] {
            assert_eq!(SealingKey::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = SealingKey::parse(&format!("k1:{GOOD}"));
        assert_eq!(format!("{key:?}"), "Ok(SealingKey(k1:[censored]))");
    }
}
