//! From a file and an environment to a [`Config`], or to everything that is wrong.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use config::{Map, Value};

use super::callers::Seen;
use super::document::Document;
use super::report::Report;
use super::section::Section;
use super::{
    AppConfig, CallerConfig, Config, ConfigErrors, Files, GatewayConfig, LogConfig, MetricsConfig,
    RefreshConfig, ServerConfig, StoreConfig, TracesConfig, UpstreamConfig, environment,
    inequalities,
};

/// The commented file with every key and its default.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

impl Config {
    /// Reads and checks the configuration: the file at `path`, where there is one, overlaid by those
    /// variables of `environment` that begin with `TOKEN_BROKER__`. Also reads the files that hold
    /// secrets; touches nothing else.
    ///
    /// # Errors
    /// Everything that is wrong, all at once; a file that is no TOML is told alone.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::load_from_files(path, environment).0
    }

    /// The same, and which files were read for it, whatever came of it.
    pub fn load_from_files(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> (Result<Self, ConfigErrors>, Files) {
        let mut files = Files::default();
        let (report, tree) = match merged(path, environment, &mut files) {
            Ok(merged) => merged,
            Err(errors) => return (Err(errors), files),
        };
        let config = Section::root(tree, &report, Self::read);
        inequalities::check(&config, &report);
        let files = report.files();
        (report.conclude("", config), files)
    }

    fn read(root: &mut Section<'_>) -> Self {
        let mut appids = HashMap::new();
        let mut seen = Seen::default();
        Self {
            server: root.table("server", ServerConfig::read),
            store: root.table("store", StoreConfig::read),
            upstream: root.table("upstream", UpstreamConfig::read),
            refresh: root.table("refresh", RefreshConfig::read),
            gateway: root.table("gateway", GatewayConfig::read),
            log: root.table("log", LogConfig::read),
            metrics: root.table("metrics", MetricsConfig::read),
            traces: root.table("traces", TracesConfig::read),
            apps: root.tables("apps", |app| AppConfig::read(app, &mut appids)),
            callers: {
                let known: HashSet<_> = appids.keys().cloned().collect();
                root.tables("callers", |caller| {
                    CallerConfig::read(caller, &known, &mut seen)
                })
            },
        }
    }
}

impl ServerConfig {
    /// Reads `[server]` alone, whatever is wrong elsewhere: a probe must find a running broker also after
    /// its file was changed for a worse one, which the broker itself refused.
    ///
    /// # Errors
    /// What is wrong with `[server]`, or with the file as a whole.
    pub fn peek(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let (report, tree) = merged(path, environment, &mut Files::default())?;
        let server = Section::root(tree, &report, |root| root.table("server", Self::read));
        report.conclude("server", server)
    }
}

/// The file overlaid by the environment, and the report that knows what came from where.
fn merged(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    files: &mut Files,
) -> Result<(Report, Map<String, Value>), ConfigErrors> {
    let text = path.map_or(Ok(String::new()), |path| {
        let refuse = |error: std::io::Error| {
            ConfigErrors::of_file(path, None, format!("cannot be read: {}", error.kind()))
        };
        files.read(path).map_err(refuse)
    })?;
    let document = Document::parse(&text).map_err(|error| {
        let message = format!("column {}: is no TOML: {}", error.column, error.reason);
        let path = path.unwrap_or(Path::new(""));
        ConfigErrors::of_file(path, Some(error.line), message)
    })?;
    let mut report = Report::new(path, document.lines().clone()).with_files(files.clone());
    let tree = environment::overlay(document, environment, &mut report);
    Ok((report, tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigErrors> {
        let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(file.path(), text).unwrap_or_else(|error| panic!("{error}"));
        Config::load(Some(file.path()), std::iter::empty())
    }

    /// The default file with its examples switched on.
    fn with_examples() -> String {
        let lines = DEFAULT_FILE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(example) if !example.starts_with([' ', '#']) => example,
                // An alternative to a key above it, and the url of the other kind of store.
                _ => line,
            });
        let text = lines.collect::<Vec<_>>().join("\n");
        text.replace("kind = \"embedded\"", "kind = \"redis\"")
    }

    /// The keys a text writes, commented or not, with the section they stand in.
    fn written_keys() -> Vec<String> {
        let mut section = String::new();
        let mut keys = Vec::new();
        for line in DEFAULT_FILE.lines() {
            let line = line.trim_start_matches('#');
            if line.starts_with('[') {
                section = line.replace(['[', ']'], "");
            } else if let Some((key, _)) = line.split_once(" = ")
                && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            {
                keys.push(format!("{section}.{key}"));
            }
        }
        keys.sort();
        keys
    }

    #[test]
    fn the_default_file_writes_each_key_exactly_once() {
        let report = Report::default();
        let examples = Document::parse(&with_examples()).unwrap_or_else(|e| panic!("{e:?}"));
        let tree = config::Source::collect(&examples).unwrap_or_default();
        Section::root(tree, &report, Config::read);
        // Keys that hold tables are written as headers, or as inline tables.
        let inner = ["callers[0].allow[0].appids", "callers[0].allow[0].verbs"];
        let asked = report.asked();
        let asked = asked.iter().filter(|key| key.contains('.'));
        let asked = asked.filter(|key| !inner.contains(&key.as_str()));
        let asked: Vec<_> = asked.map(|key| key.replace("[0]", "")).collect();
        assert_eq!(written_keys(), asked);
    }

    #[test]
    fn the_default_file_says_what_holds_without_it() {
        let written = load(DEFAULT_FILE).unwrap_or_else(|errors| panic!("{errors}"));
        let silent = load("").unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(written, silent);
        assert!(written.apps.is_empty() && written.callers.is_empty());
    }

    #[test]
    fn the_examples_in_the_default_file_are_valid_and_say_their_defaults() {
        let config = load(&with_examples()).unwrap_or_else(|errors| panic!("{errors}"));
        let short = "[[apps]]\nappid = 'wx0000000000000001'\n\
                     secret = '00000000000000000000000000000000'\n";
        let short = load(short).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.apps, short.apps);
        assert_eq!(config.callers.len(), 1);
        assert_eq!(config.refresh, short.refresh);
    }
}
