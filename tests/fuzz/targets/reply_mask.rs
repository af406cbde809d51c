//! A token on the first line, and on the others a reply that streams through, in pieces that end at each `|`: the token
//! never comes out, however it is cut, and everything else does.

use bytes::Bytes;
use token_broker::adapters::wechat::Mask;
use token_broker::domain::secret::Secret;

pub(crate) fn run(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(token) = std::str::from_utf8(&input[..end]) else {
        return;
    };
    let pieces: Vec<_> = input[end + 1..].split(|byte| *byte == b'|').collect();
    let whole = pieces.concat();
    let mut mask = Mask::of(&Secret::new(token));
    let mut passed = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        passed.extend_from_slice(&mask.push(Bytes::copy_from_slice(piece)));
        let come: usize = pieces[..=index].iter().map(|piece| piece.len()).sum();
        // Held back is at most what may still be a token, written in its longest way.
        assert!(
            come - passed.len() <= 6 * token.len(),
            "{come} came, {} went on",
            passed.len()
        );
    }
    passed.extend_from_slice(&mask.finish());
    assert_eq!(passed.len(), whole.len());
    for (came, went) in whole.iter().zip(&passed) {
        assert!(came == went || *went == b'*');
    }
    if token.is_empty() {
        assert_eq!(passed, whole);
        return;
    }
    // What is put in its place could be a part of another one. WeChat's hold no star.
    if token.contains('*') {
        return;
    }
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let json = serde_json::to_string(token).expect("a text");
    let ways = [token, &encoded, &json[1..json.len() - 1]];
    for way in ways {
        let shows = passed
            .windows(way.len())
            .any(|window| window == way.as_bytes());
        assert!(!shows, "{way:?} in {:?}", String::from_utf8_lossy(&passed));
    }
    let holds_one = ways.iter().any(|way| {
        whole
            .windows(way.len())
            .any(|window| window == way.as_bytes())
    });
    if !holds_one {
        assert_eq!(passed, whole, "something else was hidden");
    }
}
