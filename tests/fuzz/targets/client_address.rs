//! What proxies say of whom they ask for: the peer's address on the first line, headers on the others. A stranger is
//! never believed, and what stands before the first stranger changes nothing.

use std::net::IpAddr;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use token_broker::http::client_behind;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom nobody trusts, put in front as a client would.
const LIE: &str = "198.51.100.77";

pub(crate) fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let peer = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let Some(Ok(peer)) = peer.map(str::parse::<IpAddr>) else {
        return;
    };
    let peer = peer.to_canonical();
    let said: Vec<_> = lines.filter_map(header).collect();
    let client = behind(peer, &said);
    if !is_trusted(peer) || said.is_empty() {
        assert_eq!(client, peer, "a stranger, or nothing was said");
        return;
    }
    assert_eq!(client, client.to_canonical());
    assert!(
        client == peer || is_named(client, &said),
        "{client} was made up"
    );
    let is_there = |name: &HeaderName| said.iter().any(|(said, _)| said == name);
    let names = [FORWARDED, X_FORWARDED_FOR];
    if !is_trusted(client) {
        // The walk ended at a stranger: whatever it invents before itself is not looked at.
        let mut lied = said.clone();
        for name in names.iter().filter(|name| is_there(name)) {
            let lie = if name == FORWARDED {
                format!("for={LIE}")
            } else {
                LIE.to_owned()
            };
            lied.insert(
                0,
                (
                    name.clone(),
                    HeaderValue::try_from(lie).expect("a header's value"),
                ),
            );
        }
        assert_eq!(
            behind(peer, &lied),
            client,
            "a client's invention is believed"
        );
    }
    // One header alone is what a proxy wrote, or what a client did: where the two differ, neither counts.
    let alone = names.each_ref().map(|name| {
        let of_it = said.iter().filter(|(said, _)| said == name).cloned();
        behind(peer, &of_it.collect::<Vec<_>>())
    });
    if names.iter().all(is_there) {
        let expected = if alone[0] == alone[1] { alone[0] } else { peer };
        assert_eq!(client, expected, "{alone:?}");
    }
}

fn trusted() -> [IpNet; 2] {
    ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"))
}

fn is_trusted(address: IpAddr) -> bool {
    trusted().iter().any(|net| net.contains(&address))
}

fn behind(peer: IpAddr, said: &[(HeaderName, HeaderValue)]) -> IpAddr {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.append(name.clone(), value.clone());
    }
    client_behind(peer, &headers, &trusted())
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    (name == FORWARDED || name == X_FORWARDED_FOR).then_some((name, value))
}

/// Whether any piece of the headers is this address.
fn is_named(address: IpAddr, said: &[(HeaderName, HeaderValue)]) -> bool {
    let is_it = |text: &str| {
        text.parse::<IpAddr>()
            .is_ok_and(|it| it.to_canonical() == address)
    };
    said.iter().any(|(_, value)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let pieces = text.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, ':' | '.'));
        pieces.into_iter().any(|piece| {
            let before_port = piece.rsplit_once(':').map_or(piece, |(front, _)| front);
            is_it(piece) || is_it(before_port)
        })
    })
}
