//! What a reader asks the page: which apps, which part of the list, in which language.

use actix_web::http::header::HeaderMap;

use super::language::Language;
use crate::domain::app_id::MAX_LEN;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

const KNOWN: [&str; 5] = ["q", "only", "page", "app", "lang"];

/// The question, as the address has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Part of an appid, in small letters.
    pub(super) part: Option<String>,
    /// Only apps with which something is wrong.
    pub(super) trouble_only: bool,
    /// Which part of the list, from 1 on.
    pub(super) page: usize,
    /// Everything about one app.
    pub(super) app: Option<String>,
    /// In which language.
    pub(super) language: Language,
    /// Whether the address names the language.
    language_chosen: bool,
}

impl Question {
    /// Reads the query.
    pub(super) fn read(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        let parameters = Parameters::of_query(query, &KNOWN)?;
        // A form sends what was left empty, too.
        let filled = |name: &'static str| match parameters.value(name).and_then(|v| v.as_str()) {
            None | Some("") => Ok(None),
            Some(_) => parameters.text(name, MAX_LEN),
        };
        let wrong = |name, form| Problem::bad_parameter(Some(name), form);
        let trouble_only = match filled("only")? {
            None => false,
            Some("trouble") => true,
            Some(_) => return Err(wrong("only", "It must be 'trouble', or left out.")),
        };
        let page = match filled("page")? {
            None => 1,
            Some(number) => match number.parse() {
                Ok(page) if page > 0 => page,
                _ => return Err(wrong("page", "It must be a whole number from 1 on.")),
            },
        };
        let language = filled("lang")?
            .map(|code| {
                Language::parse(code).ok_or_else(|| wrong("lang", "It must be 'en' or 'zh'."))
            })
            .transpose()?;
        Ok(Self {
            part: filled("q")?.map(|part| part.trim().to_ascii_lowercase()),
            trouble_only,
            page,
            app: filled("app")?.map(str::to_owned),
            language_chosen: language.is_some(),
            language: language.unwrap_or_else(|| Language::preferred(headers)),
        })
    }

    /// The same list, another part of it.
    pub(super) fn on_page(&self, page: usize) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    /// The same in another language.
    pub(super) fn in_language(&self, language: Language) -> Self {
        Self {
            language,
            language_chosen: true,
            ..self.clone()
        }
    }

    /// Everything about one app, in the same language.
    pub(super) fn about(&self, app: &str) -> Self {
        Self {
            app: Some(app.to_owned()),
            ..self.everything()
        }
    }

    /// All apps, in the same language.
    pub(super) fn everything(&self) -> Self {
        Self {
            part: None,
            trouble_only: false,
            page: 1,
            app: None,
            ..self.clone()
        }
    }

    /// All apps with which something is wrong.
    pub(super) fn troubled(&self) -> Self {
        Self {
            trouble_only: true,
            ..self.everything()
        }
    }

    /// The address of the answer, relative to the page.
    pub(super) fn link(&self) -> String {
        match self.query() {
            query if query.is_empty() => String::from("./"),
            query => format!("./?{query}"),
        }
    }

    /// The address of the stream of answers. It names the language whatever the page was asked by.
    pub(super) fn live_link(&self) -> String {
        format!("live?{}", self.in_language(self.language).query())
    }

    /// Which language links to other pages have to name.
    pub(super) fn chosen_language(&self) -> Option<Language> {
        self.language_chosen.then_some(self.language)
    }

    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(app) = &self.app {
            query.append_pair("app", app);
        }
        if let Some(part) = &self.part {
            query.append_pair("q", part);
        }
        if self.trouble_only {
            query.append_pair("only", "trouble");
        }
        if self.page > 1 {
            query.append_pair("page", &self.page.to_string());
        }
        if self.language_chosen {
            query.append_pair("lang", self.language.code());
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Question, String> {
        Question::read(Some(query), &HeaderMap::new())
            .map_err(|problem| String::from_utf8_lossy(&problem.document()).into_owned())
    }

    #[test]
    fn a_link_asks_what_was_asked() -> Result<(), String> {
        for query in ["", "q=wx1&only=trouble&page=3&lang=zh", "app=wx-1&lang=en"] {
            let question = read(query)?;
            let again = question.link();
            let again = again.strip_prefix("./").unwrap_or_default();
            assert_eq!(read(again.trim_start_matches('?'))?, question, "{query}");
        }
        assert_eq!(read("q=&only=")?, read("")?, "an empty form asks for all");
        Ok(())
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (query, name) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=two", "page"),
            ("only=all", "only"),
            ("lang=fr", "lang"),
            ("colour=red", "colour"),
            ("q=a&q=b", "q"),
        ] {
            let refused = read(query).err().unwrap_or_default();
            assert!(refused.contains(&format!("'{name}'")), "{query}: {refused}");
        }
        assert!(read(&format!("q={}", "a".repeat(65))).is_err());
    }
}
