//! What of WeChat's error message may be kept: everything that helps a person, nothing that is secret.
//!
//! The text is upstream's, or of whatever answered in its place, and ends in logs, metrics and answers.
//! It is cleaned of control characters, bounded, and relieved of anything that looks like a secret.

use std::net::IpAddr;

use crate::domain::secret::Secret;
use crate::domain::upstream_error::{ErrorClass, UpstreamError};

/// How many characters of a message are kept.
const MAX_MESSAGE: usize = 200;
/// How many characters are looked at: what lies beyond is dropped unread.
const MAX_READ: usize = 2_000;
/// How many characters in a row that also stand in the secret give it away.
const TELLTALE: usize = 8;
/// From how many characters on a word with a digit in it counts as a secret: an AppSecret has 32, a
/// token over 100, a `rid` 26, an appid 18.
const SECRET_LIKE: usize = 28;
const CENSORED: &str = "[censored]";

/// Builds an error from what WeChat wrote. `sent` is the secret that the request carried.
pub(super) fn upstream_error(code: i64, errmsg: &str, sent: &Secret) -> UpstreamError {
    let text = hide(&plain(errmsg), |text| telltales(text, sent.expose()));
    let (message, rid) = split_rid(&text);
    let message = hide(&message, secret_like_words);
    UpstreamError {
        code,
        ip: named_ip(code, &message),
        message: message.chars().take(MAX_MESSAGE).collect(),
        rid,
    }
}

