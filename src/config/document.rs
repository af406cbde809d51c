//! The file: TOML into a tree, and which line each key stands in. Errors of the `toml` crate quote the
//! line they are about, which may hold a secret: only what they say about the grammar is taken over.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use config::{Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

/// A parsed file.
#[derive(Clone)]
pub(super) struct Document {
    tree: Map<String, Value>,
    /// By path, such as `apps[1].secret`; counted from 1.
    lines: HashMap<String, usize>,
}

/// Why a text is no TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: String,
}

struct Reader {
    /// Where each line starts: a file of many apps has too many keys to count from its start for each.
    starts: Vec<usize>,
    lines: HashMap<String, usize>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let table = DeTable::parse(text).map_err(|error| SyntaxError::of(text, &error))?;
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut reader = Reader {
            starts: std::iter::once(0).chain(newlines).collect(),
            lines: HashMap::new(),
        };
        let tree = reader.table("", table.get_ref());
        Ok(Self {
            tree,
            lines: reader.lines,
        })
    }

    /// Takes out what stands under quoted keys of the outermost table, such as `"server.listen"`: they
    /// are no keys of ours, and the `config` crate would take them for paths.
    pub(super) fn take_quoted(&mut self) -> Map<String, Value> {
        let is_word = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let tree = std::mem::take(&mut self.tree);
        let (words, quoted) = tree.into_iter().partition(|(key, _)| is_word(key));
        self.tree = words;
        quoted
    }

    pub(super) fn lines(&self) -> &HashMap<String, usize> {
        &self.lines
    }
}

impl Reader {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut tree = Map::new();
        for (key, value) in table {
            let path = match path {
                "" => key.get_ref().to_string(),
                _ => format!("{path}.{}", key.get_ref()),
            };
            self.note(&path, key.span());
            let value = self.value(&path, value.get_ref());
            tree.insert(key.get_ref().to_string(), value);
        }
        tree
    }

    fn value(&mut self, path: &str, value: &DeValue<'_>) -> Value {
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(ValueKind::Nil, Into::into),
            DeValue::Float(digits) => digits
                .as_str()
                .parse::<f64>()
                .map_or(ValueKind::Nil, Into::into),
            DeValue::Boolean(yes) => ValueKind::Boolean(*yes),
            // No key takes one: every reader refuses nil, as it does an integer that is too large.
            DeValue::Datetime(_) => ValueKind::Nil,
            DeValue::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.note(&path, item.span());
                    values.push(self.value(&path, item.get_ref()));
                }
                ValueKind::Array(values)
            }
            DeValue::Table(table) => ValueKind::Table(self.table(path, table)),
        };
        Value::new(None, kind)
    }

    fn note(&mut self, path: &str, span: Range<usize>) {
        let line = self.starts.partition_point(|start| *start <= span.start);
        self.lines.insert(path.to_owned(), line);
    }
}

impl SyntaxError {
    fn of(text: &str, error: &toml::de::Error) -> Self {
        let (line, column) = position(text, error.span().map_or(text.len(), |span| span.start));
        Self {
            line,
            column,
            reason: error.message().to_owned(),
        }
    }
}

/// Line and column of a byte, both counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
}

impl Source for Document {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.tree.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_item_knows_its_line() {
        let text = "[a]\nx = 1\n\n[[b]]\ny = [\n  1,\n  2,\n]\n[[b]]\ny = [{ z = 1 }]\n";
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{error:?}"));
        for (path, line) in [
            ("a", 1),
            ("a.x", 2),
            ("b[0]", 4),
            ("b[0].y[1]", 7),
            ("b[1]", 9),
            ("b[1].y[0].z", 10),
        ] {
            assert_eq!(document.lines().get(path), Some(&line), "{path}");
        }
    }

    #[test]
    fn what_no_key_takes_becomes_nil() {
        let text = "a = 99999999999999999999\nb = 2020-01-01\nc = 0xff\nd = 1_000\n";
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{error:?}"));
        let kind = |key: &str| document.tree.get(key).map(|value| value.kind.clone());
        assert_eq!(kind("a"), Some(ValueKind::Nil));
        assert_eq!(kind("b"), Some(ValueKind::Nil));
        assert_eq!(kind("c"), Some(ValueKind::I64(255)));
        assert_eq!(kind("d"), Some(ValueKind::I64(1000)));
    }

    #[test]
    fn a_syntax_error_tells_where_and_quotes_nothing() {
        for (text, line, column) in [
            ("[a]\nx = \"canary\n", 2, 12),
            ("[a]\nx = canary\n", 2, 5),
            ("x = 'canary' 'canary'\n", 1, 14),
            ("x = \"\\canary\"\n", 1, 7),
            ("x = 1\nx = 'canary'\n", 2, 1),
            ("x = 'canary'\n[x]\n", 2, 2),
            ("x = 'canary'\nx.y = 2\n", 2, 1),
            ("x = { y = 'canary' \n", 1, 19),
            ("'é' = canary", 1, 7),
        ] {
            let error = Document::parse(text).map(|_| ()).err();
            let error = error.unwrap_or_else(|| panic!("{text:?} parses"));
            assert_eq!(
                (error.line, error.column),
                (line, column),
                "{text:?}: {error:?}"
            );
            assert!(!error.reason.contains("canary"), "{text:?}: {error:?}");
        }
    }
}
