//! Whose request it is by address, for log lines alone: the peer of the connection, or, where that is a proxy that
//! is trusted, whom the proxy says that it speaks for. Nothing is decided by it.

use std::net::{IpAddr, SocketAddr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most proxies that are followed.
const HOPS: usize = 32;

/// The client of a request that came by one of these proxies, or by none.
pub(super) fn client(request: &RequestHead, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr?.ip().to_canonical();
    Some(behind(peer, request.headers(), trusted))
}

/// Whom a peer speaks for, where it is one of the `trusted` proxies; itself, where it is not.
///
/// Each proxy adds whom it has heard from, so the list is read from its end: the first address that is no trusted
/// proxy's is the client's, and what stands before it is the client's own invention. Many proxies add to one of
/// the two headers and let the other pass as it came; so where both are there and say different things, neither is
/// believed.
#[must_use]
pub fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !is_trusted(peer) {
        return peer;
    }
    let follow = |hops: Vec<Option<IpAddr>>| {
        let mut client = peer;
        for hop in hops.into_iter().rev().take(HOPS) {
            // A proxy that names nobody: it is the last that is known.
            let Some(address) = hop else {
                break;
            };
            client = address;
            if !is_trusted(address) {
                break;
            }
        }
        client
    };
    let forwarded = hops(headers, &FORWARDED, named).map(follow);
    let x_forwarded = hops(headers, &X_FORWARDED_FOR, address).map(follow);
    match (forwarded, x_forwarded) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// Whom the elements of a header name, which may be there several times; `None` where it is not there at all. A line
/// that is no plain text names nobody: were it passed over, the other header would be believed, which may be the
/// client's own.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    whom: fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    let lines = headers.get_all(name);
    let elements = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    let hops: Vec<_> = elements.map(whom).collect();
    (!hops.is_empty()).then_some(hops)
}

/// The node that `for=` names in an element of `Forwarded` (RFC 7239); `None` where it is hidden.
fn named(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| address(node.trim().trim_matches('"')))?
    })
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let bare = node.strip_prefix('[').and_then(|v6| v6.strip_suffix(']'));
    let address = bare.unwrap_or(node).parse::<IpAddr>();
    let address = address.or_else(|_| node.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn seen(peer: &str, headers: &[(HeaderName, &'static str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        let trusted: Vec<_> = trusted.iter().filter_map(|net| net.parse().ok()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        let peer = peer.parse().unwrap_or_else(|error| panic!("{error}"));
        behind(peer, &map, &trusted).to_string()
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        let lies = [(FORWARDED, "for=192.0.2.9"), (X_FORWARDED_FOR, "192.0.2.9")];
        assert_eq!(seen("203.0.113.7", &lies), "203.0.113.7");
        assert_eq!(seen("203.0.113.7", &[]), "203.0.113.7");
    }

    #[test]
    fn a_trusted_proxy_says_whom_it_speaks_for() {
        for header in [
            (X_FORWARDED_FOR, "192.0.2.9"),
            (X_FORWARDED_FOR, "192.0.2.9:4711"),
            (FORWARDED, "for=192.0.2.9"),
            (FORWARDED, "proto=https;For=\"192.0.2.9:4711\";by=10.0.0.1"),
        ] {
            assert_eq!(
                seen("10.0.0.1", std::slice::from_ref(&header)),
                "192.0.2.9",
                "{header:?}"
            );
        }
        let v6 = [(FORWARDED, "for=\"[2001:db8::1]:80\"")];
        assert_eq!(seen("fd00::1", &v6), "2001:db8::1");
        assert_eq!(
            seen("10.0.0.1", &[(X_FORWARDED_FOR, "2001:db8::1")]),
            "2001:db8::1"
        );
    }

    #[test]
    fn what_stands_before_the_first_stranger_is_the_strangers_invention() {
        let chain = [(X_FORWARDED_FOR, "198.51.100.1, 192.0.2.9, 10.2.3.4")];
        assert_eq!(seen("10.0.0.1", &chain), "192.0.2.9");
        // The same in two lines.
        let lines = [
            (X_FORWARDED_FOR, "198.51.100.1"),
            (X_FORWARDED_FOR, "192.0.2.9"),
        ];
        assert_eq!(seen("10.0.0.1", &lines), "192.0.2.9");
        let forwarded = [(FORWARDED, "for=198.51.100.1,for=192.0.2.9 , for=10.2.3.4")];
        assert_eq!(seen("10.0.0.1", &forwarded), "192.0.2.9");
    }

    #[test]
    fn a_proxy_that_names_nobody_is_the_last_that_is_known() {
        for header in [
            (FORWARDED, "for=192.0.2.9, for=unknown, for=10.2.3.4"),
            (FORWARDED, "for=192.0.2.9, for=_hidden, for=10.2.3.4"),
            (X_FORWARDED_FOR, "192.0.2.9, nonsense\"; rm, 10.2.3.4"),
        ] {
            assert_eq!(seen("10.0.0.1", &[header]), "10.2.3.4");
        }
        assert_eq!(seen("10.0.0.1", &[(FORWARDED, "proto=https")]), "10.0.0.1");
    }

    #[test]
    fn two_headers_that_differ_are_not_believed() {
        let both = |other| [(FORWARDED, "for=192.0.2.9"), (X_FORWARDED_FOR, other)];
        assert_eq!(seen("10.0.0.1", &both("192.0.2.9")), "192.0.2.9");
        assert_eq!(seen("10.0.0.1", &both("192.0.2.10")), "10.0.0.1");
    }

    #[test]
    fn a_header_that_is_no_plain_text_does_not_leave_the_word_to_the_other() {
        let peer = IpAddr::from([10, 0, 0, 1]);
        let trusted = ["10.0.0.0/8"
            .parse()
            .unwrap_or_else(|error| panic!("{error}"))];
        let mut headers = HeaderMap::new();
        let opaque = HeaderValue::from_bytes(b"for=192.0.2.9, \xff");
        headers.append(FORWARDED, opaque.unwrap_or_else(|error| panic!("{error}")));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.1"));
        assert_eq!(behind(peer, &headers, &trusted), peer);
        // The proxy's own line behind it counts.
        headers.remove(X_FORWARDED_FOR);
        headers.append(FORWARDED, HeaderValue::from_static("for=192.0.2.9"));
        assert_eq!(behind(peer, &headers, &trusted).to_string(), "192.0.2.9");
    }
}
