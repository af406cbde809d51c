//! The environment: `TOKEN_BROKER__SECTION__KEY` for scalars, and the secrets, each also as `…_FILE`.
//!
//! The `config` crate overlays the scalars. It cannot overlay an item of a list without replacing the
//! list, so an app's secret is matched by appid and put in place here. A variable that means nothing is
//! an error: a misspelt name would otherwise leave a default standing in silence.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use config::{Config, Map, Value, ValueKind};

use super::document::Document;
use super::report::Report;

const PREFIX: &str = "TOKEN_BROKER__";
const SCALAR_SECTIONS: [&str; 7] = [
    "server", "store", "upstream", "refresh", "gateway", "log", "metrics",
];
const URL: &str = "store.url";
const ENCRYPTION_KEYS: &str = "store.encryption_keys";
const PROXY: &str = "upstream.proxy";
const FALLBACK_URLS: &str = "upstream.fallback_urls";

/// The keys of which a file may be named that holds the value.
const SECRETS: [&str; 3] = [URL, ENCRYPTION_KEYS, PROXY];

/// The lists that a variable may hold, its items parted by commas or blanks.
const LISTS: [&str; 2] = [ENCRYPTION_KEYS, FALLBACK_URLS];

/// The variables of the broker, by what they are for.
#[derive(Default)]
struct Variables {
    /// By path, such as `refresh.lease`: the name and the value.
    scalars: BTreeMap<String, (String, String)>,
    /// By the appid as the variable spells it.
    app_secrets: BTreeMap<String, (String, String)>,
}

/// The file overlaid by the environment.
pub(super) fn overlay(
    document: Document,
    environment: impl Iterator<Item = (String, String)>,
    report: &mut Report,
) -> Map<String, Value> {
    let variables = Variables::sort(environment, report);
    let mut tree = variables.overlay_scalars(document, report);
    put_secrets(&mut tree, variables.app_secrets, report);
    tree
}

impl Variables {
    fn sort(environment: impl Iterator<Item = (String, String)>, report: &Report) -> Self {
        let mut variables = Self::default();
        let ours = environment.filter(|(name, _)| name.starts_with(PREFIX));
        // In order, so that errors are the same each time.
        for (name, value) in ours.collect::<BTreeMap<_, _>>() {
            // What `to_string_lossy` leaves of bytes that are no UTF-8.
            if value.contains(char::REPLACEMENT_CHARACTER) {
                report.refuse_variable(&name, "is no valid UTF-8");
                continue;
            }
            variables.put(name, value, report);
        }
        variables
    }

    fn put(&mut self, name: String, value: String, report: &Report) {
        let rest = &name[PREFIX.len()..];
        let (place, key) = if let Some(app) = rest.strip_prefix("APPS__") {
            let secret = app
                .strip_suffix("__SECRET")
                .or_else(|| app.strip_suffix("__SECRET_FILE"));
            match secret {
                Some(appid) => (&mut self.app_secrets, appid.to_owned()),
                None => return refuse_unknown(&name, report),
            }
        } else {
            match scalar_path(rest) {
                Some(path) => (&mut self.scalars, path),
                None => return refuse_unknown(&name, report),
            }
        };
        let is_file = name.ends_with("__SECRET_FILE")
            || SECRETS.contains(&key.as_str()) && name.to_ascii_uppercase().ends_with("_FILE");
        let value = if is_file {
            match read_secret_file(Path::new(&value), report) {
                Ok(value) => value,
                Err(reason) => {
                    report.refuse_variable(&name, format!("names a file that {reason}"));
                    // Empty, so that both set is still noticed.
                    String::new()
                }
            }
        } else {
            value
        };
        if let Some((other, _)) = place.insert(key, (name.clone(), value)) {
            report.refuse_variable(
                &name,
                format!("is set beside {other}; only one of both may be"),
            );
        }
    }

