//! The stored form of a record, the one place that defines it: two flat lists of named texts, one for the
//! state and one for the grant. Redis holds each list as a hash, the embedded store as a JSON object.
//!
//! It is read by people at night, so every field has a name of its own, times are microseconds since 1970
//! UTC in decimal digits, and what is absent is not written. `scripts/format.lua` knows the same fields; a
//! property test holds the two equal.
//!
//! A list whose `format` is not [`FORMAT`], or that breaks any rule here, is refused and left as it is:
//! guessing at a damaged budget or epoch could break the promises that rest on it. A grant is less than that
//! where grants are sealed: `adapters::sealed` says what becomes of one that is damaged.

mod earlier;

pub(super) use earlier::{earlier_of, earlier_text};

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::budget::Used;
use crate::domain::earlier::EarlierTokens;
use crate::domain::epoch::{Epoch, Nonce, Version};
use crate::domain::grant::Grant;
use crate::domain::secret::{Digest, Fingerprint, Secret};
use crate::domain::state::{Check, Cooldown, Dead, Intent, Lease, Pause, State, Verdict};
use crate::domain::time::Timestamp;
use crate::domain::upstream_error::ErrorClass;
use crate::ports::StoreError;

/// The format that this release writes, and the only one that it reads.
pub(super) const FORMAT: &str = "1";

/// The largest number that is stored: beyond it a script's arithmetic is no longer exact. In
/// microseconds it lies in the year 2255.
pub(super) const LARGEST: u64 = (1 << 53) - 1;

/// A stored list, its names and values; what was read is left where it stands. Some thirty fields are found sooner by
/// looking along them than put in order. May hold the token in the clear, so it has no `Debug`.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A grant whose value is the text that is stored.
pub(super) struct StoredGrant {
    /// The grant.
    pub(super) grant: Grant,
    /// Whether that text is sealed, which is another field's.
    pub(super) sealed: bool,
}

/// The name of the field that holds the value.
pub(super) const fn value_field(sealed: bool) -> &'static str {
    if sealed { "sealed" } else { "value" }
}

/// A number as it is stored, and as it is given to a script.
pub(super) fn number(value: u64) -> String {
    value.min(LARGEST).to_string()
}

/// A flag as it is stored, and as it is given to a script.
pub(super) fn flag(value: bool) -> String {
    String::from(if value { "1" } else { "0" })
}

/// The word for a verdict.
pub(super) const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Refused => "refused",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// Reads the word for a verdict back.
pub(super) fn verdict_of(word: &str) -> Option<Verdict> {
    [Verdict::Accepted, Verdict::Refused, Verdict::Inconclusive]
        .into_iter()
        .find(|verdict| verdict_word(*verdict) == word)
}

/// The state's fields; `earlier` is the text of the tokens before the stored one, where there are any.
pub(super) fn state_fields(state: &State, earlier: Option<String>) -> Fields<'static> {
    let mut fields = Fields::new();
    let time = |at: Timestamp| number(at.as_micros());
    if let Some(origin) = state.origin {
        fields.put("origin", origin.to_string());
    }
    fields.put("epoch", number(state.epoch.0));
    fields.put("version", number(state.version.0));
    if let Some(lease) = state.lease {
        fields.put("lease_nonce", lease.nonce.to_string());
        fields.put("lease_epoch", number(lease.epoch.0));
        fields.put("lease_until", time(lease.until));
    }
    if let Some(intent) = state.intent {
        fields.put("intent_epoch", number(intent.epoch.0));
        fields.put("intent_begun_at", time(intent.begun_at));
        fields.put("intent_last_fetch_before", time(intent.last_fetch_before));
        fields.put("intent_issuer_before", number(intent.issuer_before.0));
        fields.put("intent_forced", flag(intent.forced));
    }
    if let Some(suspect) = state.suspect {
        fields.put("suspect", number(suspect.0));
    }
    if let Some(dead) = state.dead {
        fields.put("dead_version", number(dead.version.0));
        fields.put("dead_epoch", number(dead.epoch.0));
        fields.put("dead_reported", flag(dead.reported));
    }
    fields.put("last_fetch", time(state.last_fetch));
    fields.put("issuer", number(state.issuer.0));
    fields.put("budget", time(state.budget));
    fields.put("forced_budget", time(state.forced_budget));
    fields.put("force", flag(state.force));
    fields.put("used", state.used.to_record());
    fields.put("failures", number(state.failures.into()));
    if let Some(cooldown) = state.cooldown {
        fields.put("cooldown_class", cooldown.class.as_str().to_owned());
        fields.put("cooldown_until", time(cooldown.until));
        fields.put("cooldown_secret", cooldown.secret.to_string());
    }
    fields.put("paused", flag(state.pause.paused));
    fields.put("pause_changed_at", time(state.pause.changed_at));
    fields.put("close_watch_until", time(state.close_watch_until));
    fields.put("check_version", number(state.check.version.0));
    fields.put("check_claimed_at", time(state.check.claimed_at));
    if let Some(verdict) = state.check.verdict {
        fields.put("check_verdict", verdict_word(verdict).to_owned());
    }
    if let Some((epoch, nonce)) = state.committed {
        fields.put("committed_epoch", number(epoch.0));
        fields.put("committed_nonce", nonce.to_string());
    }
    if let Some(earlier) = earlier {
        fields.put("earlier", earlier);
    }
    fields
}

