//! Text that must never be printed: AppSecrets and the values of grants.

use std::fmt;
use std::sync::Arc;

/// A secret text. `Debug` prints `[censored]`, there is no `Display`, and reading it is spelled
/// [`Secret::expose`], so that every place where a secret leaves the process can be searched for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a secret text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself: only for the request that needs it, the store, and the caller who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[censored]")
    }
}

/// The SHA-256 of a grant's value: tells whether two values are the same without holding them.
/// Computed at the edges, since the domain depends on no hash function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the 32 bytes of a SHA-256.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits of either case; anything else is `None`.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A few digits tell two values apart in a log without giving either away.
        write!(
            f,
            "sha256:{:02x}{:02x}{:02x}…",
            self.0[0], self.0[1], self.0[2]
        )
    }
}

/// A short hash that identifies without revealing: of an AppSecret with its appid (which secret a
/// cooldown is for), or of the upstream's base URL (whose keys these are). Written as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Takes a hash.
    #[must_use]
    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// Reads 16 hexadecimal digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        // A sign would be taken for a digit.
        if hex.len() != 16 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(hex, 16).ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret:?}"), "[censored]");
        assert_eq!(format!("{:?}", Some(&secret)), "Some([censored])");
        assert_eq!(secret.expose(), "canary");
    }

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        let digest = Digest::new(std::array::from_fn(|i| {
            u8::try_from(i * 7 % 256).unwrap_or(0)
        }));
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(
            Digest::parse(&digest.to_string().to_uppercase()),
            Some(digest)
        );
        assert_eq!(Digest::parse("abc"), None);
        assert_eq!(Digest::parse(&"g".repeat(64)), None);
        assert_eq!(Digest::parse(&"é".repeat(32)), None);
        assert_eq!(format!("{digest:?}"), "sha256:00070e…", "no more of it");
    }

    #[test]
    fn a_fingerprint_reads_back_what_it_writes() {
        let fingerprint = Fingerprint::new(0x00ab);
        assert_eq!(fingerprint.to_string(), "00000000000000ab");
        assert_eq!(Fingerprint::parse("00000000000000ab"), Some(fingerprint));
        let signed = format!("+{}", "1".repeat(15));
        for other in ["", "ab", &"1".repeat(17), &signed, &"g".repeat(16)] {
            assert_eq!(Fingerprint::parse(other), None, "{other}");
        }
    }
}
