//! Everything about one app: what is wrong, its tokens' lives, what keeps them from being refreshed, and
//! what happened lately.

use std::time::Duration;

use maud::{Markup, html};

use super::bar::bar;
use super::board::{Board, Row};
use super::findings::{class, name, of_row, since_1970};
use super::language::Language;
use super::list::life;
use super::question::Question;
use super::runbooks::Runbooks;
use super::sentences::{blocked, sentence, status, told};
use super::span::{ago, clock, date_and_clock, instant, span};
use super::words::{self, Text};
use crate::domain::history::What;

/// All credentials of the app.
pub(super) fn app(board: &Board, app: &str, question: &Question, runbooks: &Runbooks) -> Markup {
    let language = question.language;
    html! {
        div id="list" {
            p class="back" { a href=(question.everything().link()) { "← " (words::BACK.to(language)) } }
            @for row in board.of_app(app) {
                section id=(format!("{}-{}", row.credential.app, row.credential.kind)) class="app-detail" {
                    h2 {
                        span class="app" { (name(row)) }
                        " "
                        span class={ "how " (row.weight().map_or("well", class)) } {
                            span class="word" { (sentence(status(row.overview.status), language)) }
                        }
                    }
                    (of_row(row, question, runbooks))
                    div class="life big" { (bar(&row.overview, row.weight())) (life(row, language)) }
                    (facts(row, language, board.at.wall))
                    (events(row, language, board.at.wall))
                }
            }
        }
    }
}

fn facts(row: &Row, language: Language, now: Duration) -> Markup {
    let app = &row.overview;
    let fact = |name: Text, value: Markup| {
        html! { div { dt { (name.to(language)) } dd { (value) } } }
    };
    let yes = |yes: bool| html! { (if yes { words::YES } else { words::NO }.to(language)) };
    let time = |name: Text, at: Duration| {
        fact(
            name,
            html! { time datetime=(instant(at)) title={ (date_and_clock(at)) " UTC" } { (clock(at)) " UTC" } },
        )
    };
    html! {
        dl class="facts" {
            (fact(words::MODE, html! { (row.credential.mode.as_str()) }))
            @if let Some(version) = app.version { (fact(words::HELD_VERSION, html! { (version) })) }
            @if let Some(at) = app.issued_at { (time(words::ISSUED_AT, since_1970(at))) }
            @if let Some(at) = app.refresh_at { (time(words::REFRESH_AT, since_1970(at))) }
            @if let Some(at) = app.expires_at { (time(words::EXPIRES_AT, at)) }
            @if app.servable {
                (fact(words::VOUCHED, html! { span title=(words::VOUCHED_HELP.to(language)) { (yes(app.vouched)) } }))
                (fact(words::STORED, yes(!app.pending)))
            }
            @if let Some((by, left)) = app.blocked {
                (fact(words::NOT_REFRESHED, html! {
                    (words::FOR_ANOTHER.with(language, &[
                        ("what", blocked(by).to(language)),
                        ("left", &span(language, left)),
                    ]))
                }))
            }
            @if let Some(stored) = app.stored {
                (fact(words::BUDGET, html! {
                    (words::USED_LEFT.with(language, &[
                        ("used", &stored.budget_used.to_string()),
                        ("left", &stored.budget_left.to_string()),
                    ]))
                }))
                (fact(words::FAILURES, html! { (stored.failures) }))
                (fact(words::LEASE, yes(stored.lease_held)))
                @if let Some(at) = stored.last_fetch {
                    (fact(words::LAST_FETCH, html! { (ago(language, now, since_1970(at))) }))
                }
            }
        }
    }
}

fn events(row: &Row, language: Language, now: Duration) -> Markup {
    let mut events = row.overview.history.events().peekable();
    html! {
        h3 { (words::EVENTS.to(language)) }
        @if events.peek().is_none() {
            p class="none" { (words::NO_EVENTS.to(language)) }
        } @else {
            table class="events" {
                thead { tr {
                    th scope="col" { (words::WHEN.to(language)) }
                    th scope="col" { (words::WHAT.to(language)) }
                } }
                tbody {
                    @for happened in events {
                        tr {
                            td {
                                time datetime=(instant(happened.last)) title={ (date_and_clock(happened.last)) " UTC" } {
                                    (clock(happened.last)) " UTC"
                                }
                                " " small { (ago(language, now, happened.last)) }
                            }
                            td {
                                (told(&happened.what, language))
                                @if happened.times > 1 {
                                    " " small { (words::TIMES.with(language, &[("count", &happened.times.to_string())])) }
                                }
                                @if let What::Refused(_, error) = &happened.what {
                                    " " small lang="en" { (error.to_string()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
