//! Loading a text, and what comes of it.

use std::path::PathBuf;

use token_broker::config::{Config, ConfigErrors};

/// An app and a caller, enough for every rule to hold.
pub(crate) const SMALL: &str = r#"
[[apps]]
appid = "wx0000000000000001"
secret = "secret-of-one"
[[callers]]
id = "orders"
keys = ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
allow = [{ appids = ["*"], verbs = ["read"] }]
"#;

/// A directory of a test's own, for files that a configuration names.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a written file");
        path
    }
}

/// Loads a text under an environment.
pub(crate) fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let files = Files::new();
    let path = files.write("broker.toml", text);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::load(Some(&path), environment.iter().map(owned))
}

/// Loads a text that is valid.
pub(crate) fn load(text: &str) -> Config {
    load_with(text, &[]).expect("a valid configuration")
}

/// What is wrong, a line each, without the path of the file.
pub(crate) fn errors_with(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match load_with(text, environment) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .to_string()
            .lines()
            .map(|line| match line.split_once("broker.toml:") {
                Some((_, rest)) => rest.trim_start().to_owned(),
                None => line.to_owned(),
            })
            .collect(),
    }
}

/// What is wrong with a text.
pub(crate) fn errors(text: &str) -> Vec<String> {
    errors_with(text, &[])
}
