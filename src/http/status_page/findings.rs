//! What is wrong, a card each: what, for whom, how long there is, and what to do.

use maud::{Markup, html};

use super::board::{Board, Finding, Row};
use super::language::Language;
use super::question::Question;
use super::runbooks::Runbooks;
use super::sentences::{advice, sentence, title};
use super::span::span;
use super::words::{self, apps};
use crate::domain::credential::Kind;
use crate::domain::time::Timestamp;
use crate::trouble::{Trouble, Weight};

/// How many apps a card names before it counts the rest.
const NAMED: usize = 6;

/// The class of a weight's colour.
pub(super) const fn class(weight: Weight) -> &'static str {
    match weight {
        Weight::Refusing => "refusing",
        Weight::Act => "act",
        Weight::Know => "know",
    }
}

/// All cards, or nothing at all.
pub(super) fn all(board: &Board, question: &Question, runbooks: &Runbooks) -> Markup {
    let language = question.language;
    html! {
        div id="troubles" {
            @if !board.findings.is_empty() {
                h2 { (words::WRONG.to(language)) }
            }
            @for finding in &board.findings {
                (card(board, finding, question, runbooks))
            }
        }
    }
}

/// What is wrong with one credential.
pub(super) fn of_row(row: &Row, question: &Question, runbooks: &Runbooks) -> Markup {
    html! {
        @for trouble in &row.troubles {
            @let weight = trouble.weight(&row.overview);
            article class={ "card " (class(weight)) } {
                (heading(*trouble, weight, question.language))
                (evidence(*trouble, row, question.language))
                (deed(*trouble, question, runbooks))
            }
        }
    }
}

fn card(board: &Board, finding: &Finding, question: &Question, runbooks: &Runbooks) -> Markup {
    let language = question.language;
    let rows = || finding.rows.iter().map(|index| &board.rows[*index]);
    html! {
        article class={ "card " (class(finding.weight)) } {
            (heading(finding.trouble, finding.weight, language))
            p class="whose" {
                @if finding.rows.is_empty() { (words::ALL_APPS.to(language)) }
                @for row in rows().take(NAMED) {
                    a class="app" href=(question.about(row.credential.app.as_str()).link()) { (name(row)) }
                    " "
                }
                @if finding.rows.len() > NAMED {
                    @let count = (finding.rows.len() - NAMED).to_string();
                    a href=(question.troubled().link()) { (words::AND_MORE.with(language, &[("count", &count)])) }
                }
            }
            @let effect = effect(finding, language);
            @if !effect.is_empty() { p { (effect) } }
            @if let Some(row) = rows().next() {
                (evidence(finding.trouble, row, language))
            }
            (deed(finding.trouble, question, runbooks))
        }
    }
}

/// An app's name; with the kind, where it is not the access token.
pub(super) fn name(row: &Row) -> Markup {
    html! {
        (row.credential.app.as_str())
        @if row.credential.kind != Kind::AccessToken { " " small { (row.credential.kind.as_str()) } }
    }
}

fn heading(trouble: Trouble, weight: Weight, language: Language) -> Markup {
    let tag = match weight {
        Weight::Refusing => words::REFUSED_NOW,
        Weight::Act => words::NEEDS_A_PERSON,
        Weight::Know => words::TO_KNOW,
    };
    html! {
        h3 {
            (sentence(title(trouble), language))
            " "
            span class="tag" { (tag.to(language)) }
        }
    }
}

/// Who suffers, and from when.
fn effect(finding: &Finding, language: Language) -> String {
    let left = finding.left.map(|left| span(language, left));
    let say = |text: words::Text, left: &str| text.with(language, &[("left", left)]);
    let refused = (finding.refusing > 0).then(|| {
        let apps = apps(language, finding.refusing);
        words::EFFECT_REFUSED.with(language, &[("apps", &apps)])
    });
    match (refused, left) {
        (Some(refused), Some(left)) => {
            format!("{refused} {}", say(words::EFFECT_OTHERS, &left))
        }
        (Some(refused), None) => refused,
        (None, Some(left)) if finding.rows.len() == 1 => say(words::EFFECT_SERVED, &left),
        (None, Some(left)) => say(words::EFFECT_FIRST, &left),
        (None, None) => String::new(),
    }
}

/// What WeChat said, and when it is asked again.
fn evidence(trouble: Trouble, row: &Row, language: Language) -> Markup {
    let Trouble::Refused(class) = trouble else {
        return html! {};
    };
    let app = &row.overview;
    let said = app.history.refusal().filter(|error| error.class() == class);
    let again = app.blocked.map(|(_, left)| span(language, left));
    html! {
        @if said.is_some() || again.is_some() {
            p class="evidence" {
                @if let Some(error) = said {
                    @if let Some(ip) = &error.ip {
                        strong { (words::SEEN_IP.with(language, &[("ip", ip)])) }
                        " "
                    }
                    (words::WECHAT_SAID.with(language, &[("error", &error.to_string())]))
                    " "
                }
                @if let Some(left) = again {
                    (words::ASKED_AGAIN.with(language, &[("left", &left)]))
                }
            }
        }
    }
}

fn deed(trouble: Trouble, question: &Question, runbooks: &Runbooks) -> Markup {
    let language = question.language;
    html! {
        p class="deed" {
            strong { (words::DO.to(language)) }
            " " (words::FULL_STOP.with(language, &[("text", advice(trouble).to(language))]))
            @if let Some(book) = trouble.runbook() {
                " "
                a class="book" href=(runbooks.link(book, language)) {
                    (words::RUNBOOK.to(language)) span class="unseen" { " " (book) }
                }
            }
        }
    }
}

/// A store's time, since 1970 UTC.
pub(super) const fn since_1970(at: Timestamp) -> std::time::Duration {
    std::time::Duration::from_micros(at.as_micros())
}
