//! The numbers that order what replicas do: epoch, version, nonce.

use std::fmt;

/// A number that only grows, one a lease. 0 = none was ever handed out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// Which grant: the epoch under which it was fetched. 0 = none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

/// A random number that makes one replica's attempt its own, also when its question arrives twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Nonce(pub u128);

impl From<Version> for Epoch {
    fn from(version: Version) -> Self {
        Self(version.0)
    }
}

impl Version {
    /// The version of a grant fetched under `epoch`.
    #[must_use]
    pub const fn fetched_under(epoch: Epoch) -> Self {
        Self(epoch.0)
    }

    /// Whether there is no grant.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Nonce {
    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        // A sign would be taken for a digit.
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_versions_are_written_as_numbers_and_zero_is_no_version() {
        assert_eq!(format!("{} {}", Epoch(7), Version(8)), "7 8");
        assert!(Version(0).is_none());
        assert!(!Version(1).is_none());
    }

    #[test]
    fn a_nonce_reads_back_what_it_writes() {
        let written = "000000000000000000000000000000ab";
        assert_eq!(Nonce(0xab).to_string(), written);
        assert_eq!(Nonce::parse(written), Some(Nonce(0xab)));
        let signed = format!("+{}", "1".repeat(31));
        for other in ["", "ab", &"1".repeat(33), &signed, &"g".repeat(32)] {
            assert_eq!(Nonce::parse(other), None, "{other}");
        }
    }
}
