//! The name of a request: what the client sent, where that is sane, or one of ours. It goes back in the
//! answer and into the request's log lines.

use std::cell::Cell;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

/// Where it is sent.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is kept.
const MAX_LEN: usize = 128;

/// Makes ids that no other worker and no other process makes: a random front and a count.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// In hexadecimal digits.
    front: [u8; 16],
    count: Cell<u32>,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut front = [0; 16];
        write_hex(&mut front, rand::random());
        Self {
            front,
            count: Cell::new(0),
        }
    }

    /// The id to answer with: the client's own, if it is one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        headers
            .get(X_REQUEST_ID)
            .filter(|sent| is_sane(sent.as_bytes()))
            .cloned()
            .unwrap_or_else(|| self.next())
    }

    fn next(&self) -> HeaderValue {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let mut id = [0_u8; 24];
        id[..16].copy_from_slice(&self.front);
        write_hex(&mut id[16..], u64::from(count));
        HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&id))
            .unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

fn write_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

fn is_sane(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= MAX_LEN && id.iter().all(u8::is_ascii_graphic)
}

/// The trace that the client says this request is part of, where it is written as W3C Trace Context
/// says: `00-<32 hex>-<16 hex>-<2 hex>`.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(TRACEPARENT)?.to_str().ok()?;
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let lengths: Vec<_> = sent.split('-').map(str::len).collect();
    (lengths == [2, 32, 16, 2] && sent.split('-').all(hex)).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_kept_only_if_it_is_short_and_visible() {
        assert!(is_sane(b"a-1:b/c"));
        for id in [&b""[..], b"a b", b"a\tb", "é".as_bytes(), &[b'x'; 129]] {
            assert!(!is_sane(id));
        }
    }

    #[test]
    fn ids_of_ours_differ() {
        let ids = RequestIds::new();
        let none = HeaderMap::new();
        assert_ne!(ids.of(&none), ids.of(&none));
        assert_eq!(ids.of(&none).len(), 24);
    }

    #[test]
    fn only_a_well_formed_trace_is_taken_over() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(TRACEPARENT, value);
            }
            traceparent(&headers).is_some()
        };
        assert!(with(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ));
        assert!(!with(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
        ));
        assert!(!with("canary"));
    }
}
