//! `[[callers]]`: who may ask, known by the hashes of their keys, and for what.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use config::Value;

use super::section::Section;
use super::setting::{Setting, text};
use crate::domain::app_id::AppId;
use crate::domain::caller::{CallerId, Paths, Rights, Verb, Verbs};
use crate::domain::path_pattern::PathPattern;
use crate::domain::secret::Digest;

/// Two, so that a key can be replaced while the old one still works.
const MAX_KEYS: usize = 2;
/// Enough for any caller, and its double fits.
const MAX_RATE: u32 = 1_000_000;
const EVERY_APP: &str = "*";

/// The longest name of a certificate.
const MAX_NAME: usize = 2048;

/// One of `[[callers]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerConfig {
    /// `id`, `[a-z0-9-]{1,32}`. Required.
    pub id: CallerId,
    /// `keys`, one or two, each `"sha256:<64 hex of the whole key>"`. Required without `certificates`.
    pub keys: Vec<Digest>,
    /// `certificates`, URI or DNS names of client certificates. Default none; needs
    /// `server.tls_client_ca_file`.
    pub certificates: Vec<String>,
    /// `allow`, a list of `{ appids = [..], verbs = [..] }`; appid `"*"` = all. With the verb `call`,
    /// `paths` may say which of WeChat's paths it opens. Required.
    pub rights: Rights,
    /// `rate`, requests a second at each replica, with a burst of twice as many. Default: no limit.
    pub rate: Option<NonZeroU32>,
}

/// `sha256:` and 64 hexadecimal digits.
struct KeyHash(Digest);

/// A URI, or a DNS name in lower case.
struct CertificateName(String);

/// What the callers before one have, by the path where it stands: none may be there twice.
#[derive(Default)]
pub(super) struct Seen {
    ids: HashMap<CallerId, String>,
    keys: HashMap<Digest, String>,
    certificates: HashMap<String, String>,
}

impl CallerConfig {
    /// Reads one caller. `apps` are those that exist.
    pub(super) fn read(
        section: &mut Section<'_>,
        apps: &HashSet<AppId>,
        seen: &mut Seen,
    ) -> Option<Self> {
        let id = read_id(section, &mut seen.ids);
        let certificates = read_certificates(section, &mut seen.certificates);
        let needs_key = certificates.is_empty() && section.is_sound("certificates");
        let keys = read_keys(section, &mut seen.keys, needs_key);
        let rights = read_rights(section, apps);
        let rate = read_rate(section);
        let id = id?;
        Some(Self {
            id,
            keys,
            certificates,
            rights,
            rate,
        })
    }
}

fn read_id(section: &mut Section<'_>, seen: &mut HashMap<CallerId, String>) -> Option<CallerId> {
    let text: String = section.required("id")?;
    let id = CallerId::parse(&text);
    match &id {
        Ok(id) => {
            if let Some(first) = seen.get(id) {
                section.refuse("id", format!("is the same as {first}"));
            } else {
                seen.insert(id.clone(), section.path("id"));
            }
        }
        Err(error) => section.refuse("id", error.to_string()),
    }
    id.ok()
}

fn read_certificates(section: &mut Section<'_>, seen: &mut HashMap<String, String>) -> Vec<String> {
    let given = section.each::<CertificateName>("certificates");
    for (path, CertificateName(name)) in &given {
        if let Some(first) = seen.get(name) {
            let message = format!("is the same as {first}");
            section.report().refuse(path, message);
        } else {
            seen.insert(name.clone(), path.clone());
        }
    }
    let names = given.into_iter().map(|(_, CertificateName(name))| name);
    names.collect()
}

