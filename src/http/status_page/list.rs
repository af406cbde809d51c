//! The list of apps, the worst first, in parts: ten thousand are as quick to look through as ten.

use maud::{Markup, html};

use super::bar::bar;
use super::board::{Board, Row};
use super::findings::{class, name};
use super::language::Language;
use super::question::Question;
use super::sentences::{sentence, status, title, told};
use super::span::{ago, span};
use super::words;
use crate::domain::time::Moment;

/// How many apps one part of the list has.
const PART: usize = 50;

/// Search and filter. It stands still while the rest changes, for whoever is typing.
pub(super) fn search(question: &Question) -> Markup {
    let language = question.language;
    html! {
        form id="search" method="get" action="./" role="search" {
            label for="q" class="unseen" { (words::SEARCH.to(language)) }
            input id="q" name="q" type="search" maxlength="64" autocomplete="off" spellcheck="false"
                placeholder=(words::SEARCH.to(language)) value=[&question.part];
            label for="only" class="unseen" { (words::SHOW.to(language)) }
            select id="only" name="only" {
                option value="" selected[!question.trouble_only] { (words::EVERYTHING.to(language)) }
                option value="trouble" selected[question.trouble_only] { (words::TROUBLE_ONLY.to(language)) }
            }
            @if let Some(language) = question.chosen_language() {
                input type="hidden" name="lang" value=(language.code());
            }
            button { (words::FIND.to(language)) }
        }
    }
}

/// The part of the list that was asked for.
pub(super) fn part(board: &Board, question: &Question) -> Markup {
    let found: Vec<&Row> = board
        .rows
        .iter()
        .filter(|row| asked_for(row, question))
        .collect();
    let last_page = found.len().div_ceil(PART).max(1);
    // Apps may have gone since the address was made.
    let page = question.page.min(last_page);
    let from = (page - 1) * PART;
    let shown = &found[from..found.len().min(from + PART)];
    let language = question.language;
    html! {
        div id="list" {
            @if shown.is_empty() {
                @let none = if board.apps == 0 { words::NONE_THERE } else { words::NONE_FOUND };
                p class="none" { (none.to(language)) }
            } @else {
                (table(shown, question, board.at))
            }
            @if last_page > 1 {
                nav class="pages" aria-label=(words::PAGES.to(language)) {
                    @if page > 1 {
                        a rel="prev" href=(question.on_page(page - 1).link()) { (words::PREVIOUS.to(language)) }
                    }
                    span {
                        (words::PAGE_OF.with(language, &[
                            ("first", &(from + 1).to_string()),
                            ("last", &(from + shown.len()).to_string()),
                            ("all", &found.len().to_string()),
                        ]))
                    }
                    @if page < last_page {
                        a rel="next" href=(question.on_page(page + 1).link()) { (words::NEXT.to(language)) }
                    }
                }
            }
        }
    }
}

fn asked_for(row: &Row, question: &Question) -> bool {
    let part = question.part.as_deref().unwrap_or_default();
    let fits = || {
        let app = row.credential.app.as_str();
        app.to_ascii_lowercase().contains(part)
    };
    (!question.trouble_only || !row.troubles.is_empty()) && (part.is_empty() || fits())
}

fn table(rows: &[&Row], question: &Question, now: Moment) -> Markup {
    let language = question.language;
    html! {
        table {
            thead {
                tr {
                    th scope="col" { (words::APP.to(language)) }
                    th scope="col" { (words::STATE.to(language)) }
                    th scope="col" { (words::LIFE.to(language)) " " small { (words::LIFE_HELP.to(language)) } }
                    th scope="col" class="wide" { (words::BUDGET.to(language)) " " small { (words::BUDGET_HELP.to(language)) } }
                    th scope="col" class="wide" { (words::LAST.to(language)) }
                }
            }
            tbody {
                @for row in rows { (line(row, question, now)) }
            }
        }
    }
}

fn line(row: &Row, question: &Question, now: Moment) -> Markup {
    let language = question.language;
    let app = &row.overview;
    let weight = row.weight();
    html! {
        tr id=(format!("{}-{}", row.credential.app, row.credential.kind)) {
            th scope="row" {
                a class="app" href=(question.about(row.credential.app.as_str()).link()) { (name(row)) }
            }
            td class={ "how " (weight.map_or("well", class)) } {
                span class="word" { (sentence(status(app.status), language)) }
                @if let Some(trouble) = row.troubles.first() {
                    small { (sentence(title(*trouble), language)) }
                }
            }
            td class="life" { (bar(app, weight)) (life(row, language)) }
            td class="wide" {
                @if let Some(stored) = app.stored {
                    (words::USED_LEFT.with(language, &[
                        ("used", &stored.budget_used.to_string()),
                        ("left", &stored.budget_left.to_string()),
                    ]))
                }
            }
            td class="wide" { (last_event(row, language, now)) }
        }
    }
}

/// How long the token lasts and when it is refreshed, in words.
pub(super) fn life(row: &Row, language: Language) -> Markup {
    let app = &row.overview;
    let Some(left) = app.expires_in else {
        return html! { span { (words::NO_TOKEN.to(language)) } };
    };
    let due = app.refresh_in();
    html! {
        span { (words::EXPIRES_IN.with(language, &[("left", &span(language, left))])) }
        " "
        small {
            @match due {
                Some(due) if !due.is_zero() => (words::REFRESH_IN.with(language, &[("left", &span(language, due))])),
                _ => (words::REFRESH_DUE.to(language)),
            }
        }
    }
}

fn last_event(row: &Row, language: Language, now: Moment) -> Markup {
    let Some(last) = row.overview.history.events().next() else {
        return html! {};
    };
    html! {
        (told(&last.what, language))
        " "
        small { (ago(language, now.wall, last.last)) }
    }
}
