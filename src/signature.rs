//! What a page proves with that it may use the JS-SDK: SHA-1 signatures made with a ticket.
//!
//! Pure, and apart from `domain`, which depends on no hash function. Source: "JS-SDK instructions", appendix 1
//! (pages) and appendix 4 (cards), in WeChat's documentation. SHA-1 is WeChat's choice; it protects nothing of
//! the broker's own.

use sha1::{Digest as _, Sha1};

use crate::domain::secret::Secret;

/// When and with which nonce a signature is made. Both go to the page beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970 UTC.
    pub timestamp: u64,
    /// A text that is not used twice.
    pub nonce: String,
}

/// The signature for `wx.config` of the page at `url`, as its browser has it; a `#fragment` is cut off. All
/// values go in raw: an encoded URL stays as it is.
#[must_use]
pub fn of_page(ticket: &Secret, stamp: &Stamp, url: &str) -> String {
    let Stamp { timestamp, nonce } = stamp;
    let ticket = ticket.expose();
    let url = without_fragment(url);
    sha1_hex(&format!(
        "jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    ))
}

/// The signature for a card: all values that there are, in the order of their bytes, without anything between
/// them. `values` are those beside the ticket and the stamp; an empty one changes nothing.
#[must_use]
pub fn of_card(ticket: &Secret, stamp: &Stamp, values: &[&str]) -> String {
    let timestamp = stamp.timestamp.to_string();
    let mut all = vec![ticket.expose(), &timestamp, &stamp.nonce];
    all.extend(values);
    all.sort_unstable();
    sha1_hex(&all.concat())
}

/// The URL up to its fragment.
#[must_use]
pub fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(page, _)| page)
}

fn sha1_hex(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: &str =
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg";

    fn stamp() -> Stamp {
        Stamp {
            timestamp: 1_414_587_457,
            nonce: "Wm3WZYTPz0wzccnW".to_owned(),
        }
    }

    #[test]
    fn a_page_is_signed_as_in_wechats_own_example() {
        for url in [
            "http://mp.weixin.qq.com?params=value",
            "http://mp.weixin.qq.com?params=value#/route?x=1#y",
        ] {
            assert_eq!(
                of_page(&Secret::new(TICKET), &stamp(), url),
                "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
            );
        }
    }

    #[test]
    fn an_encoded_url_is_signed_as_it_is() {
        let of = |url| of_page(&Secret::new(TICKET), &stamp(), url);
        assert_ne!(
            of("https://a.example/%E5%BE%AE"),
            of("https://a.example/微")
        );
        assert_ne!(of("https://a.example/?a=b"), of("https://a.example/?a=b&"));
    }

    #[test]
    fn a_card_is_signed_as_in_wechats_own_example() {
        let stamp = Stamp {
            timestamp: 1_404_896_688,
            nonce: "jonyqin".to_owned(),
        };
        // The space at the end of the ticket is the example's.
        let ticket = Secret::new("ojZ8YtyVyr30HheH3CM73y7h4jJE ");
        let (code, card) = ("jonyqin_1434008071", "pjZ8Yt1XGILfi-FUsewpnnolGgZk");
        for values in [[code, card, ""], [card, "", code]] {
            assert_eq!(
                of_card(&ticket, &stamp, &values),
                "6b81fbf6af16e856334153b39737556063c82689"
            );
        }
    }
}
