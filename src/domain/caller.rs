//! Callers: who asks, and what they may ask for which app.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::app_id::AppId;
use super::path_pattern::PathPattern;

/// The longest id of a caller, in bytes.
const MAX_LEN: usize = 32;

/// The name of a caller, `[a-z0-9-]{1,32}`: part of its key, of log lines and of labels.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(Box<str>);

/// A text is not a caller's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a caller's id has 1 to 32 characters: lower-case letters, digits and '-'")]
pub struct CallerIdError;

/// What a caller may do with an app.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Read the token or a ticket, and report one that was refused.
    Read,
    /// Call WeChat through the broker: profiles, web authorization, the gateway.
    Call,
    /// Force a refresh, within pace and budget.
    Refresh,
    /// See the state without secrets; pause and resume.
    Admin,
}

/// A set of verbs.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Verbs(u8);

/// What of WeChat's API the verb `call` opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Paths {
    /// All of it.
    All,
    /// What one of these stands for.
    Listed(BTreeSet<PathPattern>),
}

/// What one caller may do, on all apps and on each, worked out beforehand: an answer costs at most one
/// look into a map, and none where the right holds for all apps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    everywhere: Allowed,
    /// What holds everywhere is contained in each of these.
    by_app: HashMap<AppId, Allowed>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Allowed {
    verbs: Verbs,
    paths: Paths,
}

impl CallerId {
    /// Checks and takes an id.
    ///
    /// # Errors
    /// The text is empty, too long, or leaves the alphabet.
    pub fn parse(text: &str) -> Result<Self, CallerIdError> {
        if Self::is_well_formed(text) {
            Ok(Self(text.into()))
        } else {
            Err(CallerIdError)
        }
    }

    /// Whether a text is an id: nothing is kept of it.
    #[must_use]
    pub fn is_well_formed(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.len() <= MAX_LEN && text.bytes().all(allowed)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for CallerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 4] = [Self::Read, Self::Call, Self::Refresh, Self::Admin];

    /// The word used in the configuration and in errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Call => "call",
            Self::Refresh => "refresh",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Verbs {
    /// Whether `verb` is one of them.
    #[must_use]
    pub const fn contains(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl FromIterator<Verb> for Verbs {
    fn from_iter<I: IntoIterator<Item = Verb>>(verbs: I) -> Self {
        Self(verbs.into_iter().fold(0, |bits, verb| bits | verb.bit()))
    }
}

impl fmt::Debug for Verbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contained = Verb::ALL.into_iter().filter(|verb| self.contains(*verb));
        f.debug_set().entries(contained).finish()
    }
}

impl Paths {
    fn open(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(path)),
        }
    }

    fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::Listed(patterns), Self::Listed(more)) => patterns.extend(more.iter().cloned()),
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
        }
    }
}

/// None.
impl Default for Paths {
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}

impl Allowed {
    fn add(&mut self, verbs: Verbs, paths: &Paths) {
        self.verbs = self.verbs.and(verbs);
        if verbs.contains(Verb::Call) {
            self.paths.add(paths);
        }
    }
}

impl Rights {
    /// Adds `verbs` on every app; `call` for `paths`.
    pub fn allow_everywhere(&mut self, verbs: Verbs, paths: &Paths) {
        self.everywhere.add(verbs, paths);
        for known in self.by_app.values_mut() {
            known.add(verbs, paths);
        }
    }

    /// Adds `verbs` on one app; `call` for `paths`.
    pub fn allow_on(&mut self, app: AppId, verbs: Verbs, paths: &Paths) {
        let known = self.by_app.entry(app);
        known
            .or_insert_with(|| self.everywhere.clone())
            .add(verbs, paths);
    }

    /// Adds all that `others` allow.
    pub fn add(&mut self, others: &Self) {
        let everywhere = &others.everywhere;
        self.allow_everywhere(everywhere.verbs, &everywhere.paths);
        for (app, allowed) in &others.by_app {
            self.allow_on(app.clone(), allowed.verbs, &allowed.paths);
        }
    }

    /// Whether the caller may do this with this app.
    #[must_use]
    pub fn allows(&self, app: &AppId, verb: Verb) -> bool {
        self.everywhere.verbs.contains(verb) || self.on(app).verbs.contains(verb)
    }

    /// Whether the caller may ask WeChat for this path of its on the app's behalf.
    #[must_use]
    pub fn opens(&self, app: &AppId, path: &str) -> bool {
        self.allows(app, Verb::Call) && self.on(app).paths.open(path)
    }

    /// Whether there is an app that the caller may ask WeChat for this path of its for.
    #[must_use]
    pub fn opens_somewhere(&self, path: &str) -> bool {
        let mut all = std::iter::once(&self.everywhere).chain(self.by_app.values());
        all.any(|allowed| allowed.verbs.contains(Verb::Call) && allowed.paths.open(path))
    }

    /// Whether the caller has any right on this app: on any other, it cannot tell whether it exists.
    #[must_use]
    pub fn knows(&self, app: &AppId) -> bool {
        !self.everywhere.verbs.is_empty() || !self.on(app).verbs.is_empty()
    }