/// The grant's fields.
pub(super) fn grant_fields(stored: &StoredGrant) -> Fields<'static> {
    let mut fields = Fields::new();
    let StoredGrant { grant, sealed } = stored;
    fields.put("version", number(grant.version.0));
    fields.put(value_field(*sealed), grant.value.expose().to_owned());
    fields.put("digest", grant.digest.to_string());
    fields.put("issued_at", number(grant.issued_at.as_micros()));
    fields.put("expires_at", number(grant.expires_at.as_micros()));
    fields
}

/// Reads a state, without the earlier tokens, whose text may be sealed. An empty list is none at all: a first
/// start.
///
/// # Errors
/// [`StoreError::Unreadable`] names the field, never its value.
pub(super) fn read_state(state: &Fields<'_>) -> Result<State, StoreError> {
    if state.is_empty() {
        return Ok(State::default());
    }
    state_of(&Reader::of("state", state)?)
}

/// Reads a grant. An empty list is none at all, or one whose time is over.
///
/// # Errors
/// As for a state.
pub(super) fn read_grant(grant: &Fields<'_>) -> Result<Option<StoredGrant>, StoreError> {
    if grant.is_empty() {
        return Ok(None);
    }
    grant_of(&Reader::of("grant", grant)?).map(Some)
}

fn state_of(from: &Reader<'_>) -> Result<State, StoreError> {
    let lease = ["lease_nonce", "lease_epoch", "lease_until"];
    let intent = [
        "intent_epoch",
        "intent_begun_at",
        "intent_last_fetch_before",
        "intent_issuer_before",
        "intent_forced",
    ];
    let dead = ["dead_version", "dead_epoch", "dead_reported"];
    let cooldown = ["cooldown_class", "cooldown_until", "cooldown_secret"];
    let committed = ["committed_epoch", "committed_nonce"];
    Ok(State {
        origin: from.optional("origin", Fingerprint::parse)?,
        epoch: Epoch(from.number("epoch")?),
        version: Version(from.number("version")?),
        lease: from.group(&lease, || {
            Ok(Lease {
                nonce: from.parsed("lease_nonce", Nonce::parse)?,
                epoch: Epoch(from.number("lease_epoch")?),
                until: from.time("lease_until")?,
            })
        })?,
        intent: from.group(&intent, || {
            Ok(Intent {
                epoch: Epoch(from.number("intent_epoch")?),
                begun_at: from.time("intent_begun_at")?,
                last_fetch_before: from.time("intent_last_fetch_before")?,
                issuer_before: Epoch(from.number("intent_issuer_before")?),
                forced: from.flag("intent_forced")?,
            })
        })?,
        suspect: from.optional("suspect", parse_number)?.map(Epoch),
        dead: from.group(&dead, || {
            Ok(Dead {
                version: Version(from.number("dead_version")?),
                epoch: Epoch(from.number("dead_epoch")?),
                reported: from.flag("dead_reported")?,
            })
        })?,
        last_fetch: from.time("last_fetch")?,
        issuer: Epoch(from.number("issuer")?),
        budget: from.time("budget")?,
        forced_budget: from.time("forced_budget")?,
        force: from.flag("force")?,
        used: from.parsed("used", parse_used)?,
        failures: from.parsed("failures", |text| {
            parse_number(text).and_then(|n| u32::try_from(n).ok())
        })?,
        cooldown: from.group(&cooldown, || {
            Ok(Cooldown {
                class: from.parsed("cooldown_class", ErrorClass::parse)?,
                until: from.time("cooldown_until")?,
                secret: from.parsed("cooldown_secret", Fingerprint::parse)?,
            })
        })?,
        pause: Pause {
            paused: from.flag("paused")?,
            changed_at: from.time("pause_changed_at")?,
        },
        close_watch_until: from.time("close_watch_until")?,
        check: Check {
            version: Version(from.number("check_version")?),
            claimed_at: from.time("check_claimed_at")?,
            verdict: from.optional("check_verdict", verdict_of)?,
        },
        committed: from.group(&committed, || {
            let epoch = Epoch(from.number("committed_epoch")?);
            Ok((epoch, from.parsed("committed_nonce", Nonce::parse)?))
        })?,
        earlier: EarlierTokens::default(),
    })
}

