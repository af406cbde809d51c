//! What stands around everything: head, language switch, and the links at the end.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::{SCRIPT, STYLE};
use super::board::Board;
use super::headline::Headline;
use super::language::Language;
use super::question::Question;
use super::replica::Replica;
use super::runbooks::{Book, Runbooks};
use super::span::{clock, instant};
use super::{detail, findings, list, words};

/// How often the page is asked for anew where there is no script, in seconds.
const RELOAD_EVERY: u32 = 30;

/// Everything that a page shows.
pub(super) struct Sight<'a> {
    pub(super) board: &'a Board,
    pub(super) question: &'a Question,
    pub(super) replica: &'a Replica<'a>,
    pub(super) runbooks: &'a Runbooks,
    pub(super) stopping: bool,
}

impl Sight<'_> {
    /// Whether an app was asked for that is not there.
    pub(super) fn lacks_its_app(&self) -> bool {
        let app = self.question.app.as_deref();
        app.is_some_and(|app| self.board.of_app(app).next().is_none())
    }

    fn headline(&self) -> Headline {
        match &self.question.app {
            Some(app) if self.lacks_its_app() => Headline::no_such_app(app, self.question.language),
            _ => Headline::of(self.board, self.stopping, self.question.language),
        }
    }

    /// The parts that change while one looks, each with an id: what the stream brings.
    pub(super) fn parts(&self) -> Markup {
        html! {
            (self.headline().render())
            (self.replica.render(self.board, self.question.language))
            @match &self.question.app {
                Some(app) => (detail::app(self.board, app, self.question, self.runbooks)),
                None => {
                    (findings::all(self.board, self.question, self.runbooks))
                    (list::part(self.board, self.question))
                }
            }
        }
    }

    /// The whole page.
    pub(super) fn page(&self) -> Markup {
        let language = self.question.language;
        let headline = self.headline();
        let body = html! {
            a class="skip" href="#apps" { (words::SKIP.to(language)) }
            (header(language, |other| self.question.in_language(other).link()))
            main {
                (headline.render())
                (self.replica.render(self.board, language))
                @match &self.question.app {
                    Some(app) => {
                        div id="apps" tabindex="-1" {
                            (detail::app(self.board, app, self.question, self.runbooks))
                        }
                    }
                    None => {
                        (findings::all(self.board, self.question, self.runbooks))
                        section id="apps" tabindex="-1" aria-labelledby="apps-title" {
                            div class="bar-of-tools" {
                                h2 id="apps-title" { (words::APPS.to(language)) }
                                @if self.board.apps > 0 { (list::search(self.question)) }
                            }
                            (list::part(self.board, self.question))
                        }
                    }
                }
            }
            footer {
                p id="freshness" data-live=(self.question.live_link()) data-old=(words::NOT_LIVE.to(language))
                    data-good=(words::LIVE.to(language)) data-as-of=(words::AS_OF.to(language)) {
                    span class="light" { }
                    time datetime=(instant(self.board.at.wall)) {
                        (words::AS_OF.with(language, &[("time", &clock(self.board.at.wall))]))
                    }
                    noscript { " " a href=(self.question.link()) { (words::RELOAD.to(language)) } }
                }
                nav aria-label=(words::MORE.to(language)) {
                    a href="metrics" { (words::METRICS.to(language)) }
                    a href="readyz" { (words::READINESS.to(language)) }
                    a href=(self.runbooks.link("README", language)) { (words::RUNBOOKS.to(language)) }
                }
            }
            script { (PreEscaped(SCRIPT)) }
        };
        let head = html! {
            link rel="icon" href=(headline.icon());
            noscript { meta http-equiv="refresh" content=(RELOAD_EVERY); }
        };
        document(language, &headline.title, &head, &body)
    }
}

/// A runbook as a page.
pub(super) fn runbook(book: &Book) -> Markup {
    let language = book.language;
    let other = |other: Language| match other {
        Language::English => format!("{}.md", book.title),
        Language::Chinese => format!("{}.zh-CN.md", book.title),
    };
    let body = html! {
        (header(language, other))
        main { article class="runbook" { (book.text) } }
        footer {
            p { a href={ "../?lang=" (language.code()) } { "← token-broker" } }
        }
    };
    let icon = html! { link rel="icon" href="data:,"; };
    document(language, book.title, &icon, &body)
}

fn header(language: Language, link: impl Fn(Language) -> String) -> Markup {
    html! {
        header {
            p class="brand" { "token-broker" }
            nav aria-label=(words::LANGUAGE.to(language)) {
                @for other in Language::ALL {
                    a href=(link(other)) lang=(other.tag()) hreflang=(other.tag())
                        aria-current=[(other == language).then_some("true")] { (other.name()) }
                }
            }
        }
    }
}

fn document(language: Language, title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · token-broker" }
                (head)
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}
