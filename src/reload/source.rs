//! Where the configuration comes from: a file, the variables that overlay it, and the files with secrets that
//! either names.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{Config, ConfigErrors, Files};

/// Where the configuration comes from, and who may ask to have it read again. Clones share the latter.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    environment: Vec<(String, String)>,
    asked: Arc<Notify>,
    /// As they were when they were read last.
    files: Files,
}

impl Source {
    /// Reads the configuration for the first time.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        path: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Result<(Self, Config), ConfigErrors> {
        let mut source = Self {
            path,
            environment,
            asked: Arc::default(),
            files: Files::default(),
        };
        let config = source.read_again()?;
        Ok((source, config))
    }

    /// Has it read again now, as SIGHUP does.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Resolves when somebody has asked.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Reads it again, from then on as it is now.
    pub(super) fn read_again(&mut self) -> Result<Config, ConfigErrors> {
        let environment = self.environment.iter().cloned();
        let (config, files) = Config::load_from_files(Some(&self.path), environment);
        self.files = files;
        config
    }

    /// How many files were read.
    pub(super) fn files(&self) -> u32 {
        self.files.count()
    }

    /// The files as they are now, where that is not how they were read last.
    pub(super) fn changed(&self) -> Option<Files> {
        let now = self.files.as_they_are_now();
        (now != self.files).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A source whose file names a second one, which holds a secret.
    fn source(directory: &std::path::Path) -> (Source, Config) {
        let (file, secret) = (directory.join("broker.toml"), directory.join("secret"));
        fs::write(&secret, "first\n").unwrap_or_else(|error| panic!("{error}"));
        let text = format!("[[apps]]\nappid = \"wx1\"\nsecret_file = {secret:?}\n");
        fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
        Source::read(file, Vec::new()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn a_change_of_any_file_that_was_read_is_noticed_by_its_content() {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let (mut source, config) = source(directory.path());
        assert_eq!(config.apps[0].secret.expose(), "first");
        assert_eq!(source.changed(), None);
        // The same again: touched, not changed.
        let secret = directory.path().join("secret");
        fs::write(&secret, "first\n").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(source.changed(), None);
        fs::write(&secret, "second\n").unwrap_or_else(|error| panic!("{error}"));
        assert!(source.changed().is_some());
        let config = source.read_again();
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.apps[0].secret.expose(), "second");
        assert_eq!(source.changed(), None);
    }

    #[test]
    fn a_file_that_was_refused_is_looked_at_until_it_is_another() {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let (mut source, _) = source(directory.path());
        let secret = directory.path().join("secret");
        fs::remove_file(&secret).unwrap_or_else(|error| panic!("{error}"));
        assert!(source.changed().is_some());
        assert!(source.read_again().is_err());
        assert_eq!(source.changed(), None, "it is not refused again and again");
        fs::write(&secret, "first\n").unwrap_or_else(|error| panic!("{error}"));
        assert!(source.changed().is_some());
        assert!(source.read_again().is_ok());
    }
}
