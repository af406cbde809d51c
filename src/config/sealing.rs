//! What `[store]` says of sealing: the keys, and how strictly they are used.

use config::Value;

use super::section::Section;
use super::setting::{Setting, text};
use crate::domain::secret::Secret;
use crate::sealing::{Sealing, SealingKey};

/// How stored grants are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealingConfig {
    /// `encryption_keys`, each `"keyid:base64 of 32 bytes"`; the first seals, all open. Default none: in the
    /// clear.
    pub keys: Vec<SealingKey>,
    /// `sealing`, `"off"`, `"on"` or `"required"`. Default `on`, which needs keys to have an effect.
    pub sealing: Sealing,
}

impl SealingConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let sealing = section.get("sealing", Sealing::default());
        let given = section.each::<Secret>("encryption_keys");
        if given.is_empty() && sealing == Sealing::Required && section.is_sound("encryption_keys") {
            section.refuse(
                "sealing",
                "cannot be \"required\" without store.encryption_keys",
            );
        }
        let report = section.report();
        let mut keys: Vec<(String, SealingKey)> = Vec::new();
        for (path, secret) in given {
            let key = match SealingKey::parse(secret.expose()) {
                Ok(key) => key,
                Err(error) => {
                    report.refuse(&path, error.to_string());
                    continue;
                }
            };
            let same_id = keys.iter().find(|(_, other)| other.id() == key.id());
            let same_key = keys
                .iter()
                .find(|(_, other)| other.expose() == key.expose());
            if let Some((other, _)) = same_id {
                report.refuse(
                    &path,
                    format!("has the id of {other}; each key needs its own"),
                );
            } else if let Some((other, _)) = same_key {
                report.refuse(
                    &path,
                    format!("has the bytes of {other}; each key needs its own"),
                );
            } else {
                keys.push((path, key));
            }
        }
        Self {
            keys: keys.into_iter().map(|(_, key)| key).collect(),
            sealing,
        }
    }
}

impl Setting for Sealing {
    const FORM: &'static str = r#""off", "on" or "required""#;

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "off" => Some(Self::Off),
            "on" => Some(Self::On),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}