fn read_keys(
    section: &mut Section<'_>,
    seen: &mut HashMap<Digest, String>,
    needed: bool,
) -> Vec<Digest> {
    let given = section.each::<KeyHash>("keys");
    if needed && given.is_empty() && section.is_sound("keys") {
        section.refuse("keys", "is missing; `token-broker key new ID` makes one");
    }
    if given.len() > MAX_KEYS {
        section.refuse(
            "keys",
            "has more than two; one to use, one to replace it by",
        );
    }
    for (path, KeyHash(hash)) in &given {
        if let Some(first) = seen.get(hash) {
            let message = format!("is the same as {first}");
            section.report().refuse(path, message);
        } else {
            seen.insert(*hash, path.clone());
        }
    }
    given.into_iter().map(|(_, KeyHash(hash))| hash).collect()
}

fn read_rate(section: &mut Section<'_>) -> Option<NonZeroU32> {
    let is_set = section.has("rate");
    let rate = section.within("rate", MAX_RATE, 1..=MAX_RATE);
    NonZeroU32::new(rate).filter(|_| is_set)
}

fn read_rights(section: &mut Section<'_>, apps: &HashSet<AppId>) -> Rights {
    let mut rights = Rights::default();
    let allowed = section.tables("allow", |rule| {
        let appids = rule.each::<String>("appids");
        let verbs = rule.each::<Verb>("verbs");
        for (key, is_empty) in [("appids", appids.is_empty()), ("verbs", verbs.is_empty())] {
            if is_empty && rule.is_sound(key) {
                rule.refuse(key, "is missing");
            }
        }
        let verbs: Verbs = verbs.into_iter().map(|(_, verb)| verb).collect();
        let paths = read_paths(rule, verbs);
        for (path, appid) in appids {
            match apps.get(appid.as_str()) {
                Some(appid) => rights.allow_on(appid.clone(), verbs, &paths),
                None if appid == EVERY_APP => rights.allow_everywhere(verbs, &paths),
                None => rule
                    .report()
                    .refuse(&path, r#"is no appid of [[apps]], nor "*""#),
            }
        }
        Some(())
    });
    if allowed.is_empty() && section.is_sound("allow") {
        section.refuse("allow", "is missing: this caller could do nothing");
    }
    rights
}

/// Left out, all paths are open.
fn read_paths(rule: &mut Section<'_>, verbs: Verbs) -> Paths {
    if !rule.has("paths") {
        return Paths::All;
    }
    let patterns = rule.each::<PathPattern>("paths");
    if patterns.is_empty() && rule.is_sound("paths") {
        rule.refuse("paths", "is empty: leave it out to open all of them");
    }
    if !verbs.contains(Verb::Call) && rule.is_sound("verbs") {
        rule.refuse("paths", r#"is of use with the verb "call" only"#);
    }
    Paths::Listed(patterns.into_iter().map(|(_, pattern)| pattern).collect())
}

impl Setting for PathPattern {
    const FORM: &'static str =
        r#"a path of WeChat's, such as "/cgi-bin/user/info", with * for one part or ** at its end"#;

    fn read(value: &Value) -> Option<Self> {
        Self::parse(text(value)?).ok()
    }
}

impl Setting for KeyHash {
    const FORM: &'static str = r#""sha256:" and 64 hexadecimal digits, the hash and not the key"#;

    fn read(value: &Value) -> Option<Self> {
        let digits = text(value)?.strip_prefix("sha256:")?;
        Digest::parse(digits).map(Self)
    }
}

impl Setting for CertificateName {
    const FORM: &'static str = r#"a URI or a DNS name, such as "spiffe://cluster.local/ns/shop/sa/orders" or "orders.internal""#;

    fn read(value: &Value) -> Option<Self> {
        let name = text(value)?;
        let graphic = name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_graphic());
        let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.contains("://") {
            let is_uri = graphic && url::Url::parse(name).is_ok();
            is_uri.then(|| Self(name.to_owned()))
        } else {
            let is_host = graphic && !name.is_empty() && name.bytes().all(host);
            is_host.then(|| Self(name.to_ascii_lowercase()))
        }
    }
}

impl Setting for Verb {
    const FORM: &'static str = r#"one of "read", "call", "refresh" and "admin""#;

    fn read(value: &Value) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verb| Some(verb.as_str()) == text(value))
    }
}
