//! What is read first: how things stand in one sentence, and what follows from it in another.

use maud::{Markup, html};

use super::board::Board;
use super::language::Language;
use super::span::span;
use super::words::{self, apps};
use crate::trouble::Weight;

/// How things stand: the class of its colour, and the words.
pub(super) struct Headline {
    pub(super) class: &'static str,
    pub(super) title: String,
    more: Option<String>,
}

impl Headline {
    /// Of all apps.
    pub(super) fn of(board: &Board, stopping: bool, language: Language) -> Self {
        if stopping {
            return Self::plain("know", words::STOPPING, words::STOPPING_MORE, language);
        }
        if board.apps == 0 {
            return Self::plain("know", words::NO_APPS, words::NO_APPS_MORE, language);
        }
        let all = apps(language, board.apps);
        let left = board
            .findings
            .iter()
            .filter(|finding| finding.weight == Weight::Act)
            .filter_map(|finding| finding.left)
            .min();
        match board.weight() {
            Some(Weight::Refusing) => {
                let (apps, count) = (apps(language, board.refusing), board.refusing.to_string());
                let text = if board.refusing == board.apps {
                    words::REFUSING_ALL
                } else {
                    words::REFUSING
                };
                let title = text.with(
                    language,
                    &[("apps", &apps), ("count", &count), ("all", &all)],
                );
                let more = words::REFUSING_MORE.to(language).to_owned();
                Self {
                    class: "refusing",
                    title,
                    more: Some(more),
                }
            }
            Some(Weight::Act) => Self {
                class: "act",
                title: words::ACT.to(language).to_owned(),
                more: left
                    .map(|left| words::ACT_MORE.with(language, &[("left", &span(language, left))])),
            },
            Some(Weight::Know) if board.starting == board.apps => Self {
                class: "know",
                title: words::STARTING.to(language).to_owned(),
                more: Some(words::STARTING_MORE.with(language, &[("apps", &all)])),
            },
            Some(Weight::Know) => Self {
                class: "know",
                title: words::KNOW.to(language).to_owned(),
                more: None,
            },
            None => Self {
                class: "well",
                title: words::WELL.to(language).to_owned(),
                more: Some(match board.runway {
                    Some(left) => words::WELL_MORE
                        .with(language, &[("apps", &all), ("left", &span(language, left))]),
                    None => words::WELL_PAUSED.with(language, &[("apps", &all)]),
                }),
            },
        }
    }

    /// Of an app that is not there.
    pub(super) fn no_such_app(app: &str, language: Language) -> Self {
        Self {
            class: "know",
            title: words::NO_SUCH_APP.to(language).to_owned(),
            more: Some(words::NO_SUCH_APP_MORE.with(language, &[("app", app)])),
        }
    }

    fn plain(
        class: &'static str,
        title: words::Text,
        more: words::Text,
        language: Language,
    ) -> Self {
        Self {
            class,
            title: title.to(language).to_owned(),
            more: Some(more.to(language).to_owned()),
        }
    }

    /// The icon in the browser's tab, in the headline's colour: seen among twenty tabs.
    pub(super) fn icon(&self) -> String {
        let colour = match self.class {
            "refusing" => "c62828",
            "act" => "b45309",
            "know" => "1d5fa8",
            _ => "1b7a3d",
        };
        format!(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
             %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
        )
    }

    /// Its title is read aloud when it changes.
    pub(super) fn render(&self) -> Markup {
        html! {
            section id="state" class={ "state " (self.class) } data-title=(self.title) data-icon=(self.icon()) {
                // Apart from the time that is left: read aloud each second, it would help nobody.
                div role="status" { h1 { (self.title) } }
                @if let Some(more) = &self.more { p { (more) } }
            }
        }
    }
}
