//! What was sealed opens for its own record alone, and not at all once anything of it was changed.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;
use crate::adapters::record::{grant_fields, read_grant};
use crate::domain::app_id::AppId;
use crate::domain::epoch::Version;
use crate::domain::secret::Digest;

const MUTATIONS: usize = 100_000;

#[derive(Default)]
struct Counted(Mutex<Vec<String>>);

impl SealWatch for Counted {
    fn opened(&self, key: Option<&str>) {
        self.0.lock().unwrap().push(format!("{key:?}"));
    }

    fn refused(&self, why: SealRefusal) {
        self.0.lock().unwrap().push(why.as_str().to_owned());
    }
}

fn key(id: &str, first: u8) -> SealingKey {
    use base64::engine::general_purpose::STANDARD;
    let bytes: [u8; 32] = std::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap()));
    SealingKey::parse(&format!("{id}:{}", STANDARD.encode(bytes))).unwrap()
}

fn seals(keys: &[SealingKey], sealing: Sealing) -> Seals {
    Seals::new("ns", keys, sealing, Arc::new(()))
}

fn credential(app: &str, mode: Mode) -> Credential {
    Credential::access_token(AppId::parse(app).unwrap(), mode)
}

fn grant(version: u64, token: u8) -> Grant {
    let at = |secs: u64| Timestamp::from_micros(secs * 1_000_000);
    Grant {
        version: Version(version),
        value: Secret::new(format!("57_{}{token}", "tOkEn-".repeat(4))),
        digest: Digest::new([token; 32]),
        issued_at: at(1_700_000_000),
        expires_at: at(1_700_007_200),
    }
}

/// The fields of a stored grant, as a store would hand them back.
fn fields(stored: &StoredGrant) -> BTreeMap<String, String> {
    grant_fields(stored).into()
}

fn reopened(
    seals: &Seals,
    of: &Credential,
    fields: BTreeMap<String, String>,
) -> Result<Grant, SealRefusal> {
    match read_grant(&Fields::from(fields)) {
        Ok(Some(stored)) => seals.open(of, stored),
        _ => Err(SealRefusal::Damaged),
    }
}

#[test]
fn what_is_sealed_shows_no_token_and_opens_as_it_was() {
    let (k1, k2) = (key("k1", 1), key("k2", 2));
    let of = credential("wx1", Mode::Token);
    let grant = grant(7, 1);
    let old = seals(std::slice::from_ref(&k1), Sealing::On);
    let stored = old.seal(&of, &grant).unwrap();
    let text = stored.grant.value.expose().to_owned();
    assert!(text.starts_with("1.k1."), "{text}");
    assert!(!text.contains("tOkEn"), "{text}");
    assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
    assert_eq!(fields(&stored).get("value"), None);
    assert_eq!(
        reopened(&old, &of, fields(&stored)),
        Ok(grant.clone()),
        "by the key that sealed it"
    );
    let new = seals(&[k2.clone(), k1], Sealing::Required);
    assert_eq!(reopened(&new, &of, fields(&stored)), Ok(grant.clone()));
    let again = new.seal(&of, &grant).unwrap();
    assert!(again.grant.value.expose().starts_with("1.k2."));
    let twice = new.seal(&of, &grant).unwrap();
    assert_ne!(again.grant.value, twice.grant.value, "a nonce each");
    assert_eq!(
        reopened(&old, &of, fields(&again)),
        Err(SealRefusal::UnknownKey)
    );
    let same_id = seals(&[key("k2", 9)], Sealing::On);
    assert_eq!(
        reopened(&same_id, &of, fields(&again)),
        Err(SealRefusal::UnknownKey),
        "other bytes under the same id are another key, not damage"
    );
    let off = seals(&[k2], Sealing::Off);
    let clear = off.seal(&of, &grant).unwrap();
    assert!(!clear.sealed);
    assert_eq!(reopened(&off, &of, fields(&again)), Ok(grant.clone()));
    assert_eq!(reopened(&old, &of, fields(&clear)), Ok(grant));
    assert_eq!(
        reopened(&new, &of, fields(&clear)),
        Err(SealRefusal::Unsealed)
    );
}

#[test]
fn no_record_passes_for_another_one() {
    let seals = seals(&[key("k1", 1)], Sealing::On);
    let of = credential("wx1", Mode::Token);
    let stored = |of: &Credential, grant: &Grant| fields(&seals.seal(of, grant).unwrap());
    let others = [
        stored(&credential("wx2", Mode::Token), &grant(7, 1)),
        stored(&credential("wx1", Mode::Stable), &grant(7, 1)),
    ];
    for other in others {
        assert_eq!(reopened(&seals, &of, other), Err(SealRefusal::Damaged));
    }
    let elsewhere = Seals::new("ns2", &[key("k1", 1)], Sealing::On, Arc::new(()));
    let moved = stored(&of, &grant(7, 1));
    assert_eq!(reopened(&elsewhere, &of, moved), Err(SealRefusal::Damaged));
    // The value of one version beside the fields of another.
    let mut mixed = stored(&of, &grant(8, 2));
    let old = stored(&of, &grant(7, 1));
    mixed.insert("sealed".to_owned(), old["sealed"].clone());
    assert_eq!(reopened(&seals, &of, mixed), Err(SealRefusal::Damaged));
}

