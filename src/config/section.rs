//! A table being read, key by key. Whatever key is not asked for is unknown, and told.

use std::ops::RangeInclusive;

use config::{Map, Value, ValueKind};

use super::report::Report;
use super::setting::{Bounded, Setting};

/// From which likeness on (0 to 1) an unknown key is taken for a misspelt one.
const LIKENESS: f64 = 0.8;

/// A table of the configuration. Reading a key takes it out, and notes what is wrong with it.
pub(super) struct Section<'a> {
    path: String,
    table: Map<String, Value>,
    known: Vec<&'static str>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// Reads the whole tree.
    pub(super) fn root<T>(
        tree: Map<String, Value>,
        report: &'a Report,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        Self::open(String::new(), tree, report, read)
    }

    fn open<T>(
        path: String,
        table: Map<String, Value>,
        report: &'a Report,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let known = Vec::new();
        let mut section = Self {
            path,
            table,
            known,
            report,
        };
        let value = read(&mut section);
        section.refuse_unknown();
        value
    }

    /// The full name of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// Where errors go.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// Notes what is wrong with a key of this section.
    pub(super) fn refuse(&self, key: &str, message: impl Into<String>) {
        self.report.refuse(&self.path(key), message);
    }

    /// Whether nothing is wrong so far with a key of this section.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        self.report.is_sound(&[&self.path(key)])
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A key that may be absent.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        self.parse(&self.path(key), &value)
    }

    /// A key with a default, which also stands in for a value that was refused.
    pub(super) fn get<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A key that must be there.
    pub(super) fn required<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        if !self.has(key) {
            self.refuse(key, "is missing");
        }
        self.optional(key)
    }

    /// A key with a default and bounds.
    pub(super) fn within<T: Bounded>(
        &mut self,
        key: &'static str,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        match self.optional(key) {
            Some(value) if !bounds.contains(&value) => {
                let (least, most) = (bounds.start().show(), bounds.end().show());
                self.refuse(key, format!("must be between {least} and {most}"));
                default
            }
            Some(value) => value,
            None => default,
        }
    }

    /// The items of a list, each with its path; none where the key is absent.
    pub(super) fn each<T: Setting>(&mut self, key: &'static str) -> Vec<(String, T)> {
        let items = self.items(key, "a list in square brackets");
        let read =
            |(path, value): (String, Value)| Some((path.clone(), self.parse(&path, &value)?));
        items.into_iter().filter_map(read).collect()
    }

    /// A table inside; an absent one is empty.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let table = match self.take(key).map(|value| value.kind) {
            Some(ValueKind::Table(table)) => table,
            Some(_) => {
                self.refuse(key, "must be a table");
                Map::new()
            }
            None => Map::new(),
        };
        Section::open(self.path(key), table, self.report, read)
    }

    /// A list of tables.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'a>) -> Option<T>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (path, value) in self.items(key, "a list of tables") {
            match value.kind {
                ValueKind::Table(table) => {
                    values.extend(Section::open(path, table, self.report, &mut read));
                }
                _ => self.report.refuse(&path, "must be a table"),
            }
        }
        values
    }

    fn items(&mut self, key: &'static str, form: &str) -> Vec<(String, Value)> {
        let path = self.path(key);
        let items = match self.take(key).map(|value| value.kind) {
            Some(ValueKind::Array(items)) => items,
            Some(_) => {
                self.refuse(key, format!("must be {form}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let with_path = |(index, item)| (format!("{path}[{index}]"), item);
        items.into_iter().enumerate().map(with_path).collect()
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.report.ask(self.path(key));
        self.table.remove(key)
    }

    fn parse<T: Setting>(&self, path: &str, value: &Value) -> Option<T> {
        let read = T::read(value);
        if read.is_none() {
            self.report.refuse(path, format!("must be {}", T::FORM));
        }
        read
    }

    fn refuse_unknown(self) {
        for key in self.table.keys() {
            let like = |known: &&&str| strsim::jaro_winkler(key, known);
            let nearest = self.known.iter().max_by(|a, b| like(a).total_cmp(&like(b)));
            let hint = match nearest {
                Some(known) if like(&known) >= LIKENESS => format!("; did you mean {known}?"),
                _ => String::new(),
            };
            let message = format!("is no known key{hint}");
            self.refuse(&key.escape_debug().to_string(), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Document;
    use config::Source as _;

    fn errors<T>(text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> String {
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{error:?}"));
        let tree = document.collect().unwrap_or_default();
        let report = Report::default();
        Section::root(tree, &report, read);
        let errors = report.conclude("", ()).err();
        errors.map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_key_that_is_not_asked_for_is_unknown() {
        let read = |section: &mut Section<'_>| section.get("listen", String::new());
        assert_eq!(errors("listen = 'x'", read), "");
        assert_eq!(
            errors("lisen = 'x'", read),
            "lisen: is no known key; did you mean listen?"
        );
        assert_eq!(errors("colour = 'x'", read), "colour: is no known key");
    }

    #[test]
    fn a_value_of_another_form_is_told_with_the_form() {
        let number = |section: &mut Section<'_>| section.within("n", 3_u32, 1..=9);
        assert_eq!(errors("n = '4'", number), "n: must be a whole number");
        assert_eq!(errors("n = -4", number), "n: must be a whole number");
        assert_eq!(errors("n = 10", number), "n: must be between 1 and 9");
        assert_eq!(errors("n = 9", number), "");
    }

    #[test]
    fn each_item_of_a_list_is_judged_by_itself() {
        let list = |section: &mut Section<'_>| section.each::<String>("l");
        assert_eq!(
            errors("l = ['a', 1, 'b', true]", list),
            "l[1]: must be a text in quotes\nl[3]: must be a text in quotes"
        );
        assert_eq!(
            errors("l = 'a'", list),
            "l: must be a list in square brackets"
        );
    }

    #[test]
    fn tables_are_read_in_their_order_and_others_refused() {
        let tables = |section: &mut Section<'_>| {
            section.tables("t", |t| t.required::<String>("name"));
        };
        assert_eq!(errors("[[t]]\nname = 'a'", tables), "");
        assert_eq!(
            errors("[[t]]\n[[t]]\nname = 'a'", tables),
            "t[0].name: is missing"
        );
        assert_eq!(errors("t = [1]", tables), "t[0]: must be a table");
        assert_eq!(errors("[t]", tables), "t: must be a list of tables");
    }
}
