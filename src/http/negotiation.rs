//! Content negotiation: JSON, unless the client prefers the bare token.

use actix_web::http::header::{ACCEPT, HeaderMap};

/// Whether `Accept` prefers `text/plain` to JSON. Where it takes neither, JSON is answered.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    let mut sent = headers.get_all(ACCEPT).peekable();
    if sent.peek().is_none() {
        return false;
    }
    let ranges: Vec<_> = sent
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(Range::parse)
        .collect();
    let quality = |main: &str, media_type: &str| {
        let fits = ranges
            .iter()
            .filter_map(|range| Some((range.fits(main, media_type)?, range.quality)));
        fits.max_by_key(|(specific, _)| *specific)
            .map_or(0.0, |(_, quality)| quality)
    };
    quality("text", "text/plain") > quality("application", "application/json")
}

/// One media range with its weight.
struct Range<'a> {
    media: &'a str,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        Self {
            media,
            quality: weight.map_or(1.0, |q| q.parse().unwrap_or(0.0)),
        }
    }

    /// Whether it covers the media type, and how specifically.
    fn fits(&self, main: &str, media_type: &str) -> Option<u8> {
        if self.media.eq_ignore_ascii_case(media_type) {
            return Some(2);
        }
        match self.media.split_once('/') {
            Some(("*", "*")) => Some(0),
            Some((range, "*")) if range.eq_ignore_ascii_case(main) => Some(1),
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn prefers(sent: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(sent));
        prefers_text(&headers)
    }

    #[test]
    fn whoever_asks_for_text_gets_text() {
        for sent in [
            "text/plain",
            "TEXT/PLAIN; charset=utf-8",
            "text/*",
            "application/json;q=0.5, text/plain",
            "text/plain, */*;q=0.1",
        ] {
            assert!(prefers(sent), "{sent}");
        }
    }

    #[test]
    fn everybody_else_gets_json() {
        for sent in [
            "",
            "*/*",
            "application/json",
            "application/json, text/plain, */*",
            "text/plain;q=0.1, application/json",
            "text/html",
            "text/plain;q=nonsense",
        ] {
            assert!(!prefers(sent), "{sent}");
        }
        assert!(!prefers_text(&HeaderMap::new()));
    }
}
