//! Callers' keys: `tbk_<id>_<64 hex>`, 256 random bits with the caller's name in front. The broker knows
//! only the SHA-256 of the whole key, so that its configuration gives no key away.

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::domain::caller::CallerId;
use crate::domain::secret::{Digest, Secret};

const PREFIX: &str = "tbk_";
const RANDOM_BYTES: usize = 32;
const RANDOM_DIGITS: usize = RANDOM_BYTES * 2;

/// What stands before a key in an `Authorization` header.
const SCHEME: &str = "Bearer ";

/// A key as a caller presented it: whose it claims to be, and its hash. The key itself is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerKey<'a> {
    id: &'a str,
    hash: Digest,
}

/// A new key, and what the configuration needs to know of it.
#[derive(Debug)]
pub struct NewKey {
    /// The key: shown once, to whoever is to use it.
    pub key: Secret,
    /// Its hash.
    pub hash: Digest,
}

impl<'a> CallerKey<'a> {
    /// Reads a key; `None` for anything of another form.
    #[must_use]
    pub fn parse<K: AsRef<[u8]> + ?Sized>(key: &'a K) -> Option<Self> {
        let key = key.as_ref();
        // From its end, whose length is known: nothing is searched for, and it is looked at many bytes at a time.
        let (front, random) = key.split_last_chunk::<RANDOM_DIGITS>()?;
        let is_lower_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let is_random = random.iter().fold(true, |all, b| all & is_lower_hex(b));
        let id = front.strip_prefix(PREFIX.as_bytes())?.strip_suffix(b"_")?;
        let id = str::from_utf8(id).ok()?;
        (is_random && CallerId::is_well_formed(id)).then(|| Self {
            id,
            hash: hash(key),
        })
    }

    /// Reads the key of an `Authorization: Bearer …` header's value. The scheme is of either case.
    #[must_use]
    pub fn from_authorization<H: AsRef<[u8]> + ?Sized>(header: &'a H) -> Option<Self> {
        let (scheme, key) = header.as_ref().split_at_checked(SCHEME.len())?;
        scheme
            .eq_ignore_ascii_case(SCHEME.as_bytes())
            .then(|| Self::parse(key.trim_ascii()))?
    }

    /// Whose key it claims to be: a well-formed caller's id.
    #[must_use]
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// The SHA-256 of the whole key.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// Whether it is one of the keys with these hashes. Takes the same time for any, and for none.
    #[must_use]
    pub fn is_one_of(&self, hashes: &[Digest]) -> bool {
        hashes
            .iter()
            .map(|known| words(&self.hash).ct_eq(&words(known)))
            .fold(Choice::from(0), |found, same| found | same)
            .into()
    }
}

impl NewKey {
    /// Makes a key for `caller` from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn generate(caller: &CallerId) -> Result<Self, getrandom::Error> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random)?;
        let key = format!("{PREFIX}{caller}_{}", hex::encode(random));
        Ok(Self {
            hash: hash(&key),
            key: Secret::new(key),
        })
    }
}

/// Compared by words: a comparison in constant time takes as long for a byte as for eight.
fn words(digest: &Digest) -> [u64; 4] {
    let (words, _) = digest.as_bytes().as_chunks();
    std::array::from_fn(|at| u64::from_ne_bytes(words[at]))
}

fn hash(key: impl AsRef<[u8]>) -> Digest {
    Digest::new(Sha256::digest(key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn new_key(caller: &str) -> NewKey {
        let caller = CallerId::parse(caller).unwrap_or_else(|error| panic!("{error}"));
        NewKey::generate(&caller).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_new_key_reads_back_as_its_callers() {
        let new = new_key("order-2");
        let parsed = CallerKey::parse(new.key.expose());
        assert_eq!(parsed.map(|key| key.id()), Some("order-2"));
        assert_eq!(parsed.map(|key| *key.hash()), Some(new.hash));
    }

    #[test]
    fn no_two_keys_are_the_same() {
        assert_ne!(new_key("a").key, new_key("a").key);
    }

    #[test]
    fn a_key_matches_its_own_hash_and_no_other() {
        let (old, new, foreign) = (new_key("a"), new_key("a"), new_key("a"));
        let live = [old.hash, new.hash];
        for (key, matches) in [(&old, true), (&new, true), (&foreign, false)] {
            let found = CallerKey::parse(key.key.expose()).map(|key| key.is_one_of(&live));
            assert_eq!(found, Some(matches));
        }
        let found = CallerKey::parse(old.key.expose()).map(|key| key.is_one_of(&[]));
        assert_eq!(found, Some(false));
    }

    #[test]
    fn the_hash_is_the_sha256_of_the_whole_key() {
        let key = format!("tbk_orders_{RANDOM}");
        let hash = CallerKey::parse(&key).map(|key| key.hash().to_string());
        // printf %s tbk_orders_0011… | sha256sum
        assert_eq!(
            hash.as_deref(),
            Some("74d2e915869037f1d9fec208a30053d1f9736e47f09dcf6c816f3fc169426618")
        );
    }

    #[test]
    fn anything_else_is_no_key() {
        for text in [
            String::new(),
            RANDOM.to_owned(),
            format!("tbk_{RANDOM}"),
            format!("tbk__{RANDOM}"),
            format!("tbk_Orders_{RANDOM}"),
            format!("tbk_orders_{}", &RANDOM[1..]),
            format!("tbk_orders_{}", RANDOM.to_uppercase()),
            format!("tbk_orders_{RANDOM}0"),
            format!("tbk_orders_x_{RANDOM}"),
        ] {
            assert_eq!(CallerKey::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn the_bearer_scheme_is_read_in_either_case() {
        for (header, reads) in [
            (format!("Bearer tbk_a_{RANDOM}"), true),
            (format!("bearer  tbk_a_{RANDOM} "), true),
            (format!("Basic tbk_a_{RANDOM}"), false),
            (format!("tbk_a_{RANDOM}"), false),
        ] {
            assert_eq!(CallerKey::from_authorization(&header).is_some(), reads);
        }
    }
}