    fn overlay_scalars(&self, mut document: Document, report: &mut Report) -> Map<String, Value> {
        let mut source = Map::new();
        let mut lists = Vec::new();
        for (path, (name, value)) in &self.scalars {
            report.comes_from(path.clone(), name.clone());
            if LISTS.contains(&path.as_str()) {
                let keys = value.split([',', '\n', ' ']).filter(|key| !key.is_empty());
                lists.push((path, keys.map(str::to_owned).collect::<Vec<_>>()));
            } else {
                let name = format!("{PREFIX}{}", path.replace('.', "__"));
                source.insert(name, value.clone());
            }
        }
        let environment = config::Environment::with_prefix("TOKEN_BROKER")
            .separator("__")
            .source(Some(source));
        let unknown = document.take_quoted();
        let mut builder = Config::builder()
            .add_source(document)
            .add_source(environment);
        for (path, keys) in lists {
            match builder.set_override(path, keys) {
                Ok(set) => builder = set,
                Err(_) => return refuse_overlay(report),
            }
        }
        match builder.build().map(|merged| merged.cache.kind) {
            Ok(ValueKind::Table(mut tree)) => {
                tree.extend(unknown);
                tree
            }
            _ => refuse_overlay(report),
        }
    }
}

/// Both sources are tables and every path has one form, so this is not reached; were it, a configuration
/// without its overlay must not be used.
fn refuse_overlay(report: &Report) -> Map<String, Value> {
    report.refuse_variable(PREFIX, "the environment cannot be laid over the file");
    Map::new()
}

/// `SECTION__KEY` as `section.key`, where it can be one. A secret's file stands for the secret.
fn scalar_path(rest: &str) -> Option<String> {
    let rest = rest.to_ascii_lowercase();
    let (section, key) = rest.split_once("__")?;
    let is_word = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if !SCALAR_SECTIONS.contains(&section) || key.is_empty() || !is_word || key.contains("__") {
        return None;
    }
    let path = format!("{section}.{key}");
    match path.strip_suffix("_file") {
        Some(secret) if SECRETS.contains(&secret) => Some(secret.to_owned()),
        _ => Some(path),
    }
}

/// Puts the apps' secrets in their places, in whatever way the file gives them.
fn put_secrets(
    tree: &mut Map<String, Value>,
    secrets: BTreeMap<String, (String, String)>,
    report: &mut Report,
) {
    let mut none = Vec::new();
    let apps = match tree.get_mut("apps").map(|apps| &mut apps.kind) {
        Some(ValueKind::Array(apps)) => apps,
        _ => &mut none,
    };
    let places = Places::of(apps);
    for (appid, (name, secret)) in secrets {
        let index = match places.find(&appid) {
            [] => {
                refuse_unknown(&name, report);
                continue;
            }
            [index] => *index,
            _ => {
                let message = "means several apps; spell the appid exactly as the file does";
                report.refuse_variable(&name, message);
                continue;
            }
        };
        if let Some(ValueKind::Table(app)) = apps.get_mut(index).map(|app| &mut app.kind) {
            app.remove("secret_file");
            app.insert("secret".to_owned(), Value::new(Some(&name), secret));
            report.comes_from(format!("apps[{index}].secret"), name);
        }
    }
}

/// Which apps of the list an appid means.
#[derive(Default)]
struct Places {
    exact: HashMap<String, Vec<usize>>,
    alike: HashMap<String, Vec<usize>>,
}

impl Places {
    fn of(apps: &[Value]) -> Self {
        let mut places = Self::default();
        for (index, app) in apps.iter().enumerate() {
            if let ValueKind::Table(app) = &app.kind
                && let Some(ValueKind::String(appid)) = app.get("appid").map(|appid| &appid.kind)
            {
                places
                    .exact
                    .entry(appid.clone())
                    .or_insert_with(|| vec![index]);
                places
                    .alike
                    .entry(as_variable(appid))
                    .or_default()
                    .push(index);
            }
        }
        places
    }

    fn find(&self, appid: &str) -> &[usize] {
        let exact = self.exact.get(appid);
        let found = exact.or_else(|| self.alike.get(&as_variable(appid)));
        found.map_or(&[], Vec::as_slice)
    }
}

/// An appid as the name of a variable can have it: in upper case, and with no `-`.
fn as_variable(appid: &str) -> String {
    appid.to_ascii_uppercase().replace('-', "_")
}

fn refuse_unknown(name: &str, report: &Report) {
    report.refuse_variable(name, "means nothing: no key and no app has this name");
}

/// Reads a secret from a file: without the newline at its end. The error says why not.
pub(super) fn read_secret_file(path: &Path, report: &Report) -> Result<String, String> {
    let mut text = report.read_file(path).map_err(|error| {
        // The kind only: nothing of the content, nor of the path.
        format!("cannot be read: {}", error.kind())
    })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
