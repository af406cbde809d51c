//! What is done to a sealed record: which record, what of it, how and where it is changed, and with what. However it is
//! changed, its token comes out of it unchanged and for its own credential, or not at all.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use token_broker::adapters::embedded::{decode, encode};
use token_broker::adapters::sealed::Seals;
use token_broker::domain::credential::Mode;
use token_broker::domain::earlier::{EarlierToken, EarlierTokens};
use token_broker::domain::epoch::{Epoch, Version};
use token_broker::domain::grant::Grant;
use token_broker::domain::protocol::Record;
use token_broker::domain::secret::{Digest, Secret};
use token_broker::domain::state::State;
use token_broker::ports::Subject;
use token_broker::sealing::Sealing;

use super::record::{NOW, seals, subject};

/// What is changed, by the list that it stands in.
const PLACES: [(&str, &str); 8] = [
    ("grant", "sealed"),
    ("state", "earlier"),
    ("grant", "version"),
    ("grant", "digest"),
    ("grant", "issued_at"),
    ("grant", "expires_at"),
    ("grant", "format"),
    ("grant", "value"),
];

/// A record as it is stored.
type Lists = BTreeMap<String, BTreeMap<String, String>>;

struct Sample {
    of: Subject,
    record: Record,
    stored: Lists,
}

static SEALS: LazyLock<[Seals; 2]> =
    LazyLock::new(|| ["ns", "ns2"].map(|namespace| seals(namespace, Sealing::Required)));

/// Sealed once a process, each under a nonce of its own.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let samples = [
        ("wx1", Mode::Token, 1),
        ("wx1", Mode::Token, 2),
        ("wx1", Mode::Stable, 1),
        ("wx2", Mode::Token, 1),
    ];
    samples
        .map(|(appid, mode, name)| Sample::new(appid, mode, name))
        .into()
});

impl Sample {
    fn new(appid: &str, mode: Mode, name: u8) -> Self {
        let of = subject(appid, mode);
        let token = format!("57_{appid}-{mode}-{}{name}", "tOkEn-".repeat(4));
        let digest = |token: &str| Digest::new(Sha256::digest(token).into());
        let issued_at = NOW - Duration::from_secs(600 * u64::from(name));
        let expires_at = issued_at + Duration::from_secs(7200);
        let grant = Grant {
            version: Version(issued_at.as_micros()),
            digest: digest(&token),
            value: Secret::new(token),
            issued_at,
            expires_at,
        };
        let earlier = ["before", "before that"].map(|word| EarlierToken {
            digest: digest(&format!("{word} {appid} {name}")),
            issued_at,
            expires_at,
        });
        let state = State {
            epoch: Epoch(grant.version.0),
            version: grant.version,
            earlier: EarlierTokens::of(earlier.into()),
            ..State::default()
        };
        let record = Record {
            state,
            grant: Some(grant),
        };
        let bytes = encode(&SEALS[0], &of, &record).expect("random bytes");
        let stored = serde_json::from_slice(&bytes).expect("a record");
        Self { of, record, stored }
    }
}

pub(crate) fn run(input: &[u8]) {
    let [which, other, place, how, at, rest @ ..] = input else {
        return;
    };
    let sample = |choice: &u8| &SAMPLES[usize::from(*choice) % SAMPLES.len()];
    let (whole, other) = (sample(which), sample(other));
    let (list, name) = PLACES[usize::from(*place) % PLACES.len()];
    let mut changed = whole.stored.clone();
    let text = whole.stored[list].get(name).cloned().unwrap_or_default();
    let foreign = other.stored[list].get(name).cloned().unwrap_or_default();
    let text = change(text, foreign, *how, usize::from(*at), rest);
    // Some get a checksum that fits: else the cipher itself would hardly ever be asked.
    let fits = how & 0x80 == 0 && matches!(name, "sealed" | "earlier");
    let text = if fits { with_checksum(&text) } else { text };
    changed
        .entry(list.to_owned())
        .or_default()
        .insert(name.to_owned(), text);
    if (list, name) == ("grant", "value") {
        // In the clear, in the place of what was sealed.
        changed.entry(list.to_owned()).or_default().remove("sealed");
    }
    opened(whole, &changed);
    // Whole, and in another record's place.
    elsewhere(whole, other);
}

fn change(text: String, foreign: String, how: u8, at: usize, with: &[u8]) -> String {
    let mut bytes = text.into_bytes();
    let at = at.min(bytes.len());
    match (how & 0x7f) % 6 {
        0 => {
            let flipped = bytes.iter_mut().skip(at).zip(with);
            flipped.for_each(|(byte, with)| *byte ^= with);
        }
        1 => bytes.truncate(at),
        2 => drop(bytes.splice(at..at, with.iter().copied())),
        3 => drop(bytes.splice(at.., with.iter().copied())),
        4 => drop(bytes.splice(at.., foreign.into_bytes().into_iter().skip(at))),
        _ => bytes = with.to_vec(),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn with_checksum(text: &str) -> String {
    let front = text.rsplit_once('.').map_or(text, |(front, _)| front);
    let sum = Sha256::digest(front)
        .iter()
        .take(4)
        .fold(String::new(), |sum, byte| format!("{sum}{byte:02x}"));
    format!("{front}.{sum}")
}

/// What a replica makes of the changed record.
fn opened(whole: &Sample, changed: &Lists) {
    let bytes = serde_json::to_vec(changed).expect("a record");
    let revealed = match decode(&SEALS[0], &whole.of, &bytes, NOW) {
        Ok(revealed) => revealed,
        Err(error) => return assert!(!format!("{error} {error:?}").contains("tOkEn")),
    };
    assert!(!format!("{revealed:?}").contains("tOkEn"));
    // One that was sealed for this credential is as good as another: what is in it has times of its own.
    let earlier = &revealed.record.state.earlier;
    let sealed_for_it = |sample: &&Sample| sample.of.credential == whole.of.credential;
    let mut known = SAMPLES.iter().filter(sealed_for_it);
    assert!(
        earlier.is_empty() || known.any(|sample| sample.record.state.earlier == *earlier),
        "earlier tokens were slipped in"
    );
    let (Some(found), Some(sealed)) = (revealed.record.grant, &whole.record.grant) else {
        return;
    };
    assert_eq!(found.value, sealed.value, "another token was slipped in");
    assert_eq!(
        (found.version, found.digest),
        (sealed.version, sealed.digest)
    );
    // The protocol cuts both times alike, and so may the store.
    assert_eq!(found.life(), sealed.life(), "a life was changed");
    assert!(found.issued_at <= sealed.issued_at);
}

/// A record opens for its own credential, in its own namespace, alone.
fn elsewhere(whole: &Sample, other: &Sample) {
    let bytes = serde_json::to_vec(&whole.stored).expect("a record");
    let grant_of = |seals: &Seals, of: &Subject| {
        let revealed = decode(seals, of, &bytes, NOW);
        let record = revealed.expect("a record").record;
        (record.grant, record.state.earlier)
    };
    let own = grant_of(&SEALS[0], &whole.of);
    assert_eq!(
        own,
        (
            whole.record.grant.clone(),
            whole.record.state.earlier.clone()
        )
    );
    let nothing = (None, EarlierTokens::default());
    assert_eq!(
        grant_of(&SEALS[1], &whole.of),
        nothing,
        "it opens in another namespace"
    );
    if other.of.credential != whole.of.credential {
        assert_eq!(
            grant_of(&SEALS[0], &other.of),
            nothing,
            "it opens for another credential"
        );
    }
}
