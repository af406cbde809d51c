//! What this replica says of itself: each one has its own page, and sees the others only through the store.

use std::time::Duration;

use maud::{Markup, html};

use super::board::Board;
use super::language::Language;
use super::span::span;
use super::words::{self, Text};

/// What there is to know of this process.
pub(super) struct Replica<'a> {
    /// The machine's or pod's name.
    pub(super) name: &'a str,
    /// For how long it has been running.
    pub(super) running: Duration,
    /// `embedded` or `redis`.
    pub(super) store: &'a str,
    /// Why it may not be sent requests; `None` = it may.
    pub(super) not_ready: Option<String>,
}

impl Replica<'_> {
    /// A line of facts.
    pub(super) fn render(&self, board: &Board, language: Language) -> Markup {
        let up = |up: bool| if up { words::ANSWERS } else { words::SILENT }.to(language);
        let store = match self.store {
            "redis" => words::REDIS,
            _ => words::EMBEDDED,
        };
        let store = [("store", store.to(language)), ("how", up(board.store_up))];
        let fact = |name: Text, bad: bool, value: Markup| {
            html! { div class=[bad.then_some("bad")] { dt { (name.to(language)) } dd { (value) } } }
        };
        html! {
            dl id="replica" class="facts" title=(words::ONLY_THIS_REPLICA.to(language)) {
                (fact(words::REPLICA, false, html! { (self.name) }))
                (fact(words::VERSION, false, html! { (env!("CARGO_PKG_VERSION")) }))
                (fact(words::RUNNING_FOR, false, html! { (span(language, self.running)) }))
                (fact(words::READY, self.not_ready.is_some(), html! {
                    @match &self.not_ready {
                        None => (words::YES.to(language)),
                        Some(why) => { (words::NO.to(language)) ": " span lang="en" { (why) } }
                    }
                }))
                (fact(words::STORE, !board.store_up, html! { (words::STORE_HOW.with(language, &store)) }))
                (fact(words::WECHAT, !board.wechat_up, html! { (up(board.wechat_up)) }))
                @if let Some(runway) = board.runway {
                    (fact(words::RUNWAY, runway.is_zero(), html! { (span(language, runway)) }))
                }
            }
        }
    }
}
