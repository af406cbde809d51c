//! Whose pages an app signs: a host, or all hosts below one.

use std::fmt;

/// The longest host name, in bytes (RFC 1035).
const MAX_LEN: usize = 253;

/// `shop.example.com`, or `*.example.com` for every host below it. In lower case; an international name in its
/// ASCII form (`xn--…`), as browsers send it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PageHost {
    name: Box<str>,
    below: bool,
}

/// A text is no host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a host is letters, digits, '-' and '.', without scheme, port or path; '*.' may stand before it"
)]
pub struct PageHostError;

impl PageHost {
    /// Reads a host as people write it, in whatever case.
    ///
    /// # Errors
    /// It has a scheme, a port or a path, or is no host name at all.
    pub fn parse(text: &str) -> Result<Self, PageHostError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(in_alphabet);
        if name.len() > MAX_LEN || !name.split('.').all(is_label) {
            return Err(PageHostError);
        }
        Ok(Self {
            name: name.to_ascii_lowercase().into(),
            below,
        })
    }

    /// Whether a page on `host`, in lower case, is meant.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        if self.below {
            host.strip_suffix(&*self.name)
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|front| !front.is_empty())
        } else {
            host == &*self.name
        }
    }
}

impl fmt::Display for PageHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(f, "{below}{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, host: &str) -> bool {
        PageHost::parse(pattern).is_ok_and(|pattern| pattern.covers(host))
    }

    #[test]
    fn a_host_means_itself_alone() {
        assert!(covers("Shop.Example.com", "shop.example.com"));
        for other in [
            "example.com",
            "a.shop.example.com",
            "shop.example.com.evil.net",
            "",
        ] {
            assert!(!covers("shop.example.com", other), "{other}");
        }
    }

    #[test]
    fn a_star_means_every_host_below_and_not_the_host_itself() {
        assert!(covers("*.example.com", "shop.example.com"));
        assert!(covers("*.example.com", "a.b.example.com"));
        for other in [
            "example.com",
            ".example.com",
            "evilexample.com",
            "example.com.evil.net",
        ] {
            assert!(!covers("*.example.com", other), "{other}");
        }
    }

    #[test]
    fn a_host_is_written_as_it_is_judged_and_as_long_as_a_name_may_be() {
        let longest = "a".repeat(253);
        for (text, written) in [
            ("Shop.Example.com", "shop.example.com"),
            ("*.Example.com", "*.example.com"),
            (&longest, &longest),
        ] {
            let host = PageHost::parse(text).map(|host| host.to_string());
            assert_eq!(host, Ok(written.to_owned()));
        }
        assert_eq!(PageHost::parse(&"a".repeat(254)), Err(PageHostError));
    }

    #[test]
    fn what_is_more_or_less_than_a_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.com",
            "https://a.com",
            "a.com:443",
            "a.com/",
            "a..com",
            ".a.com",
            "a.com.",
            "a_b.com",
            "微.com",
            " a.com",
        ] {
            assert_eq!(PageHost::parse(text), Err(PageHostError), "{text}");
        }
    }
}