fn grant_of(from: &Reader<'_>) -> Result<StoredGrant, StoreError> {
    let value = |text: &str| {
        let graphic = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        graphic.then(|| Secret::new(text))
    };
    let in_the_clear = from.optional(value_field(false), value)?;
    let sealed = from.optional(value_field(true), value)?;
    let (value, sealed) = match (in_the_clear, sealed) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) => return Err(from.trouble("value", "stands beside a sealed one")),
        (None, None) => return Err(from.trouble("value", "is missing")),
    };
    Ok(StoredGrant {
        grant: Grant {
            version: Version(from.number("version")?),
            value,
            digest: from.parsed("digest", Digest::parse)?,
            issued_at: from.time("issued_at")?,
            expires_at: from.time("expires_at")?,
        },
        sealed,
    })
}

/// Decimal digits only, and no more than [`LARGEST`] has: `str::parse` would also take a sign, and zeros without end.
fn parse_number(text: &str) -> Option<u64> {
    let digits = matches!(text.len(), 1..=16) && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|value| *value <= LARGEST)
}

/// Each of its numbers within the same bounds.
fn parse_used(text: &str) -> Option<Used> {
    let mut numbers = text.split([':', ',']);
    let sound = text.is_empty() || numbers.all(|number| parse_number(number).is_some());
    sound.then(|| Used::from_record(text)).flatten()
}

impl Fields<'_> {
    fn new() -> Self {
        Self(vec![("format".into(), FORMAT.into())])
    }

    fn put(&mut self, name: &'static str, value: String) {
        self.0.push((name.into(), value.into()));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_ref())
    }

    /// The text of a state's earlier tokens.
    pub(super) fn earlier(&self) -> Option<&str> {
        self.get("earlier")
    }

    /// Whether this release may have written it: it names no other format.
    pub(super) fn may_be_ours(&self) -> bool {
        self.get("format").is_none_or(|format| format == FORMAT)
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Cow<'a, str>)> for Fields<'a> {
    fn from_iter<T: IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl From<BTreeMap<String, String>> for Fields<'_> {
    fn from(fields: BTreeMap<String, String>) -> Self {
        let owned = |(name, value): (String, String)| (name.into(), value.into());
        fields.into_iter().map(owned).collect()
    }
}

impl From<Fields<'_>> for BTreeMap<String, String> {
    fn from(fields: Fields<'_>) -> Self {
        let owned =
            |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        fields.0.into_iter().map(owned).collect()
    }
}

/// Takes a list apart, and says of a field that cannot be read which it is.
struct Reader<'a> {
    what: &'static str,
    fields: &'a Fields<'a>,
}

impl<'a> Reader<'a> {
    fn of(what: &'static str, fields: &'a Fields<'a>) -> Result<Self, StoreError> {
        match fields.get("format") {
            Some(FORMAT) => Ok(Self { what, fields }),
            Some(_) => Err(StoreError::Unreadable(format!(
                "the {what} is of another format than {FORMAT}"
            ))),
            None => Err(StoreError::Unreadable(format!("the {what} has no format"))),
        }
    }

    fn optional<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.fields.get(name) else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| self.trouble(name, "cannot be read"))
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        self.optional(name, parse)?
            .ok_or_else(|| self.trouble(name, "is missing"))
    }

    fn number(&self, name: &str) -> Result<u64, StoreError> {
        self.parsed(name, parse_number)
    }

    fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.number(name).map(Timestamp::from_micros)
    }

    fn flag(&self, name: &str) -> Result<bool, StoreError> {
        self.parsed(name, |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    /// Fields that are there all together or not at all.
    fn group<T>(
        &self,
        names: &[&str],
        read: impl Fn() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if names.iter().any(|name| self.fields.get(name).is_some()) {
            read().map(Some)
        } else {
            Ok(None)
        }
    }

    fn trouble(&self, name: &str, what: &str) -> StoreError {
        StoreError::Unreadable(format!("the field {name} of the {} {what}", self.what))
    }
}
