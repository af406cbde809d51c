//! Which language the page speaks: what the address says, else what the browser prefers.

use std::fmt;

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Language {
    /// English, also for whoever prefers a language that the page does not speak.
    #[default]
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// Every language.
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// Its name in links.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// Its name in the page's `lang` (BCP 47).
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// Its own name for itself.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// Reads a name in links.
    pub(super) fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// What the browser prefers (RFC 9110, 12.5.4). What cannot be read counts for nothing.
    pub(super) fn preferred(headers: &HeaderMap) -> Self {
        let sent = headers.get_all(ACCEPT_LANGUAGE);
        let ranges = sent
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        let mut best = (Self::default(), 0.0);
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
            let primary = tag.split('-').next().unwrap_or_default();
            let known = Self::parse(&primary.to_ascii_lowercase());
            if let (Some(language), Some(quality)) = (known, quality)
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_browsers_first_choice_among_those_spoken_is_taken() {
        for (sent, expected) in [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB, en;q=0.9, zh;q=0.1", Language::English),
            ("fr, zh-Hant-TW;q=0.4, en;q=0.3", Language::Chinese),
            ("ZH", Language::Chinese),
            ("de", Language::English),
            ("zh;q=0", Language::English),
            ("zh;q=much", Language::English),
            (";;,,zh", Language::Chinese),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(sent));
            assert_eq!(Language::preferred(&headers), expected, "{sent}");
        }
        assert_eq!(Language::preferred(&HeaderMap::new()), Language::English);
    }
}