    fn on(&self, app: &AppId) -> &Allowed {
        self.by_app.get(app).unwrap_or(&self.everywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(text: &str) -> AppId {
        AppId::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn verbs<const N: usize>(verbs: [Verb; N]) -> Verbs {
        verbs.into_iter().collect()
    }

    fn listed(patterns: &[&str]) -> Paths {
        let parsed = patterns
            .iter()
            .filter_map(|text| PathPattern::parse(text).ok());
        Paths::Listed(parsed.collect())
    }

    #[test]
    fn an_id_stays_within_its_alphabet_and_length() {
        for text in ["a", "orders", "order-2", &"x".repeat(32)] {
            let id = CallerId::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(id.as_str(), text);
            assert_eq!(format!("{id} {id:?}"), format!("{text} {text}"));
            assert!(BTreeSet::from([id]).contains(text), "found by its text");
        }
        for text in ["", "Orders", "a_b", "a b", "é", &"x".repeat(33)] {
            assert_eq!(CallerId::parse(text), Err(CallerIdError), "{text}");
        }
    }

    #[test]
    fn a_verb_is_in_a_set_however_often_it_was_named() {
        assert_eq!(
            Verb::ALL.map(Verb::as_str),
            ["read", "call", "refresh", "admin"]
        );
        let twice = verbs([Verb::Call, Verb::Read, Verb::Call]);
        assert_eq!(format!("{twice:?}"), "{Read, Call}");
        let mut rights = Rights::default();
        for _ in 0..2 {
            rights.allow_on(app("wx1"), twice, &Paths::All);
        }
        assert!(rights.allows(&app("wx1"), Verb::Call));
    }

    #[test]
    fn a_right_on_one_app_says_nothing_of_another() {
        let mut rights = Rights::default();
        rights.allow_on(app("wx1"), verbs([Verb::Read]), &Paths::All);
        assert!(rights.allows(&app("wx1"), Verb::Read));
        assert!(!rights.allows(&app("wx1"), Verb::Admin));
        assert!(rights.knows(&app("wx1")));
        assert!(!rights.allows(&app("wx2"), Verb::Read));
        assert!(!rights.knows(&app("wx2")));
    }

    #[test]
    fn rights_add_up_in_whatever_order_they_are_given() {
        let mut one = Rights::default();
        one.allow_everywhere(verbs([Verb::Read]), &Paths::All);
        one.allow_on(app("wx1"), verbs([Verb::Call]), &Paths::All);
        let mut other = Rights::default();
        other.allow_on(app("wx1"), verbs([Verb::Call]), &Paths::All);
        other.allow_everywhere(verbs([Verb::Read]), &Paths::All);
        assert_eq!(one, other);
        for rights in [one, other] {
            assert!(rights.allows(&app("wx1"), Verb::Read));
            assert!(rights.allows(&app("wx1"), Verb::Call));
            assert!(rights.allows(&app("wx2"), Verb::Read));
            assert!(!rights.allows(&app("wx2"), Verb::Call));
        }
    }

    #[test]
    fn calls_are_open_for_the_paths_of_all_rules_that_give_them() {
        let mut rights = Rights::default();
        // A rule without `call` opens nothing.
        rights.allow_on(app("wx1"), verbs([Verb::Read]), &Paths::All);
        assert!(!rights.opens(&app("wx1"), "/wxa/x"));
        rights.allow_everywhere(verbs([Verb::Call]), &listed(&["/cgi-bin/message/**"]));
        rights.allow_on(app("wx1"), verbs([Verb::Call]), &listed(&["/wxa/x"]));
        assert!(rights.opens(&app("wx1"), "/wxa/x"));
        assert!(rights.opens(&app("wx1"), "/cgi-bin/message/send"));
        assert!(!rights.opens(&app("wx1"), "/wxa/y"));
        assert!(!rights.opens(&app("wx2"), "/wxa/x"));
        rights.allow_on(app("wx1"), verbs([Verb::Call]), &Paths::All);
        assert!(rights.opens(&app("wx1"), "/wxa/y"));
    }

    #[test]
    fn two_callers_together_may_what_either_may() {
        let mut together = Rights::default();
        together.allow_on(app("wx1"), verbs([Verb::Read]), &Paths::default());
        let mut other = Rights::default();
        other.allow_everywhere(verbs([Verb::Admin]), &Paths::default());
        other.allow_on(app("wx1"), verbs([Verb::Call]), &listed(&["/wxa/x"]));
        together.add(&other);
        for verb in [Verb::Read, Verb::Call, Verb::Admin] {
            assert!(together.allows(&app("wx1"), verb), "{verb:?}");
        }
        assert!(together.allows(&app("wx2"), Verb::Admin));
        assert!(together.opens(&app("wx1"), "/wxa/x"));
        assert!(!together.opens(&app("wx1"), "/wxa/y"));
    }

    #[test]
    fn a_path_is_open_somewhere_once_one_app_has_both_the_verb_and_the_path() {
        let mut rights = Rights::default();
        assert!(!rights.opens_somewhere("/wxa/x"));
        rights.allow_everywhere(verbs([Verb::Read]), &Paths::All);
        rights.allow_on(app("wx1"), verbs([Verb::Call]), &listed(&["/wxa/x"]));
        assert!(rights.opens_somewhere("/wxa/x"));
        assert!(!rights.opens_somewhere("/wxa/y"));
        rights.allow_everywhere(verbs([Verb::Call]), &Paths::All);
        assert!(rights.opens_somewhere("/wxa/y"));
    }

    #[test]
    fn whoever_has_no_right_knows_no_app() {
        let rights = Rights::default();
        assert!(!rights.knows(&app("wx1")));
        let none = Verb::ALL
            .into_iter()
            .all(|verb| !rights.allows(&app("wx1"), verb));
        assert!(none);
    }
}
