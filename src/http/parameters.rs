//! A request's parameters, of its query or of its body, read strictly: each known, each once, each a text of
//! the right form. Whatever is wrong is told with the parameter's name and never with its value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::Problem;

/// The parameters. Not `Debug`: they may hold codes and tokens.
pub(super) struct Parameters(Vec<(String, Value)>);

/// The most characters that a text may have where nothing else is said: WeChat asks to leave room for 512.
pub(super) const TEXT_MOST: usize = 2048;

impl Parameters {
    /// Reads a query; parameters that are not `known` are refused.
    pub(super) fn of_query(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        Self::of_any_query(query)?.only(known)
    }

    /// Reads a query with whatever parameters.
    pub(super) fn of_any_query(query: Option<&str>) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| {
                Problem::bad_parameter(None, "A parameter's name is not UTF-8 in percent encoding.")
            })?;
            let Some(value) = decode(value) else {
                let why = "Its value is not UTF-8 in percent encoding.";
                return Err(Problem::bad_parameter(Some(&name), why));
            };
            pairs.push((name, Value::String(value)));
        }
        Self(pairs).each_once()
    }

    /// Whether only these are there.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            None => Ok(self),
            Some((name, _)) => {
                let why = "It is not one of this call's parameters.";
                Err(Problem::bad_parameter(Some(name), why))
            }
        }
    }

    /// Whether none is there twice.
    pub(super) fn each_once(self) -> Result<Self, Problem> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some(pair) = twice {
            let why = "It is there twice, and only one of the two can be meant.";
            return Err(Problem::bad_parameter(Some(pair[0]), why));
        }
        Ok(self)
    }

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// All that are texts, in their order.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// A parameter as it came; `null` is as good as none.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A text that need not be there.
    pub(super) fn text(&self, name: &'static str, most: usize) -> Result<Option<&str>, Problem> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let wrong = |why| Err(Problem::bad_parameter(Some(name), why));
        match value.as_str() {
            None => wrong("It must be a text."),
            Some("") => wrong("It is empty."),
            Some(text) if text.chars().nth(most).is_some() => wrong("It is too long."),
            Some(text) if text.chars().any(char::is_control) => {
                wrong("It holds a control character.")
            }
            Some(text) => Ok(Some(text)),
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &'static str, most: usize) -> Result<&str, Problem> {
        self.text(name, most)?
            .ok_or_else(|| Problem::bad_parameter(Some(name), "It is missing."))
    }

    /// A text that stands for something; `form` says what it may be.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        form: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name, TEXT_MOST)? else {
            return Ok(None);
        };
        let parsed = parse(text).ok_or_else(|| Problem::bad_parameter(Some(name), form))?;
        Ok(Some(parsed))
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Parameters(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Percent-decodes; `None` for a `%` without two digits and for what is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_read_strictly() {
        assert_eq!(decode("a%20b+c%E5%BE%AE").as_deref(), Some("a b c微"));
        for wrong in ["%", "%4", "%zz", "%ff", "%E5%BE", "%+1"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