/// One line of visible text: whitespace and control characters become single spaces, and characters
/// that change how a line is shown (direction marks and the like) are dropped.
fn plain(text: &str) -> String {
    let shown = |c: &char| !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let spaced: String = text
        .chars()
        .take(MAX_READ)
        .filter(shown)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Replaces what `find` marks, character by character.
fn hide(text: &str, find: impl Fn(&[char]) -> Vec<bool>) -> String {
    let chars: Vec<char> = text.chars().collect();
    let hidden = find(&chars);
    let mut shown = String::with_capacity(text.len());
    for (i, (c, hide)) in chars.iter().zip(&hidden).enumerate() {
        if !hide {
            shown.push(*c);
        } else if i == 0 || !hidden[i - 1] {
            shown.push_str(CENSORED);
        }
    }
    shown
}

/// Marks every word that holds a piece of `secret`, in either case, so that a secret is found even where
/// it is quoted in part.
fn telltales(text: &[char], secret: &str) -> Vec<bool> {
    let mut hidden = vec![false; text.len()];
    let secret = secret.to_ascii_lowercase();
    let width = secret.chars().count().min(TELLTALE);
    if width == 0 {
        return hidden;
    }
    for (start, window) in text.windows(width).enumerate() {
        let piece: String = window.iter().map(char::to_ascii_lowercase).collect();
        if secret.contains(&piece) {
            hidden[start..start + width].fill(true);
        }
    }
    let mut rest = hidden.as_mut_slice();
    for word in words(text) {
        let (marks, after) = rest.split_at_mut(word.len());
        if in_word(&word[0]) && marks.contains(&true) {
            marks.fill(true);
        }
        rest = after;
    }
    hidden
}

/// Marks every long word with a digit in it: secrets of others, such as a proxy's that answers for WeChat.
fn secret_like_words(text: &[char]) -> Vec<bool> {
    words(text)
        .flat_map(|word| {
            let secret = word.len() >= SECRET_LIKE
                && in_word(&word[0])
                && word.iter().any(char::is_ascii_digit);
            std::iter::repeat_n(secret, word.len())
        })
        .collect()
}

/// The words of a text, and what lies between them, in order.
fn words(text: &[char]) -> impl Iterator<Item = &[char]> {
    text.chunk_by(|a, b| in_word(a) == in_word(b))
}

fn in_word(c: &char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Takes the request id (`rid: 60f7e0b5-0d3b2b3e-1b2c3d4e`) out of a message.
fn split_rid(text: &str) -> (String, Option<String>) {
    const MARK: &str = "rid:";
    let Some((before, after)) = text.rsplit_once(MARK) else {
        return (text.to_owned(), None);
    };
    let after = after.trim_start();
    let (rid, rest) = after.split_once(' ').unwrap_or((after, ""));
    let is_rid = (1..=64).contains(&rid.len())
        && rid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_rid {
        return (text.to_owned(), None);
    }
    let message = format!("{} {rest}", before.trim_end());
    (message.trim().to_owned(), Some(rid.to_owned()))
}

/// The IP address that an error about our address names: `invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in
/// whitelist`. It is what a person has to put on the whitelist.
fn named_ip(code: i64, message: &str) -> Option<String> {
    let about_ip = matches!(
        ErrorClass::of(code),
        ErrorClass::IpNotWhitelisted
            | ErrorClass::IpUnconfirmed
            | ErrorClass::IpRefusedHour
            | ErrorClass::IpRefusedDay
    );
    if !about_ip {
        return None;
    }
    message
        .split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':')
        .find_map(|word| {
            let word = word.trim_end_matches(['.', ':']);
            let bare = word.trim_start_matches(['.', ':']);
            word.parse().or_else(|_| bare.parse()).ok()
        })
        .map(|ip: IpAddr| ip.to_canonical().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn error(code: i64, errmsg: &str) -> UpstreamError {
        upstream_error(code, errmsg, &Secret::new(SECRET))
    }

    #[test]
    fn the_request_id_is_taken_out_of_the_message() {
        let error = error(
            40125,
            "invalid appsecret, view more at http://t.cn/LOEdzVq rid: 60f7e0b5-0d3b2b3e-1b2c3d4e",
        );
        assert_eq!(
            error.message,
            "invalid appsecret, view more at http://t.cn/LOEdzVq"
        );
        assert_eq!(error.rid.as_deref(), Some("60f7e0b5-0d3b2b3e-1b2c3d4e"));
        assert_eq!(error.ip, None);
    }

    #[test]
    fn what_is_not_a_request_id_stays_in_the_message() {
        for text in [
            "no id rid:",
            "odd rid: <script>",
            &format!("long rid: {}", "é".repeat(9)),
        ] {
            let error = error(40013, text);
            assert_eq!((error.message.as_str(), error.rid), (text, None));
        }
        let error = error(40013, "rid: a-1 hint");
        assert_eq!(
            (error.message.as_str(), error.rid.as_deref()),
            ("hint", Some("a-1"))
        );
    }

    #[test]
    fn the_address_that_must_be_whitelisted_is_found() {
        for (code, errmsg, ip) in [
            (
                40164,
                "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 1-2",
                Some("1.2.3.4"),
            ),
            (
                40164,
                "invalid ip 1.2.3.4, not in whitelist",
                Some("1.2.3.4"),
            ),
            (
                40164,
                "invalid ip ::ffff:10.0.0.1, not in whitelist",
                Some("10.0.0.1"),
            ),
            (
                40164,
                "invalid ip 2408:4000::1, not in whitelist",
                Some("2408:4000::1"),
            ),
            (
                61004,
                "access clientip is not registered requestIP: 5.6.7.8",
                Some("5.6.7.8"),
            ),
            (
                61004,
                "access clientip is not registered requestIP:5.6.7.8.",
                Some("5.6.7.8"),
            ),
            (
                89503,
                "this ip calling needs admin confirmation: 9.9.9.9",
                Some("9.9.9.9"),
            ),
            (89501, "wait for the admin to confirm", None),
            (89507, "admin refused 300.1.1.1", None),
            (40013, "invalid appid 1.2.3.4", None),
        ] {
            assert_eq!(error(code, errmsg).ip.as_deref(), ip, "{errmsg}");
        }
    }

    #[test]
    fn a_message_is_one_short_visible_line() {
        let error = error(1, "a\r\n\tb\u{0}c\u{1b}[31m \u{202e}d\u{feff}");
        assert_eq!(error.message, "a b c [31m d");
        let long = self::error(1, &"系统繁忙 ".repeat(500));
        assert_eq!(long.message.chars().count(), 200);
    }

    #[test]
    fn the_secret_is_masked_whole_in_part_and_in_either_case() {
        for errmsg in [
            format!("bad secret {SECRET}"),
            format!("bad secret={}&x", SECRET.to_uppercase()),
            format!("bad {}...", &SECRET[..9]),
            format!("bad rid: {SECRET}"),
            format!("bad rid: {}", &SECRET[4..20]),
            format!("bad{SECRET}{SECRET}bad"),
        ] {
            let shown = format!("{:?} {0}", error(40001, &errmsg)).to_lowercase();
            assert!(shown.contains(CENSORED), "{shown}");
            assert!(!shown.contains("12345678"), "{shown}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_of_somebody_else_is_masked_and_words_are_not() {
        let token = "89_Xy-".repeat(20);
        let error = error(
            40001,
            &format!(
                "access_token {token} at https://developers.weixin.qq.com/doc/offiaccount/Getting_Started_with_very_long_words.html wx0123456789abcdef"
            ),
        );
        assert_eq!(
            error.message,
            "access_token [censored] at https://developers.weixin.qq.com/doc/offiaccount/Getting_Started_with_very_long_words.html [censored]"
        );
    }

    #[test]
    fn a_very_short_or_empty_secret_does_no_harm() {
        let with = |secret: &'static str| upstream_error(1, "the key k3y", &Secret::new(secret));
        assert_eq!(with("").message, "the key k3y");
        assert_eq!(with("k3y").message, "the key [censored]");
    }
}
