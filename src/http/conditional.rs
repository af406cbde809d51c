//! Conditional requests (RFC 9110, 13.1.2): whether the client already has the current version.

use actix_web::http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};

/// Whether `If-None-Match` names this entity tag, or `*`. Weak comparison: `W/` makes no difference.
pub(super) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .flat_map(|line| line.as_bytes().split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag))
        .any(|tag| tag == b"*" || tag == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(sent: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in sent {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(line));
        }
        is_known(&headers, &HeaderValue::from_static("\"17\""))
    }

    #[test]
    fn lists_weak_tags_and_the_star_are_understood() {
        for sent in [
            "\"17\"",
            "W/\"17\"",
            "*",
            "\"1\", \"17\"",
            "\"1\",W/\"17\" ",
        ] {
            assert!(known(&[sent]), "{sent}");
        }
        assert!(known(&["\"1\"", "\"17\""]));
    }

    #[test]
    fn another_tag_does_not_match() {
        for sent in ["\"1\"", "17", "\"170\"", "", "w/\"17\""] {
            assert!(!known(&[sent]), "{sent}");
        }
        assert!(!known(&[]));
    }
}
