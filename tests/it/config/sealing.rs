//! The keys that seal what is stored are judged before anything starts.

use token_broker::sealing::Sealing;

use super::sample::{Files, SMALL, errors, errors_with, load, load_with};

const K1: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const K2: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

#[test]
fn keys_are_taken_in_their_order_from_the_file_a_variable_or_a_file_of_their_own() {
    let text =
        format!("[store]\nencryption_keys = [{K1:?}, {K2:?}]\nsealing = 'required'\n{SMALL}");
    let files = Files::new();
    let path = files
        .write("keys", &format!("{K1}\n{K2}\n"))
        .display()
        .to_string();
    let in_one = format!("{K1},{K2}");
    let name = "TOKEN_BROKER__STORE__ENCRYPTION_KEYS";
    for config in [
        load(&text),
        load_with(
            SMALL,
            &[
                (name, &in_one),
                ("TOKEN_BROKER__STORE__SEALING", "required"),
            ],
        )
        .expect("valid keys"),
        load_with(
            SMALL,
            &[
                (&format!("{name}_FILE"), &path),
                ("TOKEN_BROKER__STORE__SEALING", "required"),
            ],
        )
        .expect("valid keys"),
    ] {
        let sealing = &config.store.sealing;
        let ids: Vec<_> = sealing.keys.iter().map(|key| key.id()).collect();
        assert_eq!(ids, ["k1", "k2"]);
        assert_eq!(sealing.sealing, Sealing::Required);
        assert!(!format!("{config:?}").contains("AAECAw"));
    }
    let silent = load(SMALL).store.sealing;
    assert_eq!((silent.keys.len(), silent.sealing), (0, Sealing::On));
}

#[test]
fn each_wrong_key_is_told_by_its_place_and_what_is_wrong() {
    let bytes = &K1[3..];
    let text = format!(
        "[store]\nencryption_keys = [{K1:?}, 'AAAA', 'K:{bytes}', 'k3:####', 'k4:AAAA', \
         'k1:{}', 'k5:{bytes}', {K2:?}]\n{SMALL}",
        &K2[3..]
    );
    let key = |index: u32| format!("2: store.encryption_keys[{index}]:");
    let expected = [
        (1, "must be \"keyid:base64 of 32 bytes\""),
        (2, "must begin with an id of 1 to 32 characters"),
        (3, "must have base64"),
        (
            4,
            "must have base64 of 32 bytes behind the ':'; this is of 3",
        ),
        (5, "has the id of store.encryption_keys[0]"),
        (6, "has the bytes of store.encryption_keys[0]"),
    ];
    let told = errors(&text);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, (index, words)) in told.iter().zip(expected) {
        assert!(
            told.starts_with(&key(index)) && told.contains(words),
            "{told}"
        );
    }
}

#[test]
fn sealing_is_a_word_and_required_needs_keys() {
    for (written, expected) in [
        (
            "'yes'",
            "2: store.sealing: must be \"off\", \"on\" or \"required\"",
        ),
        (
            "'required'",
            "2: store.sealing: cannot be \"required\" without store.encryption_keys",
        ),
    ] {
        assert_eq!(
            errors(&format!("[store]\nsealing = {written}\n{SMALL}")),
            [expected]
        );
    }
    let name = "TOKEN_BROKER__STORE__ENCRYPTION_KEYS";
    let told = errors_with(SMALL, &[(name, "k1:AAAA")]).join("\n");
    assert!(
        told.starts_with(&format!(
            "{name}: store.encryption_keys[0]: must have base64 of 32"
        )),
        "{told}"
    );
}
