//! The appid: which WeChat app something is about.

use std::fmt;
use std::sync::Arc;

/// The longest appid that is accepted, in bytes.
pub const MAX_LEN: usize = 64;

/// An appid, `[A-Za-z0-9_-]{1,64}`: official accounts (`wx…`), WeCom (`ww…`) and ids made for tests.
///
/// The alphabet keeps an appid safe as a part of a Redis key, a path, a label and a log line. Cloning
/// costs a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(Arc<str>);

/// Why a text is not an appid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppIdError {
    /// Nothing was given.
    #[error("an appid must not be empty")]
    Empty,
    /// More than [`MAX_LEN`] bytes.
    #[error("an appid has at most 64 characters")]
    TooLong,
    /// A character outside the alphabet.
    #[error("an appid consists of letters, digits, '_' and '-' only")]
    Alphabet,
}

impl AppId {
    /// Checks and takes an appid.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, AppIdError> {
        if text.is_empty() {
            return Err(AppIdError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(AppIdError::TooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !text.bytes().all(allowed) {
            return Err(AppIdError::Alphabet);
        }
        Ok(Self(text.into()))
    }

    /// The appid as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for AppId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn accepts_what_wechat_and_tests_use_and_writes_it_as_it_is() {
        for text in ["wx0000000000000001", "ww_corp-1", "a", &"x".repeat(64)] {
            let id = AppId::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(id.as_str(), text);
            assert_eq!(format!("{id} {id:?}"), format!("{text} {text}"));
            assert!(HashSet::from([id]).contains(text), "found by its text");
        }
    }

    #[test]
    fn refuses_everything_else_and_says_why() {
        assert_eq!(AppId::parse(""), Err(AppIdError::Empty));
        assert_eq!(AppId::parse(&"x".repeat(65)), Err(AppIdError::TooLong));
        for text in ["a b", "a/b", "a{b}", "é", "a\n", "a:b", "a%20"] {
            assert_eq!(AppId::parse(text), Err(AppIdError::Alphabet), "{text:?}");
        }
    }
}