#[test]
fn times_may_be_cut_alike_and_in_no_other_way() {
    let seals = seals(&[key("k1", 1)], Sealing::On);
    let of = credential("wx1", Mode::Token);
    let whole = fields(&seals.seal(&of, &grant(7, 1)).unwrap());
    let shifted = |issued: i64, expires: i64| {
        let mut fields = whole.clone();
        for (name, by) in [("issued_at", issued), ("expires_at", expires)] {
            let at: i64 = fields[name].parse().unwrap();
            fields.insert(name.to_owned(), (at + by).to_string());
        }
        reopened(&seals, &of, fields).is_ok()
    };
    assert!(shifted(0, 0));
    assert!(shifted(-5_000_000, -5_000_000), "a clock that was behind");
    for (issued, expires) in [(0, 1), (1, 1), (0, -1), (-1, 0), (-2, -1)] {
        assert!(!shifted(issued, expires), "{issued} {expires}");
    }
}

/// Most mutations get a checksum that fits, as somebody would make it who means harm: else the cipher itself
/// would hardly ever be asked.
#[test]
fn a_hundred_thousand_mutations_of_sealed_records_are_all_refused() {
    let seals = seals(&[key("k1", 1), key("k2", 2)], Sealing::Required);
    let credentials = [
        credential("wx1", Mode::Token),
        credential("wx1", Mode::Stable),
        credential("wx2", Mode::Token),
    ];
    let records: Vec<_> = credentials
        .iter()
        .flat_map(|of| (1..=4).map(move |version| (of, grant(version, 1 + version as u8 % 2))))
        .map(|(of, grant)| (of, fields(&seals.seal(of, &grant).unwrap())))
        .collect();
    for (of, record) in &records {
        assert!(reopened(&seals, of, record.clone()).is_ok());
    }
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut refused = [0; SealRefusal::ALL.len()];
    let mut round = 0;
    while refused.iter().sum::<usize>() < MUTATIONS {
        let (of, whole) = &records[round % records.len()];
        round += 1;
        let other = &records[(random.next_u64() as usize) % records.len()].1;
        let mutated = mutate(whole, other, &mut random);
        if means(&mutated) == means(whole) {
            continue;
        }
        match reopened(&seals, of, mutated.clone()) {
            Ok(_) => panic!("accepted:\n{mutated:#?}\nfor\n{whole:#?}"),
            Err(why) => refused[why as usize] += 1,
        }
    }
    // The id and the fingerprint of the key are a small part of the text.
    let damaged = refused[SealRefusal::Damaged as usize];
    assert!(damaged > MUTATIONS * 3 / 4, "{refused:?}");
}

/// A number with a zero before it is the same number.
fn means(record: &BTreeMap<String, String>) -> Option<Grant> {
    let stored = read_grant(&Fields::from(record.clone())).ok()??;
    Some(stored.grant)
}

fn mutate(
    whole: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
    random: &mut TestRng,
) -> BTreeMap<String, String> {
    let mut below = |limit: usize| (random.next_u64() % limit.max(1) as u64) as usize;
    let mut mutated = whole.clone();
    // Mostly the sealed text, now and then what stands beside it. A lost or foreign `format` is nobody's.
    let names = [
        "sealed",
        "sealed",
        "sealed",
        "sealed",
        "version",
        "digest",
        "issued_at",
        "expires_at",
    ];
    let name = names[below(names.len())];
    let mut bytes = mutated[name].clone().into_bytes();
    let place = below(bytes.len());
    match below(7) {
        0 => bytes[place] ^= 1 << below(7),
        1 => bytes[place] = b'!' + below(94) as u8,
        2 => bytes.truncate(place),
        3 => bytes.insert(place, b'0' + below(10) as u8),
        4 => bytes.extend_from_slice(b"AAAA"),
        5 => bytes.swap(place, 0),
        _ => bytes = other[name].clone().into_bytes(),
    }
    let mut text = String::from_utf8(bytes).unwrap();
    if name == "sealed" && below(4) > 0 {
        let checked = text.rsplit_once('.').map_or("", |(checked, _)| checked);
        text = format!("{checked}.{}", checksum(checked));
    }
    mutated.insert(name.to_owned(), text);
    mutated
}

#[test]
fn what_is_opened_and_what_is_refused_is_told() {
    let counted = Arc::new(Counted::default());
    let watch: Arc<dyn SealWatch> = Arc::<Counted>::clone(&counted);
    let seals = Seals::new("ns", &[key("k1", 1)], Sealing::On, watch);
    let of = credential("wx1", Mode::Token);
    let sealed = seals.seal(&of, &grant(1, 1)).unwrap();
    assert!(seals.open(&of, sealed).is_ok());
    let grant = grant(1, 1);
    assert!(
        seals
            .open(
                &of,
                StoredGrant {
                    grant,
                    sealed: false
                }
            )
            .is_ok()
    );
    seals.discarded(&of, SealRefusal::Damaged);
    assert_eq!(
        *counted.0.lock().unwrap(),
        ["Some(\"k1\")", "None", "damaged"]
    );
    let shown = format!("{seals:?}");
    assert!(shown.contains("k1") && shown.len() < 60, "{shown}");
}
