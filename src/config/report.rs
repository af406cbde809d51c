//! What is wrong with a configuration: collected while it is read, told all at once.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::files::Files;

/// One thing that is wrong. It names the key, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, such as `apps[1].secret`; empty where the whole file is meant.
    pub key: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// What is wrong with it.
    pub message: String,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The file, in this line, where it is known.
    File(PathBuf, Option<usize>),
    /// This variable of the environment.
    Variable(String),
    /// Neither: a default.
    Default,
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

/// Collects what is wrong, and knows where each key comes from.
#[derive(Debug, Default)]
pub(super) struct Report {
    file: Option<PathBuf>,
    lines: HashMap<String, usize>,
    variables: HashMap<String, String>,
    errors: RefCell<Vec<ConfigError>>,
    asked: RefCell<BTreeSet<String>>,
    files: RefCell<Files>,
}

impl ConfigErrors {
    /// Each error.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// The one thing wrong with `file` as a whole, or at one of its lines.
    pub(super) fn of_file(file: &Path, line: Option<usize>, message: String) -> Self {
        Self(vec![ConfigError {
            key: String::new(),
            origin: Origin::File(file.to_owned(), line),
            message,
        }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(path, Some(line)) => write!(f, "{}:{line}: ", path.display())?,
            Origin::File(path, None) => write!(f, "{}: ", path.display())?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::Default => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl Report {
    pub(super) fn new(file: Option<&Path>, lines: HashMap<String, usize>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            lines,
            ..Self::default()
        }
    }

    /// Goes on from these files, which were read already.
    pub(super) fn with_files(self, files: Files) -> Self {
        Self {
            files: RefCell::new(files),
            ..self
        }
    }

    /// Reads a file that a key or a variable names.
    pub(super) fn read_file(&self, path: &Path) -> io::Result<String> {
        self.files.borrow_mut().read(path)
    }

    /// All files that were read.
    pub(super) fn files(&self) -> Files {
        self.files.borrow().clone()
    }

    /// From here on, `key` comes from the environment.
    pub(super) fn comes_from(&mut self, key: String, variable: String) {
        self.variables.insert(key, variable);
    }

    /// Notes what is wrong with a key.
    pub(super) fn refuse(&self, key: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push(ConfigError {
            key: key.to_owned(),
            origin: self.origin(key),
            message: message.into(),
        });
    }

    /// Notes what is wrong with a variable that belongs to no key.
    pub(super) fn refuse_variable(&self, variable: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push(ConfigError {
            key: String::new(),
            origin: Origin::Variable(variable.to_owned()),
            message: message.into(),
        });
    }

    /// Whether nothing is wrong so far with these keys, nor with anything inside them. A rule over
    /// several keys is judged only then: a default in place of an unreadable value would mislead.
    pub(super) fn is_sound(&self, keys: &[&str]) -> bool {
        let errors = self.errors.borrow();
        !errors
            .iter()
            .any(|error| keys.iter().any(|key| contains(key, &error.key)))
    }

    /// Notes that there is such a key.
    pub(super) fn ask(&self, key: String) {
        self.asked.borrow_mut().insert(key);
    }

    /// All keys that were asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// What was read, unless anything is wrong with `key` (empty: with anything).
    pub(super) fn conclude<T>(self, key: &str, read: T) -> Result<T, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        errors.retain(|error| key.is_empty() || contains(key, &error.key));
        if errors.is_empty() {
            return Ok(read);
        }
        errors.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
        errors.dedup();
        Err(ConfigErrors(errors))
    }

    fn origin(&self, key: &str) -> Origin {
        // An item of a list comes from where the list does.
        let list = key.strip_suffix(']').and_then(|key| key.rsplit_once('['));
        let of_list = || self.variables.get(list?.0);
        if let Some(variable) = self.variables.get(key).or_else(of_list) {
            return Origin::Variable(variable.clone());
        }
        let Some(file) = &self.file else {
            return Origin::Default;
        };
        // A key that is missing is looked for where it should stand.
        let mut path = key;
        let line = loop {
            if let Some(line) = self.lines.get(path) {
                break Some(*line);
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => break None,
            }
        };
        Origin::File(file.clone(), line)
    }
}

/// Whether `key` is `outer` or lies inside it.
fn contains(outer: &str, key: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let lines = [("apps[1]", 7), ("server.listen", 2)];
        let lines = lines.map(|(key, line)| (key.to_owned(), line)).into();
        Report::new(Some(Path::new("b.toml")), lines)
    }

    #[test]
    fn errors_are_told_in_the_order_of_the_file_and_variables_last() {
        let mut report = report();
        report.comes_from("log.level".to_owned(), "VAR".to_owned());
        report.refuse("log.level", "is wrong");
        report.refuse("apps[1].secret", "is missing");
        report.refuse("server.listen", "is wrong");
        report.refuse("apps", "is absent");
        let errors = report
            .conclude("", ())
            .err()
            .map(|errors| errors.to_string());
        let expected = "b.toml: apps: is absent\nb.toml:2: server.listen: is wrong\n\
                        b.toml:7: apps[1].secret: is missing\nVAR: log.level: is wrong";
        assert_eq!(errors.as_deref(), Some(expected));
    }

    #[test]
    fn a_key_is_sound_while_nothing_inside_it_is_wrong() {
        let report = report();
        report.refuse("apps[1].secret", "is missing");
        assert!(!report.is_sound(&["apps"]));
        assert!(!report.is_sound(&["server", "apps[1]"]));
        assert!(report.is_sound(&["server", "apps[0]", "app", "apps[1].sec"]));
    }
}
