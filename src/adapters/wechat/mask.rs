//! Keeping a token out of a reply, however the reply is cut into pieces. Its place is filled, so that every length
//! that was announced stays true.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use crate::domain::secret::Secret;

const FILL: u8 = b'*';

/// Looks for one token in what passes through. Not `Debug`: it holds the token.
pub struct Mask {
    /// The ways in which it may be written.
    patterns: Vec<Finder<'static>>,
    /// The end of what came so far, as far as a token may begin in it.
    held: BytesMut,
}

impl Mask {
    /// Hides this token, also where it is percent-encoded or within a JSON text.
    #[must_use]
    pub fn of(token: &Secret) -> Self {
        let plain = token.expose();
        let encoded: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let quoted = serde_json::to_string(plain).unwrap_or_default();
        // The outer quotes alone: one of the token's own may stand beside them.
        let escaped = quoted
            .strip_prefix('"')
            .and_then(|front| front.strip_suffix('"'))
            .unwrap_or_default();
        let mut ways = vec![
            plain.as_bytes().to_vec(),
            encoded.into_bytes(),
            escaped.as_bytes().to_vec(),
        ];
        ways.retain(|way| !way.is_empty());
        ways.sort_unstable();
        ways.dedup();
        let patterns = ways.iter().map(|way| Finder::new(way).into_owned());
        Self {
            patterns: patterns.collect(),
            held: BytesMut::new(),
        }
    }

    /// Whether a text holds the token.
    #[must_use]
    pub fn finds(&self, text: &[u8]) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.find(text).is_some())
    }

    /// Takes a piece; gives what may go on.
    #[must_use]
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && !self.finds(&piece) && self.kept_of(&piece) == 0 {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        self.fill();
        let passes = self.held.len() - self.kept_of(&self.held);
        self.held.split_to(passes).freeze()
    }

    /// What is left when nothing more comes.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    fn fill(&mut self) {
        for pattern in &self.patterns {
            let width = pattern.needle().len();
            let mut from = 0;
            while let Some(found) = pattern.find(&self.held[from..]) {
                let start = from + found;
                self.held[start..start + width].fill(FILL);
                from = start + width;
            }
        }
    }

    /// How many bytes at the end of `text` may be the beginning of a token.
    fn kept_of(&self, text: &[u8]) -> usize {
        let longest = |pattern: &Finder<'_>| {
            let needle = pattern.needle();
            let window = (needle.len() - 1).min(text.len());
            let tail = &text[text.len() - window..];
            let mut starts = memchr::memchr_iter(needle[0], tail);
            let start = starts.find(|start| needle.starts_with(&tail[*start..]));
            start.map_or(0, |start| window - start)
        };
        self.patterns.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(token: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let mut mask = Mask::of(&Secret::new(token));
        let mut passed = Vec::new();
        for piece in pieces {
            passed.extend_from_slice(&mask.push(Bytes::copy_from_slice(piece)));
        }
        passed.extend_from_slice(&mask.finish());
        passed
    }

    #[test]
    fn a_token_is_filled_and_all_else_is_as_it_was() {
        let passed = through(
            "SECRET_token",
            &[b"a SECRET_token b SECRET_tokenSECRET_token"],
        );
        assert_eq!(passed, b"a ************ b ************************");
    }

    #[test]
    fn a_token_in_pieces_is_found() {
        let text = b"xxSECRET_tokenxSECRET_to";
        let hidden = b"xx************xSECRET_to";
        for cut in 0..text.len() {
            for second in cut..text.len() {
                let pieces = [&text[..cut], &text[cut..second], &text[second..]];
                assert_eq!(through("SECRET_token", &pieces), hidden, "{cut} {second}");
            }
        }
    }

    #[test]
    fn a_token_is_found_encoded_and_escaped() {
        let token = "a\"b/c d";
        for written in ["a\"b/c d", "a%22b%2Fc+d", "a\\\"b/c d"] {
            let passed = through(token, &[b"<", written.as_bytes(), b">"]);
            let expected = format!("<{}>", "*".repeat(written.len()));
            assert_eq!(String::from_utf8_lossy(&passed), expected);
        }
    }

    #[test]
    fn a_token_that_ends_in_a_quote_hides_nothing_else() {
        for (reply, hidden) in [(r#"x\"a\y"#, r#"x\"a\y"#), (r#"<\"a\">"#, "<*****>")] {
            let passed = through(r#""a""#, &[reply.as_bytes()]);
            assert_eq!(String::from_utf8_lossy(&passed), hidden);
        }
    }

    #[test]
    fn what_holds_no_token_is_passed_on_without_being_copied() {
        let mut mask = Mask::of(&Secret::new("SECRET_token"));
        let piece = Bytes::from_static(b"nothing here");
        let passed = mask.push(piece.clone());
        assert_eq!(passed.as_ptr(), piece.as_ptr());
        assert_eq!(mask.finish(), Bytes::new());
    }

    proptest! {
        #[test]
        fn no_cutting_lets_a_token_through(
            text in "[ab]{0,60}",
            token in "[ab]{1,6}",
            cuts in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            let passed = through(&token, &pieces);
            prop_assert_eq!(passed.len(), text.len());
            let passed = String::from_utf8_lossy(&passed).into_owned();
            prop_assert!(!passed.contains(&token), "{} of {} in {}", passed, text, token);
        }
    }
}
