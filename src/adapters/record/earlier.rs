//! The text of a state's earlier tokens.

use super::{number, parse_number};
use crate::domain::earlier::{EarlierToken, EarlierTokens};
use crate::domain::secret::Digest;
use crate::domain::time::Timestamp;

/// The tokens before the stored one, in the clear: `digest:issued at:expires at`, with commas between them.
pub(in crate::adapters) fn earlier_text(tokens: &EarlierTokens) -> String {
    let text = |token: EarlierToken| {
        let (issued_at, expires_at) = (token.issued_at, token.expires_at);
        let digest = token.digest;
        format!(
            "{digest}:{}:{}",
            number(issued_at.as_micros()),
            number(expires_at.as_micros())
        )
    };
    tokens.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Reads them back.
pub(in crate::adapters) fn earlier_of(text: &str) -> Option<EarlierTokens> {
    let token = |text: &str| {
        let mut parts = text.split(':');
        let token = EarlierToken {
            digest: Digest::parse(parts.next()?)?,
            issued_at: Timestamp::from_micros(parse_number(parts.next()?)?),
            expires_at: Timestamp::from_micros(parse_number(parts.next()?)?),
        };
        parts.next().is_none().then_some(token)
    };
    let tokens: Option<Vec<_>> = text.split(',').map(token).collect();
    tokens.map(EarlierTokens::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: u8) -> EarlierToken {
        EarlierToken {
            digest: Digest::new([name; 32]),
            issued_at: Timestamp::from_micros(1_700_000_000_000_000),
            expires_at: Timestamp::from_micros(1_700_007_200_000_000 + u64::from(name)),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let tokens = EarlierTokens::of(vec![token(1), token(2)]);
        assert_eq!(earlier_of(&earlier_text(&tokens)), Some(tokens));
    }

    #[test]
    fn a_text_of_anything_else_is_no_list() {
        let text = earlier_text(&EarlierTokens::of(vec![token(1)]));
        let (digest, times) = text.split_at(64);
        for bad in [
            String::new(),
            format!("{text},"),
            format!("{text}:1"),
            format!("{digest}0{times}"),
            format!("{digest}:1"),
            format!("{digest}:+1:2"),
            format!("{digest}:1:9007199254740992"),
        ] {
            assert_eq!(earlier_of(&bad), None, "{bad}");
        }
    }
}
